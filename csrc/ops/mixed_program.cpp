#include "mixed_program.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace efficient_nas::ops {
namespace {

const MixedWidths& widths_of(Storage storage) {
    switch (storage) {
        case Storage::kFloat64:
            return mixed_path().float64;
        case Storage::kBfloat16:
            return mixed_path().bfloat16;
        default:
            return mixed_path().float32;
    }
}

// The vectors that hold the channels in the smallest number, and the narrowest of those. Those of several
// images fill the widest vectors.
ChannelLayout layout_of(const MixedWidths& widths, std::int64_t channels, std::int64_t groups) {
    if (groups > 1) return {channels, groups * channels, widths.widths, groups};
    ChannelLayout best;
    std::int64_t fewest = 0;
    for (std::size_t i = 0; i < widths.count; ++i) {
        const std::int64_t lanes = widths.widths[i].lanes;
        const std::int64_t vectors = (channels + lanes - 1) / lanes;
        if (i == 0 || vectors <= fewest) {
            best = {channels, vectors * lanes, widths.widths + i};
            fewest = vectors;
        }
    }
    return best;
}

// How many images fill the widest vectors with their channels, where the batch can be dealt out so.
std::int64_t groups_of(const MixedWidths& widths, std::int64_t channels, std::int64_t batch) {
    const std::int64_t lanes = widths.widths->lanes, groups = lanes / channels;
    return groups > 1 && lanes % channels == 0 && batch % groups == 0 ? groups : 1;
}

std::int64_t strided(std::int64_t size, std::int64_t stride) { return (size + stride - 1) / stride; }

Geometry strided(const Geometry& size, std::int64_t stride) {
    return {strided(size.height, stride), strided(size.width, stride)};
}

}  // namespace

struct MixedProgram::Builder {
    MixedProgram& program;
    const MixedWidths& widths;
    std::size_t edge = 0, alpha = 0;
    std::int64_t stride = 1;
    std::size_t source = 0;
    ChannelLayout in{}, out{};

    ChannelLayout layout(std::int64_t channels, std::int64_t groups = 1) const {
        return layout_of(widths, channels, groups);
    }
    std::size_t parameter() { return program.num_parameters++; }

    NormTensors norm(NormKind kind, std::int64_t channels, std::vector<ChannelPart> bias = {}) {
        NormTensors tensors;
        tensors.kind = kind;
        if (kind == NormKind::kNone) return tensors;
        if (kind == NormKind::kAffine) {
            tensors.gamma = parameter();
            tensors.beta = parameter();
        }
        tensors.bias = std::move(bias);
        tensors.running = program.num_running;
        program.num_running += 2;
        tensors.statistics = program.statistics_size;
        program.statistics_size += 2 * channels;
        return tensors;
    }

    std::size_t pass_of_state(Activation activation, std::int64_t of_stride) {
        for (std::size_t p = 0; p < program.passes.size(); ++p) {
            const Pass& pass = program.passes[p];
            if (pass.state == source && pass.activation == activation && pass.stride == of_stride) return p;
        }
        Pass pass;
        pass.state = source;
        pass.activation = activation;
        pass.stride = of_stride;
        pass.size = program.states[source].size;
        pass.layout = program.states[source].layout;
        program.passes.push_back(pass);
        return program.passes.size() - 1;
    }

    std::size_t pass_of_unit(std::size_t unit, Activation activation, std::int64_t of_stride) {
        Pass pass;
        pass.unit = unit;
        pass.level = program.passes[program.units[unit].pass].level + 1;
        pass.activation = activation;
        pass.stride = of_stride;
        pass.size = program.units[unit].size;
        pass.layout = program.units[unit].out;
        program.passes.push_back(pass);
        return program.passes.size() - 1;
    }

