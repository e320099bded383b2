// The instruction set that the CPU kernels use: chosen once, by what this CPU has.
#pragma once

#include <string>
#include <vector>

namespace efficient_nas::ops {

enum class SimdPath { kBaseline, kAvx2, kAvx512 };

// Names of the paths that this build has and this CPU runs, widest first.
std::vector<std::string> simd_paths();

// The path in use: the widest, or the one that the environment variable EFFICIENT_NAS_SIMD names; throws
// std::invalid_argument where that is none of simd_paths(). Read at the first call.
SimdPath simd_path();
std::string simd_path_name();

}  // namespace efficient_nas::ops
