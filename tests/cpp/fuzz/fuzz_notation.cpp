// Any text is refused or read as a genotype that is written and read again as the same one.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "efficient_nas/space/darts_notation.hpp"
#include "efficient_nas/space/nasbench201_notation.hpp"
#include "efficient_nas/space/space_notation.hpp"
#include "fuzz_checks.hpp"

using namespace efficient_nas;

namespace {

// A choice that switches another, and an ordered pair.
SpaceSpec small_space() {
    const auto all = [](std::size_t n) { return ~OptionSet() >> (kMaxOptions + 1 - n); };
    OptionSet conv;
    conv.set(1);
    return SpaceSpec({{"kind", {"plain", "conv"}, all(2), {}},
                      {"kernel", {"1", "3", "5"}, all(3), {{0, conv}}},
                      {"a", {"0", "1", "2"}, all(3), {}},
                      {"b", {"0", "1", "2"}, all(3), {}}},
                     {{2, 3}});
}

template <typename Read, typename Write>
void check_round_trip(std::string_view text, const Read& read, const Write& write) {
    fuzz::read_or_refuse([&] { return read(text); },
                         [&](const std::vector<std::uint8_t>& genotype) {
                             fuzz::require(read(write(genotype.data())) == genotype,
                                           "a genotype survives a round trip");
                         });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const SpaceSpec space = small_space();
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_round_trip(text, nasbench201::from_string, nasbench201::to_string);
    check_round_trip(
        text,
        [](std::string_view read) {
            std::vector<std::uint8_t> genotype = darts::from_string(read);
            fuzz::require(darts::is_valid(genotype.data()), "a DARTS genotype that was read is valid");
            return genotype;
        },
        darts::to_string);
    check_round_trip(
        text, [](std::string_view read) { return from_string(space, read); },
        [](const std::uint8_t* genotype) { return to_string(space, genotype); });
    return 0;
}