    Unit begin(std::size_t pass) const {
        Unit unit;
        unit.edge = edge;
        unit.alpha = alpha;
        unit.pass = pass;
        unit.stride = program.passes[pass].stride;
        unit.in = program.passes[pass].layout;
        unit.out = unit.in;
        unit.size = strided(program.passes[pass].size, unit.stride);
        return unit;
    }

    void depthwise(Unit& unit, std::int64_t kernel, std::int64_t dilation) {
        unit.depthwise = parameter();
        unit.kernel = kernel;
        unit.dilation = dilation;
        unit.padding = dilation * (kernel - 1) / 2;
    }

    // A 1x1 convolution to `target`; the parts of its bias, if it has one.
    std::vector<ChannelPart> pointwise(Unit& unit, const ChannelLayout& target, bool bias) {
        const ChannelPart part{parameter(), 0, target.channels};
        unit.mix.push_back({0, 0, part, 0, 1});
        unit.out = target;
        if (!bias) return {};
        return {{parameter(), 0, target.channels}};
    }

    std::size_t end(Unit unit, bool last) {
        unit.last = last;
        const std::size_t index = program.units.size();
        Pass& pass = program.passes[unit.pass];
        if (unit.depthwise != kAbsent) {
            unit.before = unit.padding;
            unit.after = (unit.kernel - 1) * unit.dilation - unit.padding;
        } else {
            for (const MixTap& tap : unit.mix) {
                unit.before = std::max(unit.before, -std::min(tap.row, tap.column));
                unit.after = std::max({unit.after, tap.row, tap.column});
            }
        }
        pass.before = std::max(pass.before, unit.before);
        pass.after = std::max(pass.after, unit.after);
        pass.units.push_back(index);
        program.units.push_back(std::move(unit));
        if (last) term(TermKind::kUnit, index);
        return index;
    }

    Term& term(TermKind kind, std::size_t unit = kAbsent) {
        const std::size_t target = program.edge_targets[edge];
        program.states[target].entering.push_back(program.terms.size());
        program.states[source].leaving.push_back(program.terms.size());
        Term added{kind, edge, alpha};
        added.unit = unit;
        if (unit != kAbsent) added.norm = program.units[unit].norm;
        program.terms.push_back(added);
        return program.terms.back();
    }

    void skip(const Candidate& candidate) {
        if (stride == 1) {
            term(TermKind::kIdentity);
            return;
        }
        Unit unit = begin(pass_of_state(Activation::kRelu, stride));
        const std::int64_t half = out.channels / 2;
        std::vector<ChannelPart> bias;
        const std::int64_t firsts[] = {0, half}, counts[] = {half, out.channels - half};
        for (std::int64_t i = 0; i < 2; ++i) {
            unit.mix.push_back({i, i, {parameter(), firsts[i], counts[i]}, 0, 1});
            if (candidate.bias) bias.push_back({parameter(), firsts[i], counts[i]});
        }
        unit.out = out;
        unit.norm = norm(candidate.norm, out.channels, bias);
        end(unit, true);
    }

    void pool(const Candidate& candidate) {
        const bool maximum = candidate.kind == CandidateKind::kMaxPool;
        std::size_t found = 0;
        while (found < program.pools.size() &&
               !(program.pools[found].state == source && program.pools[found].maximum == maximum &&
                 program.pools[found].kernel == candidate.kernel && program.pools[found].stride == stride))
            ++found;
        if (found == program.pools.size()) {
            program.states[source].pools.push_back(found);
            program.pools.push_back(
                {source, maximum, candidate.kernel, stride, strided(program.states[source].size, stride)});
        }
        program.pools[found].terms.push_back(program.terms.size());
        Term& added = term(maximum ? TermKind::kMaxPool : TermKind::kAveragePool);
        added.pool = found;
        added.norm = norm(candidate.norm, out.channels);
    }

