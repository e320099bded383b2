#include <algorithm>
#include <utility>

#include "flush_subnormals.h"
#include "mixed_bypass_gradient.h"
#include "mixed_cell.h"
#include "mixed_gradients.h"
#include "mixed_node_gradient.h"
#include "mixed_run.h"
#include "mixed_source_gradient.h"
#include "mixed_unit_gradient.h"

namespace efficient_nas::ops {
namespace {

template <typename Sum>
class Backward {
  public:
    Backward(const MixedCell& cell, const CellCall& call, const BackwardOperands& operands,
             std::size_t threads)
        : run_(cell, call, operands, operands.outputs, Direction::kBackward, threads),
          gradients_(run_, operands),
          unit_gradient_(gradients_),
          source_gradient_(gradients_) {
        const MixedProgram& program = run_.program;
        for (std::size_t u = 0; u < program.units.size(); ++u)
            if (program.units[u].active)
                run_.norms[u] = run_.affine_of(program.units[u].norm, program.units[u].out);
    }

    void run() {
        const MixedProgram& program = run_.program;
        std::fill_n(gradients_.operands.alpha_gradients, program.num_alphas, 0.0);
        gradients_.clear_skipped();
        for (std::size_t s = 0; s < run_.states.size(); ++s) run_.copy_part(s);
        for (std::size_t s = run_.states.size(); s-- > 0;) {
            run_passes(0, [&](const Pass& pass) { return pass.state == s; });
            if (program.states[s].divisor > 1) finish_gradient(gradients_, s);
            for (const Pass& pass : program.passes)
                if (pass.unit != kAbsent && run_.root_of(pass) == s) gradients_.values[pass.unit] = {};
            if (s < program.num_inputs) continue;
            if (program.states[s].sum_divisor > 1) split_gradient(gradients_, s);
            reduce_node(gradients_, s);
            for (std::size_t level = kLevels; level-- > 1;)
                run_passes(level, [&](const Pass& pass) {
                    return program.edge_targets[program.units[pass.unit].edge] == s;
                });
        }
    }

  private:
    struct Job {
        const Pass* pass;
        Pieces pieces;
        std::vector<std::size_t> units{};
        std::vector<std::vector<typename Sums<Sum>::Finished>> parts{};  // by part, then sums
    };

    // All passes of a level that `belongs` names. A state's passes add to the same gradient one by one.
    template <typename Belongs>
    void run_passes(std::size_t level, const Belongs& belongs) {
        std::vector<Job> jobs;
        for (const Pass& pass : run_.program.passes) {
            if (pass.level != level || !belongs(pass)) continue;
            Job job{&pass, run_.pieces_of(pass.size, pass.layout)};
            for (const std::size_t u : pass.units)
                if (run_.program.units[u].active) job.units.push_back(u);
            if (job.units.empty() && !pass.carries_rest) continue;
            job.parts.resize(job.pieces.parts());
            jobs.push_back(std::move(job));
        }
        if (level > 0) {
            for (const Job& job : jobs) gradients_.allocate_value(job.pass->unit);
            run_jobs(jobs.data(), jobs.size());
            return;
        }
        std::stable_partition(jobs.begin(), jobs.end(),
                              [](const Job& job) { return job.pass->carries_rest; });
        for (Job& job : jobs) run_jobs(&job, 1);
    }

    void run_jobs(Job* jobs, std::size_t count) {
        std::vector<std::pair<std::size_t, std::size_t>> work;
        for (std::size_t j = 0; j < count; ++j)
            for (std::size_t part = 0; part < jobs[j].parts.size(); ++part) work.emplace_back(j, part);
        for_each_piece(work.size(), run_.threads, [&](std::size_t i) {
            Job& job = jobs[work[i].first];
            job.parts[work[i].second] = compute_part(job, work[i].second);
        });
        for (std::size_t j = 0; j < count; ++j) finish(jobs[j]);
    }

