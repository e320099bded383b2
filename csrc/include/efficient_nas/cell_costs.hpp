// What the costs of a network made of cells are summed from; filled in by whoever knows the network.
#pragma once

#include <cstdint>

namespace efficient_nas {

// One operation at one resolution. peak_bytes: allocated while it runs (NodeCost in steps.hpp).
struct OperationCost {
    std::int64_t macs = 0, params = 0, peak_bytes = 0;
};

// A whole network for one image.
struct NetworkCost {
    std::int64_t macs = 0, params = 0, peak_bytes = 0;
};

}  // namespace efficient_nas