    void nor_conv(const Candidate& candidate) {
        Unit unit = begin(pass_of_state(Activation::kRelu, stride));
        const ChannelPart part{parameter(), 0, out.channels};
        const std::int64_t k = candidate.kernel, padding = (k - 1) / 2;
        for (std::int64_t tap = 0; tap < k * k; ++tap)
            unit.mix.push_back({tap / k - padding, tap % k - padding, part, tap, k * k});
        unit.out = out;
        std::vector<ChannelPart> bias;
        if (candidate.bias) bias.push_back({parameter(), 0, out.channels});
        unit.norm = norm(candidate.norm, out.channels, bias);
        end(unit, true);
    }

    // A depthwise convolution, a pointwise one and a norm.
    std::size_t separable(std::size_t pass, const Candidate& candidate, const ChannelLayout& target,
                          bool last) {
        Unit unit = begin(pass);
        depthwise(unit, candidate.kernel, candidate.dilation);
        const auto bias = pointwise(unit, target, candidate.bias);
        unit.norm = norm(candidate.norm, target.channels, bias);
        return end(unit, last);
    }

    void mbconv(const Candidate& candidate) {
        std::size_t pass = pass_of_state(Activation::kNone, candidate.expansion > 1 ? 1 : stride);
        if (candidate.expansion > 1) {
            Unit unit = begin(pass);
            const ChannelLayout hidden = layout(in.channels * candidate.expansion, in.groups);
            const auto bias = pointwise(unit, hidden, candidate.bias);
            unit.norm = norm(candidate.norm, hidden.channels, bias);
            pass = pass_of_unit(end(unit, false), Activation::kRelu6, stride);
        }
        Unit unit = begin(pass);
        depthwise(unit, candidate.kernel, 1);
        unit.norm = norm(candidate.norm, unit.out.channels);
        Unit project = begin(pass_of_unit(end(unit, false), Activation::kRelu6, 1));
        const auto bias = pointwise(project, out, candidate.bias);
        project.norm = norm(candidate.norm, out.channels, bias);
        end(project, true);
        if (stride == 1 && in.channels == out.channels) term(TermKind::kIdentity);
    }

    void add(const Candidate& candidate) {
        switch (candidate.kind) {
            case CandidateKind::kNone:
                term(TermKind::kZero);
                break;
            case CandidateKind::kSkip:
                skip(candidate);
                break;
            case CandidateKind::kMaxPool:
            case CandidateKind::kAveragePool:
                pool(candidate);
                break;
            case CandidateKind::kNorConv:
                nor_conv(candidate);
                break;
            case CandidateKind::kSepConv: {
                const std::size_t first =
                    separable(pass_of_state(Activation::kRelu, stride), candidate, in, false);
                separable(pass_of_unit(first, Activation::kRelu, 1), candidate, out, true);
                break;
            }
            case CandidateKind::kDilConv:
                separable(pass_of_state(Activation::kRelu, stride), candidate, out, true);
                break;
            case CandidateKind::kMbConv:
                mbconv(candidate);
        }
    }
};