    bool wants_weights(const Unit& unit) const {
        return gradients_.is_wanted(unit.depthwise) ||
               std::any_of(unit.mix.begin(), unit.mix.end(),
                           [&](const MixTap& tap) { return gradients_.is_wanted(tap.part.parameter); });
    }

    // Sums of a job: of each unit the weights of its depthwise convolution and of its matrices; of a pass
    // that reads a unit's value also the gradient behind that unit's norm, and its products with the value.
    std::vector<Sums<Sum>> sums_of(const Job& job) const {
        std::vector<Sums<Sum>> sums;
        for (const std::size_t u : job.units) {
            const Unit& unit = run_.program.units[u];
            const bool wanted = wants_weights(unit);
            const bool convolves = wanted && unit.depthwise != kAbsent;
            sums.push_back({convolves ? unit.kernel * unit.kernel * unit.in.pitch : 0});
            sums.push_back(
                {wanted ? static_cast<std::int64_t>(unit.mix.size()) * unit.in.sums() * unit.out.pitch : 0});
        }
        if (job.pass->unit != kAbsent) {
            sums.push_back({job.pass->layout.pitch});
            sums.push_back({job.pass->layout.pitch});
        }
        return sums;
    }

    std::vector<typename Sums<Sum>::Finished> compute_part(const Job& job, std::size_t part) {
        const FlushSubnormals flush(sizeof(Sum) == sizeof(float));
        const Pass& pass = *job.pass;
        const PlaneRow plane = plane_of(pass);
        const Image image = run_.source_of(pass);
        std::vector<Sums<Sum>> sums = sums_of(job);
        PassWorkspace<Sum> memory{};
        const auto allocate = [&](Arena arena) {
            return this->allocate(arena, job, plane, image, sums, memory);
        };
        allocate(Arena(scratch(allocate(Arena()))));
        for (auto& of_sums : sums) std::fill_n(of_sums.current, of_sums.size, Sum{0});
        std::int64_t pixels = 0;
        job.pieces.for_each(part, [&](const Piece& piece) {
            compute_piece(job, plane, image, piece, sums, memory);
            pixels += (piece.last - piece.first) * pass.size.width;
            if (pixels < kPixelsOfFloat) return;
            for (auto& of_sums : sums) of_sums.flush();
            pixels = 0;
        });
        std::vector<typename Sums<Sum>::Finished> finished;
        for (auto& of_sums : sums) finished.push_back(of_sums.finished());
        return finished;
    }

    std::size_t allocate(Arena& arena, const Job& job, const PlaneRow& plane, const Image& image,
                         std::vector<Sums<Sum>>& sums, PassWorkspace<Sum>& memory) const {
        const Pass& pass = *job.pass;
        const std::int64_t band = job.pieces.band_rows();
        std::int64_t pitch = pass.layout.pitch, lines = 1, gradient_sums = 0, width = pass.size.width;
        for (const std::size_t u : job.units) {
            const Unit& unit = run_.program.units[u];
            pitch = std::max(pitch, unit.out.pitch);
            lines = std::max(lines, run_.num_lines(unit));
            const std::int64_t rows = UnitGradient<Sum>::output_rows(unit, band);
            gradient_sums =
                std::max(gradient_sums, rows * run_.weights[u].gradient_taps.pixels * unit.in.pitch);
        }
        const std::vector<std::size_t>& terms =
            pass.carries_rest ? run_.program.states[pass.state].leaving : std::vector<std::size_t>{};
        if (pass.carries_rest)
            for (const std::size_t p : run_.program.states[pass.state].pools)
                lines = std::max(lines, run_.program.pools[p].kernel);
        const std::int64_t row = width * pitch, together = run_.sums_together(width, pitch);
        memory.plane = arena.take<Sum>(run_.plane_rows(pass, band) * pixels_of(plane) * pass.layout.pitch);
        memory.plane_gradient = arena.take<Sum>(band * pixels_of(plane) * pass.layout.pitch);
        memory.output_gradient = arena.take<Sum>(gradient_sums);
        memory.rest = arena.take<Sum>(band * width * pass.layout.pitch);
        if (!run_.is_direct(image))
            memory.copies = arena.take<Sum>((band + 4 * lines) * width * pass.layout.pitch);
        memory.row = arena.take<Sum>(together);
        memory.values = arena.take<Sum>(together);
        memory.value_row = arena.take<Sum>(together);
        memory.gradient_row =
            arena.take<Sum>(std::max(together, row * static_cast<std::int64_t>(1 + terms.size())));
        memory.scratch = arena.take<Sum>(row);
        memory.lines = arena.take<const void*>(lines);
        memory.targets = arena.take<void*>(lines);
        for (auto& of_sums : sums) of_sums.current = arena.take<Sum>(of_sums.size);
        return arena.used();
    }

