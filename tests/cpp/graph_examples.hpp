// Architectures to start from: networks like those of the built-in spaces, and random DAGs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "efficient_nas/graph/graph.hpp"
#include "efficient_nas/graph/graph_attributes.hpp"
#include "efficient_nas/rng.hpp"

namespace efficient_nas {

class ExampleBuilder {
  public:
    ExampleBuilder(const Shape& input, RandomStream& random) : input_(input), random_(random) {
        add({.operation = Operation::kInput,
             .input_channels = input.channels,
             .output_channels = input.channels},
            {});
    }

    std::size_t add(const Node& node, const std::vector<std::size_t>& sources) {
        for (const std::size_t source : sources)
            connections_.push_back(
                {static_cast<std::int64_t>(source), static_cast<std::int64_t>(nodes_.size())});
        const Shape received = sources.empty() ? input_ : shapes_[sources[0]];
        nodes_.push_back(node);
        shapes_.push_back(output_shape(node, received));
        return nodes_.size() - 1;
    }

    // A random layer that gives `channels` from what one node makes.
    std::size_t layer(std::size_t source, std::int64_t channels, std::int64_t stride = 1) {
        const Node like{.input_channels = shapes_[source].channels,
                        .output_channels = channels,
                        .stride = stride,
                        .affine = random_.below(4) > 0};
        return add(draw_layer(like, true, random_), {source});
    }

    std::size_t join(Operation operation, const std::vector<std::size_t>& sources) {
        const std::int64_t channels = shapes_[sources[0]].channels;
        const auto parts = static_cast<std::int64_t>(operation == Operation::kConcat ? sources.size() : 1);
        return add({.operation = operation, .input_channels = channels, .output_channels = channels * parts},
                   sources);
    }

    std::size_t plain(Operation operation, std::size_t source) { return join(operation, {source}); }

    // A NAS-Bench-201 cell: a random operation, or none, on each of six edges.
    std::size_t tabular_cell(std::size_t source) {
        std::array<std::size_t, 4> values{source};
        const std::int64_t channels = shapes_[source].channels;
        constexpr Operation kEdges[] = {Operation::kNone, Operation::kSkipConnect, Operation::kNorConv1x1,
                                        Operation::kNorConv3x3, Operation::kAvgPool3x3};
        for (std::size_t node = 1; node < 4; ++node) {
            std::vector<std::size_t> edges;
            for (std::size_t from = 0; from < node; ++from)
                edges.push_back(add({.operation = kEdges[random_.below(std::size(kEdges))],
                                     .input_channels = channels,
                                     .output_channels = channels},
                                    {values[from]}));
            values[node] = join(Operation::kSum, edges);
        }
        return values[3];
    }

    // A DARTS cell on two inputs of any shape: preprocessing, two nodes of two edges each, concat.
    std::size_t genotype_cell(std::size_t before, std::size_t last, std::int64_t channels, bool reduction) {
        const bool halve = shapes_[before].height != shapes_[last].height;
        const Node reduce{.operation = halve ? Operation::kFactorizedReduce : Operation::kNorConv1x1,
                          .input_channels = shapes_[before].channels,
                          .output_channels = channels,
                          .stride = halve ? 2 : 1};
        std::vector<std::size_t> values{add(reduce, {before}), add({.operation = Operation::kNorConv1x1,
                                                                    .input_channels = shapes_[last].channels,
                                                                    .output_channels = channels},
                                                                   {last})};
        for (std::size_t node = 0; node < 2; ++node) {
            std::vector<std::size_t> edges;
            for (std::size_t edge = 0; edge < 2; ++edge) {
                const std::size_t from = random_.below(values.size());
                edges.push_back(layer(values[from], channels, reduction && from < 2 ? 2 : 1));
            }
            values.push_back(join(Operation::kSum, edges));
        }
        return join(Operation::kConcat, {values[2], values[3]});
    }

    // Any DAG of any operation: sums and concats of equal shapes, strides, dead ends.
    std::size_t random_dag(std::size_t size) {
        std::size_t last = layer(0, 2 * static_cast<std::int64_t>(1 + random_.below(4)));
        for (std::size_t i = 0; i < size; ++i) {
            std::vector<std::size_t> alike;
            const std::size_t first = random_.below(2) ? last : random_.below(nodes_.size());
            for (std::size_t node = 0; node < nodes_.size(); ++node)
                if (shapes_[node] == shapes_[first]) alike.push_back(node);
            std::vector<std::size_t> sources{first};
            for (std::size_t more = random_.below(3); more > 0; --more)
                sources.push_back(alike[random_.below(alike.size())]);
            const std::uint64_t draw = random_.below(8);
            if (draw == 0)
                last = join(Operation::kSum, sources);
            else if (draw == 1)
                last = join(Operation::kConcat, sources);
            else if (draw == 2)
                last = join(Operation::kNone, {first});
            else
                last = layer(first, 2 * static_cast<std::int64_t>(1 + random_.below(4)), draw == 3 ? 2 : 1);
        }
        return last;
    }

    Graph classifier(std::size_t source, std::int64_t classes, bool pooled = true) {
        if (pooled) source = plain(Operation::kGlobalAvgPool, source);
        return finish(add({.operation = Operation::kLinear,
                           .input_channels = shapes_[source].channels,
                           .output_channels = classes},
                          {source}));
    }

    Graph finish(std::size_t source) {
        plain(Operation::kOutput, source);
        return Graph(nodes_, connections_, input_);
    }

  private:
    Shape input_;
    RandomStream& random_;
    std::vector<Node> nodes_;
    std::vector<Connection> connections_;
    std::vector<Shape> shapes_;
};

// One of five families in turn.
inline Graph example_architecture(std::uint64_t family, std::int64_t height, RandomStream& random) {
    ExampleBuilder builder({3, height, 16}, random);
    switch (family % 5) {
        case 0: {  // NAS-Bench-201
            std::size_t value = builder.add({.operation = Operation::kConvBN,
                                             .input_channels = 3,
                                             .output_channels = 8,
                                             .kernel_size = 3},
                                            {0});
            value = builder.tabular_cell(value);
            value = builder.add({.operation = Operation::kResNetBasicBlock,
                                 .input_channels = 8,
                                 .output_channels = 16,
                                 .stride = 2},
                                {value});
            value = builder.tabular_cell(value);
            return builder.classifier(builder.plain(Operation::kBNReLU, value), 10);
        }
        case 1: {  // DARTS
            const std::size_t stem = builder.layer(0, 12);
            const std::size_t a = builder.genotype_cell(stem, stem, 4, false);
            const std::size_t b = builder.genotype_cell(stem, a, 8, true);
            return builder.classifier(builder.genotype_cell(a, b, 8, false), 10);
        }
        case 2: {  // a chain of inverted residuals
            std::size_t value = builder.layer(0, 8, 2);
            for (std::int64_t i = 0; i < 5; ++i)
                value = builder.add({.operation = Operation::kMBConv,
                                     .input_channels = i < 3 ? 8 : 12,
                                     .output_channels = i < 2 ? 8 : 12,
                                     .stride = 1 + i % 2,
                                     .kernel_size = 3,
                                     .expansion = 3},
                                    {value});
            return builder.classifier(value, 5);
        }
        case 3:  // a DAG before a classifier, pooled or flattened
            return builder.classifier(builder.random_dag(4 + random.below(16)), 3, random.below(2) == 0);
        default:  // a DAG whose output is an image
            return builder.finish(builder.random_dag(1 + random.below(16)));
    }
}

}  // namespace efficient_nas
