#include <cmath>
#include <stdexcept>
#include <utility>

#include "flush_subnormals.h"
#include "kept_memory.h"
#include "mixed_cell.h"
#include "mixed_run.h"
#include "mixed_terms.h"

namespace efficient_nas::ops {
namespace {

constexpr std::size_t kLevels = 3;  // units of a candidate
// Sums of so many pixels are kept in float32, longer ones in float64.
constexpr std::int64_t kPixelsOfFloat = 4096;

// The gradient of a value before its norm: gradient * scale + (value - mean) * slope + shift, where
// `gradient` is that of a node or of the value behind norm and activation.
template <typename Sum>
struct NormGradient {
    std::vector<Sum> scale, slope, shift, mean;
};

// Float sums of one thread and the totals that they are added to.
template <typename Sum>
struct Sums {
    std::int64_t size = 0;
    Sum* current = nullptr;
    std::vector<double> total{};

    void flush() {
        for (std::int64_t i = 0; i < size; ++i) {
            total[static_cast<std::size_t>(i)] += double(current[i]);
            current[i] = 0;
        }
    }
};

template <typename Sum>
class Backward {
  public:
    Backward(const MixedCell& cell, const CellCall& call, const BackwardOperands& operands,
             std::size_t threads)
        : run_(cell, call, operands, operands.outputs, threads), operands_(operands) {
        const MixedProgram& program = run_.program;
        const std::size_t nodes = run_.states.size() - program.num_inputs;
        if (operands.output_gradients.size() != nodes ||
            operands.input_gradients.size() != program.num_inputs ||
            operands.parameter_gradients.size() != program.num_parameters)
            throw std::invalid_argument(
                "MixedCell: gradients must be one for each output, input and parameter");
        norm_gradients_.resize(program.units.size());
        term_gradients_.resize(program.terms.size());
        value_gradients_.resize(program.units.size());
        for (const State& state : program.states)
            zero_.resize(std::max(zero_.size(), static_cast<std::size_t>(state.layout.pitch)));
        for (const Unit& unit : program.units)
            zero_.resize(std::max(zero_.size(), static_cast<std::size_t>(unit.out.pitch)));
        for (std::size_t u = 0; u < program.units.size(); ++u)
            if (program.units[u].active)
                run_.norms[u] = run_.affine_of(program.units[u].norm, program.units[u].out);
        prepare_state_gradients();
    }

    void run() {
        const MixedProgram& program = run_.program;
        std::fill_n(operands_.alpha_gradients, program.num_alphas, 0.0);
        clear_gradients();
        for (std::size_t s = run_.states.size(); s-- > 0;) {
            run_passes(0, [&](const Pass& pass) { return pass.state == s; });
            for (const Pass& pass : program.passes)
                if (pass.unit != kAbsent && run_.root_of(pass) == s) value_gradients_[pass.unit] = {};
            if (s < program.num_inputs) continue;
            reduce_node(s);
            for (std::size_t level = kLevels; level-- > 1;)
                run_passes(level, [&](const Pass& pass) {
                    return program.edge_targets[program.units[pass.unit].edge] == s;
                });
        }
    }

  private:
    // ---- gradients of states

    void prepare_state_gradients() {
        const MixedProgram& program = run_.program;
        for (std::size_t s = 0; s < run_.states.size(); ++s) {
            Image image = run_.states[s];
            image.pixel_pitch = image.layout.channels;
            const std::int64_t elements =
                run_.call.batch * image.size.height * image.size.width * image.layout.channels;
            const std::size_t bytes = static_cast<std::size_t>(elements) * run_.element_size();
            const bool unread = program.states[s].leaving.empty();
            if (s < program.num_inputs) {
                image.data = static_cast<std::byte*>(operands_.input_gradients[s]);
                if (unread && image.data != nullptr) std::memset(image.data, 0, bytes);
            } else {
                const void* given = operands_.output_gradients[s - program.num_inputs];
                image.data = static_cast<std::byte*>(const_cast<void*>(given));
                if (!unread || given == nullptr) {
                    memory_.emplace_back(bytes);
                    image.data = static_cast<std::byte*>(memory_.back().data());
                    if (unread) std::memset(image.data, 0, bytes);
                }
            }
            gradients_.push_back(image);
        }
    }

    // What the passes of a state add to: the gradient that is given from outside.
    const void* given_gradient(std::size_t state) const {
        return state < run_.program.num_inputs ? nullptr
                                               : operands_.output_gradients[state - run_.program.num_inputs];
    }

    // ---- norms

