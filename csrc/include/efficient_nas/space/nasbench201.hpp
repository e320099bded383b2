// NAS-Bench-201 cells (Dong & Yang 2020, arXiv:2001.00326): canonical forms, and costs of networks of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "efficient_nas/rng.hpp"
#include "efficient_nas/space/canonical_form.hpp"
#include "efficient_nas/space/cell_costs.hpp"
#include "efficient_nas/space/cells.hpp"

namespace efficient_nas::nasbench201 {

inline constexpr std::size_t kEdges = 6, kOperations = 5, kCells = 15625;
enum CellOperation : std::uint8_t { kNone, kSkip, kConv1x1, kConv3x3, kAvgPool };

// The edges in the order of the genotype: from node, to node.
struct Edge {
    std::uint8_t from, to;
};
inline constexpr std::array<Edge, kEdges> kEdgeList{{{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}};

inline std::size_t cell_index(const std::uint8_t* genotype) {
    std::size_t index = 0;
    for (std::size_t e = kEdges; e-- > 0;) index = index * kOperations + genotype[e];
    return index;
}

inline std::array<std::uint8_t, kEdges> cell_genotype(std::size_t index) {
    std::array<std::uint8_t, kEdges> genotype{};
    for (std::size_t e = 0; e < kEdges; ++e, index /= kOperations)
        genotype[e] = static_cast<std::uint8_t>(index % kOperations);
    return genotype;
}

inline bool is_valid(const std::uint8_t* genotype) {
    return std::all_of(genotype, genotype + kEdges, [](std::uint8_t gene) { return gene < kOperations; });
}

// The simplified cell; without any output value if the output is zero.
inline Cell simplify(const std::uint8_t* genotype, bool shared) {
    Cell cell(1, shared);
    std::array<Terms, 4> value{Cell::item(0), 0, 0, 0};
    for (std::size_t e = 0; e < kEdges; ++e) {
        const auto [from, to] = kEdgeList[e];
        if (genotype[e] == kNone || value[from] == 0) continue;
        value[to] += genotype[e] == kSkip ? value[from] : cell.add_vertex(genotype[e], value[from]);
    }
    if (value[3]) cell.add_output(value[3]);
    return cell;
}

// Canonical bytes and their hashes for all cells, by cell index. Two networks that stack their own cell are
// isomorphic exactly when the cells are.
class CanonicalTable {
  public:
    explicit CanonicalTable(bool shared) {
        offsets_.push_back(0);
        for (std::size_t index = 0; index < kCells; ++index) {
            simplify(cell_genotype(index).data(), shared).append_canonical(bytes_);
            offsets_.push_back(bytes_.size());
            hashes_.push_back(hash_bytes(bytes(index).data(), bytes(index).size()));
        }
    }

    std::span<const std::uint8_t> bytes(std::size_t cell) const {
        return {bytes_.data() + offsets_[cell], offsets_[cell + 1] - offsets_[cell]};
    }
    std::uint64_t hash(std::size_t cell) const { return hashes_[cell]; }

  private:
    std::vector<std::uint8_t> bytes_;
    std::vector<std::size_t> offsets_;
    std::vector<std::uint64_t> hashes_;
};

// Made at the first use, which takes some milliseconds.
inline const CanonicalTable& canonical_table(bool shared) {
    if (shared) {
        static const CanonicalTable expression(true);
        return expression;
    }
    static const CanonicalTable graph(false);
    return graph;
}

class Form : public CanonicalForm {
  public:
    explicit Form(bool shared) : table_(canonical_table(shared)) {}

    std::size_t num_choices() const override { return kEdges; }
    bool accepts(const std::uint8_t* row) const override { return is_valid(row); }
    void append(const std::uint8_t* row, std::vector<std::uint8_t>& bytes) const override {
        const auto found = table_.bytes(cell_index(row));
        bytes.insert(bytes.end(), found.begin(), found.end());
    }
    std::uint64_t hash(const std::uint8_t* row, std::vector<std::uint8_t>&) const override {
        return table_.hash(cell_index(row));
    }

  private:
    const CanonicalTable& table_;
};

// Which edges count: they compute on something that is not zero and reach the cell's output.
inline std::array<bool, kEdges> alive_edges(const std::uint8_t* genotype) {
    std::array<bool, 4> filled{true, false, false, false}, wanted{false, false, false, true};
    std::array<bool, kEdges> alive{};
    for (std::size_t e = 0; e < kEdges; ++e) {
        alive[e] = genotype[e] != kNone && filled[kEdgeList[e].from];
        filled[kEdgeList[e].to] |= alive[e];
    }
    for (std::size_t e = kEdges; e-- > 0;) {
        alive[e] = alive[e] && wanted[kEdgeList[e].to];
        wanted[kEdgeList[e].from] |= alive[e];
    }
    return alive;
}

// One stage: the bytes of each of its tensors, and each operation on them.
struct StageCosts {
    std::int64_t tensor_bytes = 0;
    std::array<OperationCost, kOperations> operations{};
};

// Peak of live bytes while one cell runs, its input included. The executor's order: the edges into a node,
// then their sum (docs/design/architectures.md, "Costs").
inline std::int64_t cell_peak_bytes(const std::uint8_t* genotype, const std::array<bool, kEdges>& alive,
                                    const StageCosts& stage) {
    struct Tensor {
        int readers = 0;
        std::int64_t bytes = 0;
    };
    std::array<Tensor, 1 + kEdges + 3> tensors{};  // the input, then results in the order of their creation
    std::array<int, 4> readers{0, 0, 0, 1};        // of each node's value; the next cell reads the last
    std::array<std::size_t, 4> value{};            // which tensor each node's value is
    for (std::size_t e = 0; e < kEdges; ++e) readers[kEdgeList[e].from] += alive[e];
    tensors[0] = {readers[0], stage.tensor_bytes};
    std::size_t used = 1;
    std::int64_t live = stage.tensor_bytes, peak = live;

    const auto make = [&](int count) {
        tensors[used] = {count, stage.tensor_bytes};
        live += stage.tensor_bytes;
        return used++;
    };
    const auto release = [&](std::size_t tensor) {
        if (--tensors[tensor].readers == 0) live -= tensors[tensor].bytes;
    };

    for (std::size_t e = 0; e < kEdges;) {
        const std::size_t node = kEdgeList[e].to;
        std::array<std::size_t, 3> terms{};
        std::size_t count = 0;
        for (; e < kEdges && kEdgeList[e].to == node; ++e) {
            if (!alive[e]) continue;
            const std::size_t source = value[kEdgeList[e].from];
            if (genotype[e] == kSkip) {  // read by the sum instead of by the edge
                terms[count++] = source;
                continue;
            }
            peak = std::max(peak, live + stage.operations[genotype[e]].peak_bytes);
            terms[count++] = make(1);
            release(source);
        }
        if (count == 1) {
            tensors[terms[0]].readers += readers[node] - 1;
            value[node] = terms[0];
        } else if (count > 1) {
            value[node] = make(readers[node]);
            peak = std::max(peak, live);
            for (std::size_t t = 0; t < count; ++t) release(terms[t]);
        }
    }
    return peak;
}

// Costs of networks of three stages, each a number of equal cells.
class Network : public CostTables {
  public:
    using Stages = std::array<StageCosts, 3>;

    // input_bytes: of the image, which is alive throughout. rest: everything around the cells; its peak while
    // no cell runs. zero_peak_bytes: of the network whose output is always zero.
    Network(const Stages& stages, std::int64_t cells_per_stage, std::int64_t input_bytes,
            const NetworkCost& rest, std::int64_t zero_peak_bytes)
        : stages_(stages),
          cells_per_stage_(cells_per_stage),
          input_bytes_(input_bytes),
          rest_(rest),
          zero_peak_bytes_(zero_peak_bytes) {
        CostBound bound;
        bound.add(std::array{rest}, 1);
        bound.add_bytes(input_bytes);
        bound.add_bytes(zero_peak_bytes);
        for (const StageCosts& stage : stages) {
            bound.add(stage.operations, checked_mul(cells_per_stage, kEdges));
            bound.add_bytes(checked_mul(stage.tensor_bytes, 2 * kEdges));
        }
    }

    std::size_t num_choices() const override { return kEdges; }
    bool accepts(const std::uint8_t* row) const override { return is_valid(row); }

    NetworkCost cost(const std::uint8_t* genotype) const override {
        const std::array<bool, kEdges> alive = alive_edges(genotype);
        if (!alive[3] && !alive[4] && !alive[5]) return {0, 0, zero_peak_bytes_};
        NetworkCost total = rest_;
        for (const StageCosts& stage : stages_) {
            std::int64_t macs = 0, params = 0;
            for (std::size_t e = 0; e < kEdges; ++e) {
                if (!alive[e]) continue;
                macs += stage.operations[genotype[e]].macs;
                params += stage.operations[genotype[e]].params;
            }
            total.macs += cells_per_stage_ * macs;
            total.params += cells_per_stage_ * params;
            total.peak_bytes =
                std::max(total.peak_bytes, input_bytes_ + cell_peak_bytes(genotype, alive, stage));
        }
        return total;
    }

  private:
    Stages stages_;
    std::int64_t cells_per_stage_, input_bytes_;
    NetworkCost rest_;
    std::int64_t zero_peak_bytes_;
};

}  // namespace efficient_nas::nasbench201
