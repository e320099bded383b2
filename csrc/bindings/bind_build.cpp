#include "bindings.h"

#if defined(__clang__)
#define EFFNAS_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define EFFNAS_COMPILER "gcc " __VERSION__
#elif defined(_MSC_VER)
#define EFFNAS_COMPILER "msvc"
#else
#define EFFNAS_COMPILER "unknown"
#endif

#if defined(__AVX512F__)
#define EFFNAS_SIMD "avx512"
#elif defined(__AVX2__)
#define EFFNAS_SIMD "avx2"
#elif defined(__SSE4_2__)
#define EFFNAS_SIMD "x86-64-v2"
#elif defined(__ARM_NEON)
#define EFFNAS_SIMD "neon"
#else
#define EFFNAS_SIMD "generic"
#endif

void export_build(nb::module_& module) {
    module.attr("compiler") = EFFNAS_COMPILER;
    module.attr("simd") = EFFNAS_SIMD;
#ifdef EFFNAS_HAVE_CUDA
    module.attr("has_cuda_kernels") = true;
#else
    module.attr("has_cuda_kernels") = false;
#endif
}