    // gradient: sums over the batch of the gradient behind the norm and of its products with (value - mean),
    // both times `alpha`. Writes the gradients of the norm's parameters and of the convolution's bias.
    NormGradient<Sum> norm_gradient(const NormTensors& norm, const ChannelLayout& layout, std::int64_t count,
                                    double alpha, const double* totals, const double* products) {
        const auto pitch = static_cast<std::size_t>(layout.pitch);
        NormGradient<Sum> result{std::vector<Sum>(pitch), std::vector<Sum>(pitch), std::vector<Sum>(pitch),
                                 std::vector<Sum>(pitch)};
        for (std::int64_t c = 0; c < layout.channels; ++c) {
            const auto i = static_cast<std::size_t>(c);
            if (norm.kind == NormKind::kNone) {
                result.scale[i] = static_cast<Sum>(alpha);
                continue;
            }
            const double gamma = norm.gamma == kAbsent ? 1 : double(run_.parameter(norm.gamma)[c]);
            const double inverse = run_.inverse_deviation(norm, layout, c);
            const double total = alpha * totals[c], product = alpha * products[c];
            const double scale = gamma * inverse;
            result.scale[i] = static_cast<Sum>(alpha * scale);
            result.mean[i] = static_cast<Sum>(run_.mean_of(norm, c));
            if (run_.call.training) {
                const auto n = static_cast<double>(count);
                result.slope[i] = static_cast<Sum>(-scale * inverse * inverse * product / n);
                result.shift[i] = static_cast<Sum>(-scale * total / n);
            }
            set_gradient(norm.gamma, c, inverse * product);
            set_gradient(norm.beta, c, total);
            // In training the norm takes a bias out again.
            for (const ChannelPart& part : norm.bias)
                if (part.first <= c && c < part.first + part.count)
                    set_gradient(part.parameter, c - part.first, run_.call.training ? 0 : scale * total);
        }
        return result;
    }

    void set_gradient(std::size_t parameter, std::int64_t index, double value) {
        if (parameter == kAbsent || operands_.parameter_gradients[parameter] == nullptr) return;
        static_cast<Sum*>(operands_.parameter_gradients[parameter])[index] = static_cast<Sum>(value);
    }

    bool is_wanted(std::size_t parameter) const {
        return parameter != kAbsent && operands_.parameter_gradients[parameter] != nullptr;
    }

    // Zeros for candidates that were skipped.
    void clear_gradients() {
        const auto clear_norm = [&](const NormTensors& norm, std::int64_t channels, const Geometry&,
                                    bool active) {
            if (active) return;
            for (std::int64_t c = 0; c < channels; ++c) {
                set_gradient(norm.gamma, c, 0);
                set_gradient(norm.beta, c, 0);
            }
            for (const ChannelPart& part : norm.bias)
                for (std::int64_t c = 0; c < part.count; ++c) set_gradient(part.parameter, c, 0);
        };
        run_.program.for_each_norm(clear_norm);
        for (std::size_t u = 0; u < run_.program.units.size(); ++u)
            if (!run_.program.units[u].active) write_weights(u, {}, {});
    }

    // ---- nodes: gradients of alpha and of all norms at the end of candidates

    void reduce_node(std::size_t state) {
        const NodeTerms<Sum> node(run_, state);
        const ChannelLayout& layout = run_.program.states[state].layout;
        const Image& gradient = gradients_[state];
        const auto terms = static_cast<std::int64_t>(node.terms().size());
        std::vector<std::vector<Sum>> mean_rows;
        std::vector<const void*> means;
        for (const std::size_t t : node.terms())
            mean_rows.push_back(run_.affine_of(run_.program.terms[t].norm, layout).mean);
        for (const auto& row : mean_rows) means.push_back(row.data());

        const Pieces pieces(run_.call.batch, gradient.size, layout.pitch);
        // By part: the sums of each term's products, then of the gradient.
        std::vector<std::vector<double>> parts(pieces.parts());
        for_each_piece(pieces.parts(), run_.threads, [&](std::size_t part) {
            const FlushSubnormals flush(sizeof(Sum) == sizeof(float));
            typename NodeTerms<Sum>::Workspace memory;
            Sums<Sum> sums{(terms + 1) * layout.pitch};
            sums.total.resize(static_cast<std::size_t>(sums.size));
            std::vector<void*> products(static_cast<std::size_t>(terms));
            Sum* buffer = nullptr;
            const auto allocate = [&](Arena arena) {
                memory = node.allocate(arena, pieces.band_rows());
                sums.current = arena.take<Sum>(sums.size);
                buffer = arena.take<Sum>(gradient.size.width * layout.pitch);
                return arena.used();
            };
            allocate(Arena(scratch(allocate(Arena()))));
            std::fill_n(sums.current, sums.size, Sum{0});
            for (std::int64_t i = 0; i < terms; ++i)
                products[static_cast<std::size_t>(i)] = sums.current + i * layout.pitch;
            std::int64_t pixels = 0;
            pieces.for_each(part, [&](const Piece& piece) {
                node.begin(piece, memory);
                for (std::int64_t o = piece.first; o < piece.last; ++o) {
                    node.read(piece.n, o, memory);
                    layout.kernels->dot_rows(run_.row(gradient, piece.n, o, buffer), memory.rows.data(),
                                             means.data(), terms, gradient.size.width, layout.pitch,
                                             products.data(), sums.current + terms * layout.pitch);
                }
                pixels += (piece.last - piece.first) * gradient.size.width;
                if (pixels < kPixelsOfFloat) return;
                sums.flush();
                pixels = 0;
            });
            sums.flush();
            parts[part] = std::move(sums.total);
        });
        const std::vector<double> totals = merged(parts);
        for (std::int64_t i = 0; i < terms; ++i)
            finish_term(node.terms()[static_cast<std::size_t>(i)], totals.data() + i * layout.pitch,
                        totals.data() + terms * layout.pitch,
                        run_.call.batch * gradient.size.height * gradient.size.width);
    }