MixedProgram::MixedProgram(const MixedCell& cell, Storage storage, std::int64_t batch,
                           const std::vector<StateShape>& inputs, const std::vector<std::int64_t>& channels) {
    const auto refuse = [](const std::string& what) { throw std::invalid_argument("MixedCell: " + what); };
    if (inputs.size() != cell.inputs())
        refuse("there must be " + std::to_string(cell.inputs()) + " inputs, got " +
               std::to_string(inputs.size()));
    if (channels.size() + cell.inputs() != cell.states())
        refuse("there must be channels for " + std::to_string(cell.states() - cell.inputs()) +
               " nodes, got " + std::to_string(channels.size()));
    Builder builder{*this, widths_of(storage)};
    num_inputs = inputs.size();
    states.resize(cell.states());
    for (const CellEdge& edge : cell.edges()) {
        states[edge.source].divisor = edge.divisor;
        states[edge.target].sum_divisor = edge.divisor;
    }
    const auto set_layouts = [&](State& state, std::int64_t of_state) {
        if (of_state % state.divisor != 0 || of_state % state.sum_divisor != 0)
            refuse("channels must be a multiple of the divisor of an edge, got " + std::to_string(of_state));
        const auto part = [&](std::int64_t divisor) {
            const std::int64_t of_part = of_state / divisor;
            return builder.layout(of_part, divisor > 1 ? groups_of(builder.widths, of_part, batch) : 1);
        };
        state.layout = part(state.divisor);
        state.sum = part(state.sum_divisor);
        state.whole = part(1);
    };
    for (std::size_t s = 0; s < num_inputs; ++s) {
        if (inputs[s].channels < 1 || inputs[s].height < 1 || inputs[s].width < 1)
            refuse("channels, height and width of an input must be at least 1");
        states[s].size = {inputs[s].height, inputs[s].width};
        set_layouts(states[s], inputs[s].channels);
    }
    // Sizes of nodes, in their order: all edges that enter one agree.
    for (std::size_t s = num_inputs; s < states.size(); ++s) {
        const std::int64_t node_channels = channels[s - num_inputs];
        if (node_channels < 1) refuse("channels of a node must be at least 1");
        set_layouts(states[s], node_channels);
        for (const CellEdge& edge : cell.edges()) {
            if (edge.target != s) continue;
            const Geometry size = strided(states[edge.source].size, edge.stride);
            if (states[s].size.height != 0 &&
                (states[s].size.height != size.height || states[s].size.width != size.width))
                refuse("edges that enter a node must agree in the size of its image");
            states[s].size = size;
        }
    }
    for (std::size_t e = 0; e < cell.edges().size(); ++e) {
        const CellEdge& edge = cell.edges()[e];
        edge_sources.push_back(edge.source);
        edge_targets.push_back(edge.target);
        edge_strides.push_back(edge.stride);
        builder.edge = e;
        builder.stride = edge.stride;
        builder.source = edge.source;
        builder.in = states[edge.source].layout;
        builder.out = states[edge.target].sum;
        for (const Candidate& candidate : edge.candidates) {
            const bool keeps = edge.divisor > 1 || candidate.kind == CandidateKind::kNone ||
                               candidate.kind == CandidateKind::kMaxPool ||
                               candidate.kind == CandidateKind::kAveragePool ||
                               (candidate.kind == CandidateKind::kSkip && edge.stride == 1);
            if (keeps && builder.in.channels != builder.out.channels)
                refuse("an edge with a candidate that keeps the channels must keep them, got " +
                       std::to_string(builder.in.channels) + " to " + std::to_string(builder.out.channels));
            builder.add(candidate);
            ++builder.alpha;
        }
        if (edge.divisor == 1) continue;
        builder.term(TermKind::kBypass);
        ++builder.alpha;
    }
    num_alphas = builder.alpha;
    // The first pass of a state also does what needs no activation: pools, and all that is added to a
    // gradient.
    for (std::size_t s = 0; s < states.size(); ++s) {
        if (states[s].leaving.empty()) continue;
        const auto of_state = [&](const Pass& pass) { return pass.state == s; };
        auto first = std::find_if(passes.begin(), passes.end(), of_state);
        if (first == passes.end()) {
            builder.source = s;
            first = passes.begin() + static_cast<std::ptrdiff_t>(builder.pass_of_state(Activation::kNone, 1));
        }
        first->carries_rest = true;
    }
}

void MixedProgram::skip_zeros(const std::vector<double>& alphas) {
    for (Unit& unit : units) unit.active = alphas[unit.alpha] != 0;
    for (Term& term : terms) term.active = alphas[term.alpha] != 0;
    for (Pool& pool : pools)
        pool.active = std::any_of(pool.terms.begin(), pool.terms.end(),
                                  [&](std::size_t index) { return terms[index].active; });
}

}  // namespace efficient_nas::ops
