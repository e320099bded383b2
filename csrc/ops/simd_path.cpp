#include "simd_path.h"

#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace efficient_nas::ops {
namespace {

// The baseline is what the whole module is compiled for, so its name says which that is.
#if defined(__SSE4_2__)
constexpr const char* kBaselineName = "x86-64-v2";
#elif defined(__x86_64__)
constexpr const char* kBaselineName = "x86-64";
#elif defined(__ARM_NEON)
constexpr const char* kBaselineName = "neon";
#else
constexpr const char* kBaselineName = "generic";
#endif

std::vector<std::pair<std::string, SimdPath>> available() {
    std::vector<std::pair<std::string, SimdPath>> paths;
#if defined(EFFNAS_X86_PATHS)
    // What CMakeLists.txt compiles the paths for. The builtin also asks whether the system saves the
    // registers.
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx2 && avx512) paths.emplace_back("avx512", SimdPath::kAvx512);
    if (avx2) paths.emplace_back("avx2", SimdPath::kAvx2);
#endif
    paths.emplace_back(kBaselineName, SimdPath::kBaseline);
    return paths;
}

std::pair<std::string, SimdPath> choose() {
    const auto paths = available();
    const char* wanted = std::getenv("EFFICIENT_NAS_SIMD");
    if (wanted == nullptr || *wanted == '\0') return paths.front();
    std::string allowed;
    for (const auto& path : paths) {
        if (path.first == wanted) return path;
        allowed += (allowed.empty() ? "" : ", ") + path.first;
    }
    throw std::invalid_argument("EFFICIENT_NAS_SIMD must be one of " + allowed + " on this machine, got '" +
                                wanted + "'");
}

const std::pair<std::string, SimdPath>& chosen() {
    static const auto path = choose();
    return path;
}

}  // namespace

std::vector<std::string> simd_paths() {
    std::vector<std::string> names;
    for (const auto& path : available()) names.push_back(path.first);
    return names;
}

SimdPath simd_path() { return chosen().second; }
std::string simd_path_name() { return chosen().first; }

}  // namespace efficient_nas::ops
