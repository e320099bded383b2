#include "mixed_cell.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "mixed_program.h"

namespace efficient_nas::ops {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("MixedCell: " + what); }

void check_candidate(const Candidate& candidate) {
    if (candidate.kernel < 1 || candidate.kernel % 2 == 0)
        refuse("kernel_size must be odd, got " + std::to_string(candidate.kernel));
    if (candidate.dilation < 1)
        refuse("dilation must be at least 1, got " + std::to_string(candidate.dilation));
    if (candidate.expansion < 1)
        refuse("expansion must be at least 1, got " + std::to_string(candidate.expansion));
    const bool is_pool =
        candidate.kind == CandidateKind::kMaxPool || candidate.kind == CandidateKind::kAveragePool;
    const bool has_convolution =
        !is_pool && candidate.kind != CandidateKind::kNone && candidate.kind != CandidateKind::kSkip;
    if (has_convolution && candidate.norm == NormKind::kNone)
        refuse("norm of a convolution must not be none");
}

template <typename Sum>
void update(const MixedCell& cell, const CellCall& call, const double* statistics,
            const std::vector<void*>& running, double momentum) {
    MixedProgram program(cell, call.storage, call.batch, call.inputs, call.channels);
    if (running.size() != program.num_running)
        refuse("running must be " + std::to_string(program.num_running) + ", got " +
               std::to_string(running.size()));
    if (call.alphas.size() != program.num_alphas)
        refuse("alphas must be " + std::to_string(program.num_alphas) + ", got " +
               std::to_string(call.alphas.size()));
    if (call.skip_zero) program.skip_zeros(call.alphas);
    program.for_each_norm(
        [&](const NormTensors& norm, std::int64_t channels, const Geometry& size, bool active) {
            if (!active) return;
            const auto count = static_cast<double>(call.batch * size.height * size.width);
            auto* mean = static_cast<Sum*>(running[norm.running]);
            auto* variance = static_cast<Sum*>(running[norm.running + 1]);
            const double* of_batch = statistics + norm.statistics;
            for (std::int64_t c = 0; c < channels; ++c) {
                const double unbiased = of_batch[channels + c] * count / (count - 1);
                mean[c] = static_cast<Sum>((1 - momentum) * double(mean[c]) + momentum * of_batch[c]);
                variance[c] = static_cast<Sum>((1 - momentum) * double(variance[c]) + momentum * unbiased);
            }
        });
}

}  // namespace

MixedCell::MixedCell(std::size_t inputs, std::vector<CellEdge> edges)
    : inputs_(inputs), states_(inputs), edges_(std::move(edges)) {
    if (inputs < 1) refuse("inputs must be at least 1, got 0");
    for (const CellEdge& edge : edges_) states_ = std::max(states_, edge.target + 1);
    if (states_ > inputs + edges_.size()) refuse("every node must have an edge");
    std::vector<bool> entered(states_, false);
    std::vector<std::int64_t> leaving(states_, 0), entering(states_, 0);  // divisors
    const auto agree = [](std::int64_t& divisor, const CellEdge& edge) {
        if (divisor != 0 && divisor != edge.divisor)
            refuse("edges that leave one state or enter one node must agree in the divisor, got " +
                   std::to_string(divisor) + " and " + std::to_string(edge.divisor));
        divisor = edge.divisor;
    };
    for (const CellEdge& edge : edges_) {
        if (edge.target < inputs || edge.source >= edge.target)
            refuse("an edge must lead from a state to a later node, got " + std::to_string(edge.source) +
                   " to " + std::to_string(edge.target));
        if (edge.stride != 1 && edge.stride != 2)
            refuse("stride must be 1 or 2, got " + std::to_string(edge.stride));
        if (edge.divisor < 1) refuse("divisor must be at least 1, got " + std::to_string(edge.divisor));
        if (edge.candidates.empty()) refuse("an edge must have candidates");
        agree(leaving[edge.source], edge);
        agree(entering[edge.target], edge);
        std::for_each(edge.candidates.begin(), edge.candidates.end(), check_candidate);
        entered[edge.target] = true;
    }
    if (std::find(entered.begin() + static_cast<std::ptrdiff_t>(inputs), entered.end(), false) !=
        entered.end())
        refuse("every node must have an edge");
}

std::vector<std::int64_t> saved_elements(const MixedCell& cell, const std::vector<StateShape>& inputs,
                                         const std::vector<std::int64_t>& channels) {
    // The layout is the same for all kinds of storage but float64, whose vectors are narrower. One image
    // alone takes at least as much as one of several side by side.
    const MixedProgram program(cell, Storage::kFloat32, 1, inputs, channels);
    std::vector<std::int64_t> elements;
    for (const Unit& unit : program.units)
        elements.push_back(unit.size.height * unit.size.width * unit.out.pitch);
    return elements;
}

std::int64_t statistics_size(const MixedCell& cell, const std::vector<StateShape>& inputs,
                             const std::vector<std::int64_t>& channels) {
    return MixedProgram(cell, Storage::kFloat32, 1, inputs, channels).statistics_size;
}

void update_running(const MixedCell& cell, const CellCall& call, const double* statistics,
                    const std::vector<void*>& running, double momentum) {
    if (call.storage == Storage::kFloat64)
        update<double>(cell, call, statistics, running, momentum);
    else
        update<float>(cell, call, statistics, running, momentum);
}

}  // namespace efficient_nas::ops