    void finish_term(std::size_t index, const double* products, const double* totals, std::int64_t count) {
        const Term& term = run_.program.terms[index];
        const ChannelLayout& layout = run_.layout_of(term);
        const double zero = term.kind == TermKind::kZero ? 0 : 1;
        double gradient = 0;
        for (std::int64_t c = 0; c < layout.channels; ++c) {
            double scale = zero, shift = 0;
            if (term.norm.kind != NormKind::kNone) {
                scale = run_.inverse_deviation(term.norm, layout, c);
                if (term.norm.gamma != kAbsent) scale *= double(run_.parameter(term.norm.gamma)[c]);
                if (term.norm.beta != kAbsent) shift = double(run_.parameter(term.norm.beta)[c]);
            }
            gradient += scale * products[c] + shift * totals[c];
        }
        operands_.alpha_gradients[term.alpha] += gradient;
        const double alpha = run_.call.alphas[term.alpha] * zero;
        auto& result = term.unit == kAbsent ? term_gradients_[index] : norm_gradients_[term.unit];
        result = norm_gradient(term.norm, layout, count, alpha, totals, products);
    }

    static std::vector<double> merged(const std::vector<std::vector<double>>& parts) {
        std::vector<double> total = parts.front();
        for (std::size_t part = 1; part < parts.size(); ++part)
            for (std::size_t i = 0; i < total.size(); ++i) total[i] += parts[part][i];
        return total;
    }

    // ---- passes

    struct Job {
        std::size_t index;
        const Pass* pass;
        Pieces pieces;
        std::vector<std::size_t> units{};
        std::vector<std::vector<std::vector<double>>> parts{};  // by part, then sums
    };

    struct Workspace {
        Sum *plane, *plane_gradient, *output_gradient, *rest, *row, *values, *value_row, *gradient_row,
            *scratch, *copies;
        const void** lines;
        void** targets;
    };

    // All passes of a level that `belongs` names. A state's passes add to the same gradient one by one.
    template <typename Belongs>
    void run_passes(std::size_t level, const Belongs& belongs) {
        std::vector<Job> jobs;
        for (std::size_t p = 0; p < run_.program.passes.size(); ++p) {
            const Pass& pass = run_.program.passes[p];
            if (pass.level != level || !belongs(pass)) continue;
            Job job{p, &pass, Pieces(run_.call.batch, pass.size, pass.layout.pitch)};
            for (const std::size_t u : pass.units)
                if (run_.program.units[u].active) job.units.push_back(u);
            if (job.units.empty() && !pass.carries_rest) continue;
            job.parts.resize(job.pieces.parts());
            jobs.push_back(std::move(job));
        }
        if (level > 0) {
            for (const Job& job : jobs) allocate_value_gradient(job.pass->unit);
            run_jobs(jobs.data(), jobs.size());
            return;
        }
        std::stable_partition(jobs.begin(), jobs.end(),
                              [](const Job& job) { return job.pass->carries_rest; });
        for (Job& job : jobs) run_jobs(&job, 1);
    }

    void allocate_value_gradient(std::size_t index) {
        const Unit& unit = run_.program.units[index];
        const std::int64_t elements = run_.call.batch * unit.size.height * unit.size.width * unit.out.pitch;
        value_gradients_[index] = KeptMemory(static_cast<std::size_t>(elements) * run_.element_size());
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
        return is_wanted(unit.depthwise) ||
               std::any_of(unit.mix.begin(), unit.mix.end(),
                           [&](const MixTap& tap) { return is_wanted(tap.part.parameter); });
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
            sums.push_back({wanted ? static_cast<std::int64_t>(run_.weights[u].mix.size()) : 0});
        }
        if (job.pass->unit != kAbsent) {
            sums.push_back({job.pass->layout.pitch});
            sums.push_back({job.pass->layout.pitch});
        }
        return sums;
    }

