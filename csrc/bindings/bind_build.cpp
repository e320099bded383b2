#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "simd_path.h"

#if defined(__clang__)
#define EFFNAS_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define EFFNAS_COMPILER "gcc " __VERSION__
#elif defined(_MSC_VER)
#define EFFNAS_COMPILER "msvc"
#else
#define EFFNAS_COMPILER "unknown"
#endif

void export_build(nb::module_& module) {
    module.attr("compiler") = EFFNAS_COMPILER;
    module.def("simd_path", &efficient_nas::ops::simd_path_name,
               "The instruction set that the CPU kernels use; EFFICIENT_NAS_SIMD can name another one.");
    module.def("simd_paths", &efficient_nas::ops::simd_paths,
               "The instruction sets that this build has kernels for and this CPU runs, widest first.");
#ifdef EFFNAS_HAVE_CUDA
    module.attr("has_cuda_kernels") = true;
#else
    module.attr("has_cuda_kernels") = false;
#endif
}
