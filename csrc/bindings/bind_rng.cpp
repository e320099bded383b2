#include "bindings.h"
#include "checks.h"
#include "efficient_nas/rng.hpp"

namespace nas = efficient_nas;

void export_rng(nb::module_& module) {
    module.def(
        "random_u64",
        [](std::uint64_t seed, std::uint64_t stream, std::size_t n) {
            std::vector<std::uint64_t> draws(n);
            nas::RandomStream random(seed, stream);
            for (std::uint64_t& draw : draws) draw = random.next_u64();
            return make_array(std::move(draws), {n});
        },
        nb::arg("seed"), nb::arg("stream"), nb::arg("n"),
        "The first n draws of the stream (seed, stream) as uint64 [n].");
}