    std::vector<std::vector<double>> compute_part(const Job& job, std::size_t part) {
        const FlushSubnormals flush(sizeof(Sum) == sizeof(float));
        const Pass& pass = *job.pass;
        const PlaneRow plane = plane_of(pass);
        const Image image = run_.source_of(pass);
        std::vector<Sums<Sum>> sums = sums_of(job);
        Workspace memory{};
        const auto allocate = [&](Arena arena) {
            return this->allocate(arena, job, plane, image, sums, memory);
        };
        allocate(Arena(scratch(allocate(Arena()))));
        for (auto& of_sums : sums) {
            std::fill_n(of_sums.current, of_sums.size, Sum{0});
            of_sums.total.resize(static_cast<std::size_t>(of_sums.size));
        }
        std::int64_t pixels = 0;
        job.pieces.for_each(part, [&](const Piece& piece) {
            compute_piece(job, plane, image, piece, sums, memory);
            pixels += (piece.last - piece.first) * pass.size.width;
            if (pixels < kPixelsOfFloat) return;
            for (auto& of_sums : sums) of_sums.flush();
            pixels = 0;
        });
        std::vector<std::vector<double>> totals;
        for (auto& of_sums : sums) {
            of_sums.flush();
            totals.push_back(std::move(of_sums.total));
        }
        return totals;
    }

    std::size_t allocate(Arena& arena, const Job& job, const PlaneRow& plane, const Image& image,
                         std::vector<Sums<Sum>>& sums, Workspace& memory) const {
        const Pass& pass = *job.pass;
        const std::int64_t band = job.pieces.band_rows();
        std::int64_t pitch = pass.layout.pitch, lines = 1, gradient_sums = 0, width = pass.size.width;
        for (const std::size_t u : job.units) {
            const Unit& unit = run_.program.units[u];
            pitch = std::max(pitch, unit.out.pitch);
            lines = std::max(lines, run_.num_lines(unit));
            const std::int64_t rows = band + 2 * unit.kernel * unit.dilation + 2;
            gradient_sums =
                std::max(gradient_sums, rows * run_.weights[u].gradient_taps.pixels * unit.in.pitch);
        }
        const std::vector<std::size_t>& terms =
            pass.carries_rest ? run_.program.states[pass.state].leaving : std::vector<std::size_t>{};
        if (pass.carries_rest)
            for (const std::size_t p : run_.program.states[pass.state].pools)
                lines = std::max(lines, run_.program.pools[p].kernel);
        const std::int64_t row = width * pitch;
        memory.plane = arena.take<Sum>(run_.plane_rows(pass, band) * pixels_of(plane) * pass.layout.pitch);
        memory.plane_gradient = arena.take<Sum>(band * pixels_of(plane) * pass.layout.pitch);
        memory.output_gradient = arena.take<Sum>(gradient_sums);
        memory.rest = arena.take<Sum>(band * width * pass.layout.pitch);
        if (!run_.is_direct(image))
            memory.copies = arena.take<Sum>((band + 4 * lines) * width * pass.layout.pitch);
        memory.row = arena.take<Sum>(row);
        memory.values = arena.take<Sum>(row);
        memory.value_row = arena.take<Sum>(row);
        memory.gradient_row = arena.take<Sum>(row * static_cast<std::int64_t>(1 + terms.size()));
        memory.scratch = arena.take<Sum>(row);
        memory.lines = arena.take<const void*>(lines);
        memory.targets = arena.take<void*>(lines);
        for (auto& of_sums : sums) of_sums.current = arena.take<Sum>(of_sums.size);
        return arena.used();
    }

    // The gradient of the rows piece.first to piece.last of what a pass reads.
    void compute_piece(const Job& job, const PlaneRow& plane, const Image& image, const Piece& piece,
                       std::vector<Sums<Sum>>& sums, const Workspace& memory) {
        const Pass& pass = *job.pass;
        const std::int64_t rows = piece.last - piece.first;
        const std::int64_t plane_sums = pixels_of(plane) * pass.layout.pitch;
        const bool wants_source = pass.unit != kAbsent || gradients_[pass.state].data != nullptr;
        Sum* plane_gradient = memory.plane_gradient - piece.first * plane_sums;
        if (!job.units.empty()) {
            std::fill_n(memory.plane_gradient, rows * plane_sums, Sum{0});
            const std::int64_t first = ceiling_division(piece.first, pass.stride);
            const std::int64_t last = ceiling_division(piece.last, pass.stride);
            const Sum* source = nullptr;
            if (first < last)
                source = run_.load_plane(pass, plane, image, piece.n, first, last, memory.plane);
            for (std::size_t i = 0; i < job.units.size(); ++i)
                compute_unit(job.units[i], pass, source, plane_gradient, wants_source, piece, sums[2 * i],
                             sums[2 * i + 1], memory);
        }
        if (pass.unit != kAbsent)
            finish_value_gradient(pass, plane, image, plane_gradient, piece, sums, memory);
        else if (wants_source)
            finish_state_gradient(job, plane, image, plane_gradient, piece, memory);
    }

