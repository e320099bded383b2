#include "mixed_kernels.h"
#include "simd_path.h"

namespace efficient_nas::ops {

const MixedPath& mixed_path() {
    switch (simd_path()) {
#if defined(EFFNAS_X86_PATHS)
        case SimdPath::kAvx512:
            return kMixedAvx512;
        case SimdPath::kAvx2:
            return kMixedAvx2;
#endif
        default:
            return kMixedBaseline;
    }
}

}  // namespace efficient_nas::ops
