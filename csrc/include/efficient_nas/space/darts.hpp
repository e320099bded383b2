// DARTS cells (Liu et al. 2019, arXiv:1806.09055): canonical forms, and costs of networks of them.
//
// A genotype is a normal and a reduction cell of 16 genes each: for each of four nodes two times predecessor
// and operation. Predecessors 0 and 1 are the cell's inputs, 2 + j is node j; those of a node increase.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "efficient_nas/space/canonical_form.hpp"
#include "efficient_nas/space/cell_costs.hpp"
#include "efficient_nas/space/cells.hpp"

namespace efficient_nas::darts {

inline constexpr std::size_t kNodes = 4, kInputs = 2, kOperations = 7;
inline constexpr std::size_t kCellGenes = kNodes * 4, kGenes = 2 * kCellGenes;
enum CellOperation : std::uint8_t {
    kMaxPool,
    kAvgPool,
    kSkip,
    kSepConv3x3,
    kSepConv5x5,
    kDilConv3x3,
    kDilConv5x5
};

struct Gene {
    std::uint8_t predecessor, operation;
};
inline Gene gene(const std::uint8_t* cell, std::size_t node, std::size_t input) {
    return {cell[4 * node + 2 * input], cell[4 * node + 2 * input + 1]};
}

// Operations on the inputs of a reduction cell have stride 2; a skip with stride 2 has weights.
inline bool has_stride(bool reduction, const Gene& g) { return reduction && g.predecessor < kInputs; }
inline bool is_identity(bool reduction, const Gene& g) {
    return g.operation == kSkip && !has_stride(reduction, g);
}

inline bool is_valid(const std::uint8_t* genotype) {
    bool valid = true;
    for (std::size_t c = 0; c < kGenes; c += kCellGenes)
        for (std::size_t node = 0; node < kNodes; ++node) {
            const Gene a = gene(genotype + c, node, 0), b = gene(genotype + c, node, 1);
            valid &= a.predecessor < b.predecessor && b.predecessor < kInputs + node;
            valid &= a.operation < kOperations && b.operation < kOperations;
        }
    return valid;
}

// The cell's inputs are told apart, its four output values are not: the next cell's weights absorb their
// order.
inline Cell simplify(const std::uint8_t* cell, bool reduction, bool shared) {
    Cell simplified(kInputs, shared);
    std::array<Terms, kInputs + kNodes> value{Cell::item(0), Cell::item(1)};
    for (std::size_t node = 0; node < kNodes; ++node) {
        for (std::size_t input = 0; input < 2; ++input) {
            const Gene g = gene(cell, node, input);
            const unsigned type = 2u * g.operation + has_stride(reduction, g);
            value[kInputs + node] += is_identity(reduction, g)
                                         ? value[g.predecessor]
                                         : simplified.add_vertex(type, value[g.predecessor]);
        }
        simplified.add_output(value[kInputs + node]);
    }
    return simplified;
}

inline void append_canonical(const std::uint8_t* genotype, bool shared, std::vector<std::uint8_t>& bytes) {
    simplify(genotype, false, shared).append_canonical(bytes);
    simplify(genotype + kCellGenes, true, shared).append_canonical(bytes);
}

class Form : public CanonicalForm {
  public:
    explicit Form(bool shared) : shared_(shared) {}

    std::size_t num_choices() const override { return kGenes; }
    bool accepts(const std::uint8_t* row) const override { return is_valid(row); }
    void append(const std::uint8_t* row, std::vector<std::uint8_t>& bytes) const override {
        append_canonical(row, shared_, bytes);
    }