    // Adds what one unit contributes to the gradient of the plane, and to the gradients of its weights.
    void compute_unit(std::size_t index, const Pass& pass, const Sum* source, Sum* plane_gradient,
                      bool wants_source, const Piece& piece, Sums<Sum>& depthwise_sums, Sums<Sum>& mix_sums,
                      const Workspace& memory) {
        const Unit& unit = run_.program.units[index];
        const UnitWeights<Sum>& packed = run_.weights[index];
        const std::int64_t stride = unit.stride, height = unit.size.height, width = unit.size.width;
        // Outputs whose taps lie in the piece, and those that belong to it.
        const std::int64_t owned_first = ceiling_division(piece.first, stride);
        const std::int64_t owned_last = ceiling_division(piece.last, stride);
        const std::int64_t first =
            wants_source
                ? std::clamp<std::int64_t>(ceiling_division(piece.first - unit.after, stride), 0, owned_first)
                : owned_first;
        const std::int64_t last =
            wants_source
                ? std::clamp(floor_division(piece.last - 1 + unit.before, stride) + 1, owned_last, height)
                : owned_last;
        const bool convolves = unit.depthwise != kAbsent;
        const std::int64_t gradient_pixels = packed.gradient_taps.pixels;
        const std::int64_t gradient_sums = gradient_pixels * unit.in.pitch;
        // Row r of the output's gradient, zeros at both ends.
        const std::int64_t halo = unit.kernel * unit.dilation;
        const std::int64_t zeros_first = owned_first - halo - 1;
        Sum* output_gradient = memory.output_gradient - zeros_first * gradient_sums;
        if (convolves && wants_source) {
            std::fill_n(output_gradient + zeros_first * gradient_sums, (first - zeros_first) * gradient_sums,
                        Sum{0});
            std::fill_n(output_gradient + last * gradient_sums,
                        (owned_last + halo + 1 - last) * gradient_sums, Sum{0});
        }
        for (std::int64_t o = first; o < last; ++o) {
            const bool owned = owned_first <= o && o < owned_last;
            const Sum* value_gradient = unit_gradient_row(index, piece.n, o, memory);
            const bool weigh = owned && mix_sums.size + depthwise_sums.size > 0;
            if (weigh) {
                run_.unit_lines(unit, pass, packed.plane, source, o, memory.lines);
                if (!unit.mix.empty()) {
                    const void* const* sources = memory.lines;
                    const void* convolved = memory.row;
                    if (convolves) {
                        unit.in.kernels->depthwise_row(memory.lines, packed.taps.view(),
                                                       packed.depthwise.data(), width, unit.in.pitch,
                                                       memory.row, false);
                        sources = &convolved;
                    }
                    unit.out.kernels->outer_row(sources, static_cast<std::int64_t>(unit.mix.size()),
                                                value_gradient, width, unit.in.channels, unit.in.pitch,
                                                unit.out.pitch, mix_sums.current);
                }
            }
            if (!convolves) {
                if (wants_source) scatter(unit, packed, pass, plane_gradient, value_gradient, o, piece);
                continue;
            }
            Sum* line = output_gradient + o * gradient_sums;
            Sum* target = line + packed.gradient_taps.left * unit.in.pitch;
            std::fill(line, target, Sum{0});
            std::fill(target + width * unit.in.pitch, line + gradient_sums, Sum{0});
            if (unit.mix.empty())
                std::copy_n(value_gradient, width * unit.in.pitch, target);
            else {
                const void* mixed = value_gradient;
                unit.in.kernels->mix_row(&mixed, 1, packed.mix_transposed.data(), width, unit.out.channels,
                                         unit.out.pitch, unit.in.pitch, target, false);
            }
            if (weigh)
                unit.in.kernels->depthwise_outer_row(memory.lines, packed.taps.view(), target, width,
                                                     unit.in.pitch, depthwise_sums.current);
        }
        if (convolves && wants_source)
            gather(unit, packed, pass, plane_gradient, output_gradient, piece, memory);
    }

