// The kernels of the fused mixed operation for one instruction set; compiled once for each (CMakeLists.txt).
//
// Everything here is in an unnamed namespace and uses no inline function of the standard library: the linker
// keeps one copy of those, which must not be the one with instructions that this CPU may lack.
#include "mixed_depthwise.h"
#include "mixed_kernels.h"
#include "mixed_matrix.h"
#include "mixed_pools.h"
#include "mixed_rows.h"
#include "mixed_sums.h"

namespace efficient_nas::ops {
namespace {

template <typename Element, int Lanes>
constexpr MixedKernels kernels() {
    using Sum = SumOf<Element>;
    return {Lanes,
            load_row<Element, Lanes>,
            store_row<Element, Lanes>,
            depthwise_rows<Sum, Lanes>,
            depthwise_outer_rows<Sum, Lanes>,
            mix_rows<Sum, Lanes>,
            outer_row<Sum, Lanes>,
            max_pool_row<Sum, Lanes>,
            average_pool_row<Sum, Lanes>,
            max_pool_gradient_row<Sum, Lanes>,
            average_pool_gradient_row<Sum, Lanes>,
            weighted_sum_row<Sum, Lanes>,
            dot_rows<Sum, Lanes>,
            prologue_gradient_row<Sum, Lanes>};
}

// The widest vectors, and for AVX-512 half of them. Narrower ones would take more instructions for any number
// of channels. float64 is for checks of gradients, where speed matters less than the time to compile this.
#if EFFNAS_VECTOR_BYTES == 64
constexpr MixedKernels kFloat32[] = {kernels<float, 16>(), kernels<float, 8>()};
constexpr MixedKernels kBfloat16[] = {kernels<Bfloat16, 16>(), kernels<Bfloat16, 8>()};
#else
constexpr MixedKernels kFloat32[] = {kernels<float, kVectorBytes / 4>()};
constexpr MixedKernels kBfloat16[] = {kernels<Bfloat16, kVectorBytes / 4>()};
#endif
constexpr MixedKernels kFloat64[] = {kernels<double, 2>()};
constexpr std::size_t kWidths = sizeof(kFloat32) / sizeof(kFloat32[0]);

}  // namespace

extern const MixedPath EFFNAS_MIXED_PATH;
const MixedPath EFFNAS_MIXED_PATH = {{kFloat32, kWidths}, {kFloat64, 1}, {kBfloat16, kWidths}};

}  // namespace efficient_nas::ops
