// Networks that are a chain of layers, each chosen by a few genes: NAS-Bench-Macro, MobileNet-like spaces.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/space/canonical_form.hpp"
#include "efficient_nas/space/cell_costs.hpp"
#include "efficient_nas/space/space.hpp"

namespace efficient_nas {

// What a layer is under one combination of its genes.
struct LayerVariant {
    std::uint32_t token = 0;  // equal exactly for equal layers; 0: an identity, which vanishes
    NetworkCost cost;         // peak_bytes: while it runs, with all that is alive then
};

// One place in the chain. The variant is variants[sum of gene * multiplier over its columns].
struct Layer {
    struct Gene {
        std::size_t column, multiplier;
    };
    std::vector<Gene> genes;
    std::vector<LayerVariant> variants;
    std::size_t depth_column = 0;  // the layer is present if depths holds this gene's value
    OptionSet depths;
};

class Chain : public CostTables {
  public:
    // cardinalities: of every choice of the space. rest: costs of the layers that are always the same.
    Chain(std::vector<std::size_t> cardinalities, std::vector<Layer> layers, const NetworkCost& rest)
        : cardinalities_(std::move(cardinalities)), layers_(std::move(layers)), rest_(rest) {
        CostBound bound;
        bound.add(std::array{rest}, 1);
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            std::vector<NetworkCost> costs;
            for (const LayerVariant& variant : layers_[i].variants) costs.push_back(variant.cost);
            bound.add(costs, 1);
            const auto fail = [i](const std::string& message) {
                throw std::invalid_argument("Chain: layer " + std::to_string(i) + ": " + message);
            };
            std::size_t last = 0;
            if (layers_[i].depth_column >= cardinalities_.size()) fail("its depth column does not exist");
            for (const Layer::Gene& gene : layers_[i].genes) {
                if (gene.column >= cardinalities_.size()) fail("a column does not exist");
                last += gene.multiplier * (cardinalities_[gene.column] - 1);
            }
            if (last >= layers_[i].variants.size())
                fail("needs " + std::to_string(last + 1) + " variants, got " +
                     std::to_string(layers_[i].variants.size()));
        }
    }

    std::size_t num_choices() const override { return cardinalities_.size(); }

    // Every gene is an option of its choice, so that no look-up leaves its table.
    bool accepts(const std::uint8_t* genotype) const override {
        for (std::size_t c = 0; c < cardinalities_.size(); ++c)
            if (genotype[c] >= cardinalities_[c]) return false;
        return true;
    }

    // The tokens of the layers that are left, 4 little-endian bytes each.
    void append_canonical(const std::uint8_t* genotype, std::vector<std::uint8_t>& bytes) const {
        for (const Layer& layer : layers_) {
            if (!layer.depths[genotype[layer.depth_column]]) continue;
            const std::uint32_t token = variant(layer, genotype).token;
            if (token == 0) continue;
            for (unsigned b = 0; b < 4; ++b) bytes.push_back(static_cast<std::uint8_t>(token >> (8 * b)));
        }
    }

    NetworkCost cost(const std::uint8_t* genotype) const override {
        NetworkCost total = rest_;
        for (const Layer& layer : layers_) {
            if (!layer.depths[genotype[layer.depth_column]]) continue;
            const NetworkCost& cost = variant(layer, genotype).cost;
            total.macs += cost.macs;
            total.params += cost.params;
            total.peak_bytes = std::max(total.peak_bytes, cost.peak_bytes);
        }
        return total;
    }

  private:
    static const LayerVariant& variant(const Layer& layer, const std::uint8_t* genotype) {
        std::size_t index = 0;
        for (const Layer::Gene& gene : layer.genes) index += gene.multiplier * genotype[gene.column];
        return layer.variants[index];
    }

    std::vector<std::size_t> cardinalities_;
    std::vector<Layer> layers_;
    NetworkCost rest_;
};

class ChainForm : public CanonicalForm {
  public:
    explicit ChainForm(Chain chain) : chain_(std::move(chain)) {}

    std::size_t num_choices() const override { return chain_.num_choices(); }
    bool accepts(const std::uint8_t* row) const override { return chain_.accepts(row); }
    void append(const std::uint8_t* row, std::vector<std::uint8_t>& bytes) const override {
        chain_.append_canonical(row, bytes);
    }

  private:
    Chain chain_;
};

}  // namespace efficient_nas