    // The gradient of row o of a unit's value, before its norm.
    const Sum* unit_gradient_row(std::size_t index, std::int64_t n, std::int64_t o, const Workspace& memory) {
        const Unit& unit = run_.program.units[index];
        const NormGradient<Sum>& norm = norm_gradients_[index];
        const Image saved = run_.unit_image(index, run_.operands.saved[index]);
        const Image behind = unit.last ? gradients_[run_.program.edge_targets[unit.edge]]
                                       : run_.unit_image(index, value_gradients_[index].data());
        const void* rows[] = {run_.row(behind, n, o, memory.gradient_row),
                              run_.row(saved, n, o, memory.value_row)};
        const void* scales[] = {norm.scale.data(), norm.slope.data()};
        const void* means[] = {zero_.data(), norm.mean.data()};
        unit.out.kernels->weighted_sum_row(rows, scales, means, run_.call.training ? 2 : 1, norm.shift.data(),
                                           unit.size.width, unit.out.pitch, memory.values, false);
        return memory.values;
    }

    // The data gradient of matrices that read the plane themselves.
    void scatter(const Unit& unit, const UnitWeights<Sum>& packed, const Pass& pass, Sum* plane_gradient,
                 const Sum* value_gradient, std::int64_t o, const Piece& piece) const {
        const std::int64_t plane_sums = pixels_of(packed.plane) * pass.layout.pitch;
        const void* mixed = value_gradient;
        for (std::size_t t = 0; t < unit.mix.size(); ++t) {
            const std::int64_t r = o * unit.stride + unit.mix[t].row;
            if (r < piece.first || r >= piece.last) continue;
            Sum* target = plane_gradient + r * plane_sums +
                          pixel_of(packed.plane, unit.mix[t].column) * pass.layout.pitch;
            unit.in.kernels->mix_row(&mixed, 1,
                                     packed.mix_transposed.data() +
                                         static_cast<std::int64_t>(t) * unit.out.channels * unit.in.pitch,
                                     unit.size.width, unit.out.channels, unit.out.pitch, unit.in.pitch,
                                     target, true);
        }
    }

    // The data gradient of a depthwise convolution.
    void gather(const Unit& unit, const UnitWeights<Sum>& packed, const Pass& pass, Sum* plane_gradient,
                const Sum* output_gradient, const Piece& piece, const Workspace& memory) const {
        const GradientTaps& taps = packed.gradient_taps;
        const std::int64_t gradient_sums = taps.pixels * unit.in.pitch;
        const std::int64_t plane_sums = pixels_of(packed.plane) * pass.layout.pitch;
        for (std::int64_t r = piece.first; r < piece.last; ++r) {
            const auto& row_class = taps.classes[static_cast<std::size_t>((r + unit.padding) % unit.stride)];
            for (std::size_t i = 0; i < row_class.kernel_rows.size(); ++i) {
                const std::int64_t o =
                    (r + unit.padding - row_class.kernel_rows[i] * unit.dilation) / unit.stride;
                memory.lines[i] = output_gradient + o * gradient_sums;
            }
            for (const auto& residue : row_class.residues) {
                if (residue.rows.empty()) continue;
                const Taps view{residue.rows.data(), static_cast<std::int64_t>(residue.rows.size()),
                                taps.spacing};
                unit.in.kernels->depthwise_row(
                    memory.lines, view, packed.depthwise_gradient.data(), residue.count, unit.in.pitch,
                    plane_gradient + r * plane_sums + residue.first * unit.in.pitch, true);
            }
        }
    }

    void finish_value_gradient(const Pass& pass, const PlaneRow& plane, const Image& image,
                               const Sum* plane_gradient, const Piece& piece, std::vector<Sums<Sum>>& sums,
                               const Workspace& memory) {
        const std::int64_t plane_sums = pixels_of(plane) * pass.layout.pitch;
        const Image target = run_.unit_image(pass.unit, value_gradients_[pass.unit].data());
        const Prologue prologue = run_.prologue_of(pass);
        Sum* totals = sums[sums.size() - 2].current;
        Sum* products = sums[sums.size() - 1].current;
        for (std::int64_t r = piece.first; r < piece.last; ++r) {
            Sum* row = run_.row_to_write(target, piece.n, r, memory.row);
            pass.layout.kernels->prologue_gradient_row(
                plane_gradient + r * plane_sums, plane, run_.row(image, piece.n, r, memory.value_row),
                prologue, pass.layout.pitch, row, false, totals, products);
            run_.write(target, piece.n, r, row);
        }
    }

