// JSON of an architecture, strict in both directions: what is not understood is refused, never guessed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "efficient_nas/graph/graph.hpp"
#include "efficient_nas/graph/json_value.hpp"
#include "efficient_nas/messages.hpp"

namespace efficient_nas {

inline constexpr std::string_view kArchitectureFormat = "efficient-nas/architecture";
inline constexpr std::int64_t kArchitectureVersion = 1;

// What a Graph is made of.
struct ArchitectureParts {
    std::vector<Node> nodes;
    std::vector<Connection> connections;
    Shape input_shape;
};

namespace detail {

template <std::size_t N>
using JsonFields = std::array<std::optional<JsonValue>, N>;

// The members of an object in the order of `names`, of which the first `required` must be there.
template <std::size_t N>
JsonFields<N> json_fields(const std::string& where, const JsonValue& object,
                          const std::array<std::string_view, N>& names, std::size_t required) {
    if (object.kind() != JsonKind::kObject)
        throw std::invalid_argument(where + " must be an object, got " + object.shown());
    JsonFields<N> values;
    object.for_each_member([&](const std::string& name, const JsonValue& value) {
        std::size_t i = 0;
        while (i < N && names[i] != name) ++i;
        if (i == N)
            throw std::invalid_argument(where + " has an unknown field " + quoted(name) +
                                        nearest(name, names));
        if (values[i]) throw std::invalid_argument(where + ": the field " + quoted(name) + " is given twice");
        values[i] = value;
    });
    for (std::size_t i = 0; i < required; ++i)
        if (!values[i]) throw std::invalid_argument(where + " lacks the field " + quoted(names[i]));
    return values;
}

template <typename Visit>
void for_each_item(const std::string& where, const JsonValue& list, const Visit& visit) {
    if (list.kind() != JsonKind::kArray)
        throw std::invalid_argument(where + " must be a list, got " + list.shown());
    std::size_t i = 0;
    list.for_each_element(
        [&](const JsonValue& item) { visit(where + "[" + std::to_string(i++) + "]", item); });
}

template <std::size_t N>
std::array<std::int64_t, N> json_integers(const std::string& where, const JsonValue& list) {
    std::array<std::int64_t, N> values{};
    std::size_t count = 0;
    bool integers = list.kind() == JsonKind::kArray;
    if (!integers) throw std::invalid_argument(where + " must be a list, got " + list.shown());
    list.for_each_element([&](const JsonValue& item) {
        integers = integers && item.kind() == JsonKind::kInteger;
        if (count < N && integers) values[count] = item.integer();
        ++count;
    });
    if (!integers || count != N)
        throw std::invalid_argument(where + " must hold " + std::to_string(N) + " integers, got " +
                                    list.shown());
    return values;
}

inline constexpr std::array<std::string_view, 7> kNodeFields{
    "operation", "input_channels", "output_channels", "stride", "kernel_size", "expansion", "affine"};
inline constexpr std::array<std::int64_t Node::*, 5> kNodeSizes{
    &Node::input_channels, &Node::output_channels, &Node::stride, &Node::kernel_size, &Node::expansion};

inline Node json_node(const std::string& where, const JsonValue& object) {
    const JsonFields<7> values = json_fields(where, object, kNodeFields, 3);
    const auto fail = [&](std::size_t field, const char* expected) {
        throw std::invalid_argument(where + ": " + std::string(kNodeFields[field]) + " must be " + expected +
                                    ", got " + values[field]->shown());
    };
    if (values[0]->kind() != JsonKind::kString) fail(0, "a str");
    Node node;
    for (std::size_t field = 1; field <= kNodeSizes.size(); ++field) {
        const bool kernel_size = kNodeSizes[field - 1] == &Node::kernel_size;
        if (!values[field] || (kernel_size && values[field]->kind() == JsonKind::kNull)) continue;
        if (values[field]->kind() != JsonKind::kInteger) fail(field, "an int");
        node.*kNodeSizes[field - 1] = values[field]->integer();
        if (kernel_size && node.kernel_size < 1) fail(field, "positive");
    }
    if (values[6] && values[6]->kind() != JsonKind::kBool) fail(6, "a bool");
    if (values[6]) node.affine = values[6]->boolean();
    try {
        node.operation = parse_operation(values[0]->string());
        check_node(node);
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(where + ": " + error.what());
    }
    return node;
}

inline ArchitectureParts json_architecture(std::string_view text) {
    constexpr std::array<std::string_view, 5> kFields{"format", "version", "input_shape", "nodes",
                                                      "connections"};
    const JsonFields<5> values = json_fields("the document", JsonValue::parse(text), kFields, kFields.size());
    const JsonValue &format = *values[0], &version = *values[1];
    if (format.kind() != JsonKind::kString || format.string() != kArchitectureFormat)
        throw std::invalid_argument("format must be " + quoted(kArchitectureFormat) + ", got " +
                                    format.shown());
    if (version.kind() != JsonKind::kInteger || version.integer() != kArchitectureVersion)
        throw std::invalid_argument("version must be " + std::to_string(kArchitectureVersion) + ", got " +
                                    version.shown());
    ArchitectureParts parts;
    const auto [channels, height, width] = json_integers<3>("input_shape", *values[2]);
    parts.input_shape = {channels, height, width};
    for_each_item("nodes", *values[3], [&](const std::string& where, const JsonValue& node) {
        parts.nodes.push_back(json_node(where, node));
    });
    for_each_item("connections", *values[4], [&](const std::string& where, const JsonValue& pair) {
        const auto [from, to] = json_integers<2>(where, pair);
        parts.connections.push_back({from, to});
    });
    return parts;
}

}  // namespace detail

// The parts of a text that `to_json` wrote. Throws std::invalid_argument that names the field for anything
// malformed: unknown, missing or repeated fields, wrong types, another version.
inline ArchitectureParts architecture_parts_from_json(std::string_view text) {
    try {
        return detail::json_architecture(text);
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument("Architecture.from_json: " + std::string(error.what()));
    }
}

// The architecture itself; also throws where the parts do not fit together.
inline Graph architecture_from_json(std::string_view text) {
    ArchitectureParts parts = architecture_parts_from_json(text);
    return Graph(std::move(parts.nodes), std::move(parts.connections), parts.input_shape);
}

// One line per node, so that two architectures can be compared by eye and by diff; attributes at their
// defaults are left out.
inline std::string to_json(const Graph& graph) {
    const Shape& shape = graph.input_shape();
    std::string text = "{\n  \"format\": \"" + std::string(kArchitectureFormat) +
                       "\",\n  \"version\": " + std::to_string(kArchitectureVersion) +
                       ",\n  \"input_shape\": [" + std::to_string(shape.channels) + ", " +
                       std::to_string(shape.height) + ", " + std::to_string(shape.width) +
                       "],\n  \"nodes\": [\n";
    const Node defaults;
    for (std::size_t i = 0; i < graph.size(); ++i) {
        const Node& node = graph.nodes()[i];
        text += std::string(i > 0 ? ",\n" : "") + "    {\"operation\": \"" +
                std::string(traits(node.operation).name) + "\"";
        for (std::size_t size = 0; size < detail::kNodeSizes.size(); ++size) {
            const std::int64_t value = node.*detail::kNodeSizes[size];
            const bool channels = size < 2;
            if (channels || value != defaults.*detail::kNodeSizes[size])
                text += ", \"" + std::string(detail::kNodeFields[size + 1]) + "\": " + std::to_string(value);
        }
        text += node.affine ? "}" : ", \"affine\": false}";
    }
    text += "\n  ],\n  \"connections\": [";
    for (std::size_t i = 0; i < graph.connections().size(); ++i) {
        const auto [from, to] = graph.connections()[i];
        text += std::string(i > 0 ? ", " : "") + "[" + std::to_string(from) + ", " + std::to_string(to) + "]";
    }
    return text + "]\n}\n";
}

}  // namespace efficient_nas
