#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "check.hpp"
#include "efficient_nas/graph/architecture_json.hpp"
#include "efficient_nas/graph/canonical_architecture.hpp"
#include "efficient_nas/rng.hpp"
#include "efficient_nas/space/darts_notation.hpp"
#include "efficient_nas/space/nasbench201_notation.hpp"
#include "efficient_nas/space/space_notation.hpp"
#include "efficient_nas/space/space_sampling.hpp"

using namespace efficient_nas;

namespace {

Graph small_graph() {
    return Graph({{.operation = Operation::kInput, .input_channels = 3, .output_channels = 3},
                  {.operation = Operation::kConvBN,
                   .input_channels = 3,
                   .output_channels = 8,
                   .stride = 2,
                   .kernel_size = 5,
                   .affine = false},
                  {.operation = Operation::kOutput, .input_channels = 8, .output_channels = 8}},
                 {{0, 1}, {1, 2}}, {3, 9, 7});
}

constexpr std::string_view kSmallText =
    "{\n"
    "  \"format\": \"efficient-nas/architecture\",\n"
    "  \"version\": 1,\n"
    "  \"input_shape\": [3, 9, 7],\n"
    "  \"nodes\": [\n"
    "    {\"operation\": \"input\", \"input_channels\": 3, \"output_channels\": 3},\n"
    "    {\"operation\": \"conv_bn\", \"input_channels\": 3, \"output_channels\": 8, \"stride\": 2, "
    "\"kernel_size\": 5, \"affine\": false},\n"
    "    {\"operation\": \"output\", \"input_channels\": 8, \"output_channels\": 8}\n"
    "  ],\n"
    "  \"connections\": [[0, 1], [1, 2]]\n"
    "}\n";

OptionSet options(std::size_t n) { return ~OptionSet() >> (kMaxOptions + 1 - n); }

SpaceSpec conditional_space() {
    OptionSet conv;
    conv.set(1);
    return SpaceSpec({{"kind", {"plain", "conv"}, options(2), {}},
                      {"kernel", {"1", "3", "5"}, options(3), {{0, conv}}},
                      {"a", {"0", "1", "2"}, options(3), {}},
                      {"b", {"0", "1", "2"}, options(3), {}}},
                     {{2, 3}});
}

}  // namespace

TEST(an_architecture_survives_its_text) {
    CHECK(to_json(small_graph()) == kSmallText);
    const Graph read = architecture_from_json(kSmallText);
    CHECK(read.nodes() == small_graph().nodes());
    CHECK(read.connections() == small_graph().connections());
    CHECK(canonical_bytes(read, CanonicalKind::kGraph) ==
          canonical_bytes(small_graph(), CanonicalKind::kGraph));
}

TEST(bytes_that_are_no_text_are_refused) {
    for (const std::string_view bytes :
         {"\"\xff\"", "\"\xc3\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\""})
        CHECK_THROWS(architecture_from_json(bytes), std::invalid_argument, "text that is not UTF-8");
    CHECK_THROWS(architecture_from_json("\xff"), std::invalid_argument, "got '\\xff'");
    CHECK_THROWS(architecture_from_json(std::string_view("\0", 1)), std::invalid_argument, "got '\\x00'");
    CHECK_THROWS(architecture_from_json(std::string(1 << 20, '[')), std::invalid_argument, "too deeply");
    CHECK_THROWS(nasbench201::from_string("|\xff~0|+|a~0|b~1|+|"), std::invalid_argument, "'\\xff'");
}

TEST(every_prefix_of_an_architecture_is_refused) {
    for (std::size_t size = 0; size + 2 < kSmallText.size(); ++size)
        CHECK_THROWS(architecture_from_json(kSmallText.substr(0, size)), std::invalid_argument, "not");
}

TEST(parts_that_do_not_fit_are_refused) {
    std::string text(kSmallText);
    text.replace(text.find("[1, 2]]"), 7, "[1, 3]]");
    CHECK(architecture_parts_from_json(text).connections.back() == (Connection{1, 3}));
    CHECK_THROWS(architecture_from_json(text), std::invalid_argument, "refers to node 3");
}

TEST(cells_of_nasbench201_survive_their_text) {
    for (std::size_t cell = 0; cell < nasbench201::kCells; cell += 7) {
        const auto genotype = nasbench201::cell_genotype(cell);
        const std::vector<std::uint8_t> read =
            nasbench201::from_string(nasbench201::to_string(genotype.data()));
        CHECK(nasbench201::cell_index(read.data()) == cell);
    }
}

TEST(genotypes_of_darts_survive_their_text) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        RandomStream random(seed, 0);
        std::vector<std::uint8_t> genotype;
        for (std::size_t i = 0; i < 2 * darts::kNodes; ++i) {
            const std::size_t node = darts::kInputs + i % darts::kNodes;
            const auto second = static_cast<std::uint8_t>(1 + random.below(node - 1));
            const auto first = static_cast<std::uint8_t>(random.below(second));
            for (const std::uint8_t predecessor : {first, second}) {
                genotype.push_back(predecessor);
                genotype.push_back(static_cast<std::uint8_t>(random.below(darts::kOperations)));
            }
        }
        CHECK(darts::is_valid(genotype.data()));
        CHECK(darts::from_string(darts::to_string(genotype.data())) == genotype);
    }
}

TEST(genotypes_with_conditions_survive_their_text) {
    const SpaceSpec space = conditional_space();
    std::vector<std::uint8_t> rows(100 * space.num_choices());
    sample(space, 3, 100, rows.data());
    for (std::size_t i = 0; i < 100; ++i) {
        const std::uint8_t* row = rows.data() + i * space.num_choices();
        const std::string text = to_string(space, row);
        CHECK((text.find("kernel") != text.npos) == (row[0] == 1));
        CHECK(from_string(space, text) == std::vector<std::uint8_t>(row, row + space.num_choices()));
    }
    CHECK_THROWS(from_string(space, "kind=plain,kernel=3,a=0,b=1"), std::invalid_argument,
                 "kernel is inactive");
    CHECK_THROWS(from_string(space, "kind=conv,a=0,b=1"), std::invalid_argument, "kernel is missing");
    CHECK_THROWS(from_string(space, "kind=plain,a=1,b=1"), std::invalid_argument, "b must hold more than a");
    CHECK_THROWS(from_string(space, "kidn=plain"), std::invalid_argument, "did you mean kind?");
}