    void finish_state_gradient(const Job& job, const PlaneRow& plane, const Image& image,
                               const Sum* plane_gradient, const Piece& piece, const Workspace& memory) {
        const Pass& pass = *job.pass;
        const MixedKernels& kernels = *pass.layout.kernels;
        const std::int64_t width = pass.size.width, pitch = pass.layout.pitch;
        const std::int64_t plane_sums = pixels_of(plane) * pitch;
        const Image& target = gradients_[pass.state];
        Image before = target;
        if (pass.carries_rest)
            before.data = static_cast<std::byte*>(const_cast<void*>(given_gradient(pass.state)));
        Sum* rest = memory.rest - piece.first * width * pitch;
        for (std::int64_t r = piece.first; r < piece.last; ++r) {
            if (before.data == nullptr)
                std::fill_n(rest + r * width * pitch, width * pitch, Sum{0});
            else
                run_.load(before, piece.n, r, 1, rest + r * width * pitch);
        }
        if (pass.carries_rest) add_rest(pass, image, piece, rest, memory);
        for (std::int64_t r = piece.first; r < piece.last; ++r) {
            Sum* row = rest + r * width * pitch;
            if (!job.units.empty())
                kernels.prologue_gradient_row(plane_gradient + r * plane_sums, plane,
                                              run_.row(image, piece.n, r, memory.value_row),
                                              run_.prologue_of(pass), pitch, row, true, nullptr, nullptr);
            kernels.store_row(row, width, pitch, target.layout.channels, run_.address(target, piece.n, r),
                              target.pixel_pitch, nullptr, nullptr, nullptr);
        }
    }

    // What reaches a state's gradient past its activations: states that are terms themselves, and pools.
    void add_rest(const Pass& pass, const Image& image, const Piece& piece, Sum* rest,
                  const Workspace& memory) {
        const MixedProgram& program = run_.program;
        const std::int64_t width = pass.size.width, pitch = pass.layout.pitch;
        const MixedKernels& kernels = *pass.layout.kernels;
        for (const std::size_t t : program.states[pass.state].leaving) {
            const Term& term = program.terms[t];
            if (!term.active || (term.kind != TermKind::kIdentity && term.kind != TermKind::kZero)) continue;
            const Image& gradient = gradients_[program.edge_targets[term.edge]];
            const std::int64_t stride = program.edge_strides[term.edge];
            const void* scales[] = {term_gradients_[t].scale.data()};
            const void* means[] = {zero_.data()};
            for (std::int64_t o = ceiling_division(piece.first, stride);
                 o < ceiling_division(piece.last, stride); ++o) {
                const Sum* row = run_.row(gradient, piece.n, o, memory.gradient_row);
                const std::int64_t pixels = stride == 1 ? width : 1;
                for (std::int64_t j = 0; j < gradient.size.width; j += pixels) {
                    const void* rows[] = {row + j * pitch};
                    kernels.weighted_sum_row(rows, scales, means, 1, zero_.data(), pixels, pitch,
                                             rest + (o * stride * width + j * stride) * pitch, true);
                }
            }
        }
        for (const std::size_t p : program.states[pass.state].pools)
            if (program.pools[p].active) add_pool(program.pools[p], pass, image, piece, rest, memory);
    }

    void add_pool(const Pool& pool, const Pass& pass, const Image& image, const Piece& piece, Sum* rest,
                  const Workspace& memory) {
        const MixedKernels& kernels = *pass.layout.kernels;
        const std::int64_t pitch = pass.layout.pitch, width = pass.size.width, height = pass.size.height;
        const PoolWindow window{pool.kernel, pool.stride, pool.kernel / 2, width};
        const std::int64_t reach = pool.kernel - 1 - window.padding;
        const std::int64_t first =
            std::max<std::int64_t>(0, ceiling_division(piece.first - reach, pool.stride));
        const std::int64_t last =
            std::min(pool.size.height, floor_division(piece.last - 1 + window.padding, pool.stride) + 1);
        if (first >= last) return;
        const std::int64_t begin = std::max<std::int64_t>(0, first * pool.stride - window.padding);
        const std::int64_t end = std::min(height, (last - 1) * pool.stride - window.padding + pool.kernel);
        const ImageRows<Sum> rows = run_.rows(image, piece.n, begin, end, memory.copies);
        // All edges that share the pool: their gradients in one sum.
        std::vector<const void*> gradients, scales, means;
        std::vector<Sum> slope(static_cast<std::size_t>(pitch)), shift(static_cast<std::size_t>(pitch));
        std::vector<const Image*> images;
        const Sum* mean = nullptr;  // of the pool's values, where a norm follows
        for (const std::size_t t : pool.terms) {
            if (!run_.program.terms[t].active) continue;
            const NormGradient<Sum>& norm = term_gradients_[t];
            images.push_back(&gradients_[run_.program.edge_targets[run_.program.terms[t].edge]]);
            scales.push_back(norm.scale.data());
            means.push_back(zero_.data());
            for (std::size_t c = 0; c < slope.size(); ++c) {
                slope[c] += norm.slope[c];
                shift[c] += norm.shift[c];
            }
            if (run_.program.terms[t].norm.kind != NormKind::kNone && run_.call.training)
                mean = norm.mean.data();
        }
        if (mean != nullptr) {
            scales.push_back(slope.data());
            means.push_back(mean);
        }
        gradients.resize(scales.size());
        for (std::int64_t o = first; o < last; ++o) {
            run_.pool_row(pool, rows, o, memory.lines, memory.scratch, memory.values);
            std::int64_t inside = 0;
            for (std::int64_t u = 0; u < pool.kernel; ++u) {
                const std::int64_t r = o * pool.stride - window.padding + u;
                inside += memory.lines[u] != nullptr;
                memory.targets[u] = piece.first <= r && r < piece.last ? rest + r * width * pitch : nullptr;
            }
            for (std::size_t i = 0; i < images.size(); ++i)
                gradients[i] =
                    run_.row(*images[i], piece.n, o,
                             memory.gradient_row + static_cast<std::int64_t>(i) * pool.size.width * pitch);
            if (mean != nullptr) gradients.back() = memory.values;
            kernels.weighted_sum_row(gradients.data(), scales.data(), means.data(),
                                     static_cast<std::int64_t>(gradients.size()), shift.data(),
                                     pool.size.width, pitch, memory.row, false);
            if (pool.maximum)
                kernels.max_pool_gradient_row(memory.lines, window, memory.values, memory.row,
                                              pool.size.width, pitch, memory.targets);
            else
                kernels.average_pool_gradient_row(window, memory.row, inside, pool.size.width, pitch,
                                                  memory.targets);
        }
    }

