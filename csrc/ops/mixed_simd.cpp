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
            depthwise_row<Sum, Lanes>,
            depthwise_outer_row<Sum, Lanes>,
            mix_row<Sum, Lanes>,
            outer_row<Sum, Lanes>,
            max_pool_row<Sum, Lanes>,
            average_pool_row<Sum, Lanes>,
            max_pool_gradient_row<Sum, Lanes>,
            average_pool_gradient_row<Sum, Lanes>,
            weighted_sum_row<Sum, Lanes>,
            dot_rows<Sum, Lanes>,
            prologue_gradient_row<Sum, Lanes>};
}

// One set for each vector of 16 bytes up to the instruction set's own.
#if EFFNAS_VECTOR_BYTES == 64
#define EFFNAS_WIDTHS(Element) {kernels<Element, 16>(), kernels<Element, 8>(), kernels<Element, 4>()}
#elif EFFNAS_VECTOR_BYTES == 32
#define EFFNAS_WIDTHS(Element) {kernels<Element, 8>(), kernels<Element, 4>()}
#else
#define EFFNAS_WIDTHS(Element) {kernels<Element, 4>()}
#endif

constexpr MixedKernels kFloat32[] = EFFNAS_WIDTHS(float);
constexpr MixedKernels kBfloat16[] = EFFNAS_WIDTHS(Bfloat16);
// float64 is for checks of gradients, where speed does not matter.
constexpr MixedKernels kFloat64[] = {kernels<double, 2>()};
constexpr std::size_t kWidths = sizeof(kFloat32) / sizeof(kFloat32[0]);

}  // namespace

extern const MixedPath EFFNAS_MIXED_PATH;
const MixedPath EFFNAS_MIXED_PATH = {{kFloat32, kWidths}, {kFloat64, 1}, {kBfloat16, kWidths}};

}  // namespace efficient_nas::ops
