// Any text is refused or read as an architecture that is written and read again as the same one.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "efficient_nas/graph/architecture_json.hpp"
#include "fuzz_checks.hpp"

using namespace efficient_nas;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    fuzz::read_or_refuse(
        [&] { return architecture_from_json(text); },
        [](const Graph& graph) {
            const std::string written = to_json(graph);
            const ArchitectureParts parts = architecture_parts_from_json(written);
            fuzz::require(parts.nodes == graph.nodes(), "nodes survive a round trip");
            fuzz::require(parts.connections == graph.connections(), "connections survive a round trip");
            fuzz::require(parts.input_shape == graph.input_shape(), "the input shape survives a round trip");
        });
    return 0;
}