    // ---- results of passes

    void finish(const Job& job) {
        const std::size_t sums = job.parts.front().size();
        std::vector<std::vector<double>> totals(sums);
        for_each_piece(sums, run_.threads, [&](std::size_t i) {
            totals[i] = job.parts.front()[i];
            for (std::size_t part = 1; part < job.parts.size(); ++part)
                for (std::size_t k = 0; k < totals[i].size(); ++k) totals[i][k] += job.parts[part][i][k];
        });
        for (std::size_t i = 0; i < job.units.size(); ++i)
            write_weights(job.units[i], totals[2 * i], totals[2 * i + 1]);
        if (job.pass->unit == kAbsent) return;
        const Unit& unit = run_.program.units[job.pass->unit];
        norm_gradients_[job.pass->unit] =
            norm_gradient(unit.norm, unit.out, run_.call.batch * unit.size.height * unit.size.width, 1,
                          totals[sums - 2].data(), totals[sums - 1].data());
    }

    // The gradients of a unit's weights; zeros where there are no sums.
    void write_weights(std::size_t index, const std::vector<double>& depthwise,
                       const std::vector<double>& mix) {
        const Unit& unit = run_.program.units[index];
        if (is_wanted(unit.depthwise)) {
            const std::vector<std::int64_t>& taps = run_.weights[index].taps.weight_taps;
            const std::int64_t kernel = unit.kernel * unit.kernel;
            for (std::int64_t c = 0; c < unit.in.channels; ++c)
                for (std::int64_t t = 0; t < kernel; ++t)
                    if (depthwise.empty())
                        set_gradient(unit.depthwise, c * kernel + t, 0);
                    else
                        set_gradient(unit.depthwise, c * kernel + taps[static_cast<std::size_t>(t)],
                                     depthwise[static_cast<std::size_t>(t * unit.in.pitch + c)]);
        }
        for (std::size_t t = 0; t < unit.mix.size(); ++t) {
            const MixTap& tap = unit.mix[t];
            if (!is_wanted(tap.part.parameter)) continue;
            const auto first =
                static_cast<std::int64_t>(t) * unit.in.channels * unit.out.pitch + tap.part.first;
            for (std::int64_t o = 0; o < tap.part.count; ++o)
                for (std::int64_t i = 0; i < unit.in.channels; ++i)
                    set_gradient(
                        tap.part.parameter, (o * unit.in.channels + i) * tap.taps + tap.tap,
                        mix.empty() ? 0 : mix[static_cast<std::size_t>(first + i * unit.out.pitch + o)]);
        }
    }

    CellRun<Sum> run_;
    const BackwardOperands& operands_;
    std::vector<Sum> zero_;  // a row of coefficients
    std::vector<KeptMemory> memory_;
    std::vector<Image> gradients_;                   // of states
    std::vector<KeptMemory> value_gradients_;        // of units, behind norm and activation's derivative
    std::vector<NormGradient<Sum>> norm_gradients_;  // of units
    std::vector<NormGradient<Sum>> term_gradients_;  // of other terms
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