    // The gradient of the rows piece.first to piece.last of what a pass reads.
    void compute_piece(const Job& job, const PlaneRow& plane, const Image& image, const Piece& piece,
                       std::vector<Sums<Sum>>& sums, const PassWorkspace<Sum>& memory) {
        const Pass& pass = *job.pass;
        const std::int64_t rows = piece.last - piece.first;
        const std::int64_t plane_sums = pixels_of(plane) * pass.layout.pitch;
        const bool wants_source = pass.unit != kAbsent || gradients_.states[pass.state].data != nullptr;
        Sum* plane_gradient = memory.plane_gradient - piece.first * plane_sums;
        if (!job.units.empty()) {
            if (!unit_gradient_.writes(job.units.front()))
                std::fill_n(memory.plane_gradient, rows * plane_sums, Sum{0});
            const std::int64_t first = ceiling_division(piece.first, pass.stride);
            const std::int64_t last = ceiling_division(piece.last, pass.stride);
            const Sum* source = nullptr;
            if (first < last)
                source = run_.load_plane(pass, plane, image, piece.n, first, last, memory.plane);
            for (std::size_t i = 0; i < job.units.size(); ++i)
                unit_gradient_.add(job.units[i], pass, source, plane_gradient, wants_source, i == 0, piece,
                                   sums[2 * i], sums[2 * i + 1], memory);
        }
        if (pass.unit != kAbsent)
            source_gradient_.finish_value(pass, plane, image, plane_gradient, piece, sums, memory);
        else if (wants_source)
            source_gradient_.finish_state(pass, !job.units.empty(), plane, image, plane_gradient, piece,
                                          memory);
    }

    void finish(const Job& job) {
        const std::vector<Sums<Sum>> sums = sums_of(job);
        const auto total = [&](std::size_t i) {
            std::vector<double> result(static_cast<std::size_t>(sums[i].size));
            for (const auto& part : job.parts) part[i].add_to(result);
            return result;
        };
        for_each_piece(job.units.size(), run_.threads, [&](std::size_t i) {
            gradients_.write_weights(job.units[i], total(2 * i), total(2 * i + 1));
        });
        if (job.pass->unit == kAbsent) return;
        const Unit& unit = run_.program.units[job.pass->unit];
        gradients_.norms[job.pass->unit] = gradients_.norm_gradient(
            unit.norm, unit.out, run_.call.batch * unit.size.height * unit.size.width, 1,
            total(sums.size() - 2).data(), total(sums.size() - 1).data());
    }

    CellRun<Sum> run_;
    CellGradients<Sum> gradients_;
    UnitGradient<Sum> unit_gradient_;
    SourceGradient<Sum> source_gradient_;
};

}  // namespace

void backward(const MixedCell& cell, const CellCall& call, const BackwardOperands& operands,
              std::size_t threads) {
    if (call.storage == Storage::kFloat64)
        Backward<double>(cell, call, operands, threads).run();
    else
        Backward<float>(cell, call, operands, threads).run();
}

}  // namespace efficient_nas::ops