  private:
    bool shared_;
};

// One cell of a network.
struct CellCosts {
    bool reduction = false;
    std::int64_t held_bytes =
        0;  // alive throughout the cell: the image, and what the next cell reads as well
    std::int64_t input_bytes = 0;  // of each preprocessed input
    std::int64_t node_bytes = 0;   // of each node
    // by stride - 1: on the preprocessed inputs with stride 2; everything else
    std::array<std::array<OperationCost, kOperations>, 2> operations{};
};

// Peak of live bytes while the nodes and the concatenation run: for each node its two operations, then their
// sum (docs/design/architectures.md, "Costs").
inline std::int64_t cell_peak_bytes(const std::uint8_t* cell, const CellCosts& costs) {
    std::array<int, kInputs> readers{};
    for (std::size_t node = 0; node < kNodes; ++node)
        for (std::size_t input = 0; input < 2; ++input) {
            const std::uint8_t predecessor = gene(cell, node, input).predecessor;
            if (predecessor < kInputs) ++readers[predecessor];
        }
    std::int64_t live = costs.held_bytes + 2 * costs.input_bytes, peak = live;
    const auto release = [&](std::uint8_t predecessor) {
        if (predecessor < kInputs && --readers[predecessor] == 0) live -= costs.input_bytes;
    };
    for (std::size_t node = 0; node < kNodes; ++node) {
        std::int64_t terms = 0;
        const std::array<Gene, 2> genes{gene(cell, node, 0), gene(cell, node, 1)};
        for (const Gene& g : genes) {
            if (is_identity(costs.reduction, g)) continue;
            const bool strided = has_stride(costs.reduction, g);
            peak = std::max(peak, live + costs.operations[strided][g.operation].peak_bytes);
            live += costs.node_bytes;
            terms += costs.node_bytes;
            release(g.predecessor);
        }
        live += costs.node_bytes;
        peak = std::max(peak, live);
        live -= terms;
        for (const Gene& g : genes)  // an identity is read by the sum
            if (is_identity(costs.reduction, g)) release(g.predecessor);
    }
    return std::max(peak, live + static_cast<std::int64_t>(kNodes) * costs.node_bytes);
}

// Costs of networks that stack the two cells.
class Network : public CostTables {
  public:
    // rest: everything around the cells' operations; its peak while none of them runs.
    Network(std::vector<CellCosts> cells, const NetworkCost& rest) : cells_(std::move(cells)), rest_(rest) {
        CostBound bound;
        bound.add(std::array{rest}, 1);
        for (const CellCosts& cell : cells_) {
            for (const auto& operations : cell.operations) bound.add(operations, 2 * kNodes);
            for (const std::int64_t bytes : {cell.held_bytes, cell.input_bytes, cell.node_bytes})
                bound.add_bytes(checked_mul(bytes, 4 * kNodes));
        }
        for (const CellCosts& cell : cells_)
            for (std::size_t strided = 0; strided < 2; ++strided)
                for (std::size_t o = 0; o < kOperations; ++o) {
                    OperationCost& total = totals_[cell.reduction][strided][o];
                    total.macs += cell.operations[strided][o].macs;
                    total.params += cell.operations[strided][o].params;
                }
    }

    std::size_t num_choices() const override { return kGenes; }
    bool accepts(const std::uint8_t* row) const override { return is_valid(row); }

    NetworkCost cost(const std::uint8_t* genotype) const override {
        NetworkCost total = rest_;
        for (const bool reduction : {false, true}) {
            const std::uint8_t* cell = genotype + (reduction ? kCellGenes : 0);
            for (std::size_t node = 0; node < kNodes; ++node)
                for (std::size_t input = 0; input < 2; ++input) {
                    const Gene g = gene(cell, node, input);
                    const OperationCost& cost = totals_[reduction][has_stride(reduction, g)][g.operation];
                    total.macs += cost.macs;
                    total.params += cost.params;
                }
        }
        for (const CellCosts& cell : cells_) {
            const std::uint8_t* genes = genotype + (cell.reduction ? kCellGenes : 0);
            total.peak_bytes = std::max(total.peak_bytes, cell_peak_bytes(genes, cell));
        }
        return total;
    }

  private:
    std::vector<CellCosts> cells_;
    NetworkCost rest_;
    std::array<std::array<std::array<OperationCost, kOperations>, 2>, 2> totals_{};
};

}  // namespace efficient_nas::darts
