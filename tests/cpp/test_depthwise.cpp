// Depthwise convolutions against their definition in double precision, in the instruction set that the
// environment names.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "depthwise.h"
#include "efficient_nas/rng.hpp"
#include "simd_path.h"

using namespace efficient_nas::ops;

namespace {

// Whether this CPU has the path that the environment names.
bool available() {
    const char* wanted = std::getenv("EFFICIENT_NAS_SIMD");
    const auto paths = simd_paths();
    return wanted == nullptr || std::find(paths.begin(), paths.end(), wanted) != paths.end();
}

struct Convolution {
    DepthwiseShape shape;
    std::vector<double> input, weight, gradient;  // of the output

    Convolution(const DepthwiseShape& of, std::uint64_t seed) : shape(of) {
        shape.check();
        const auto [rows, columns] = shape.output();
        input.resize(
            static_cast<std::size_t>(shape.batch * shape.input[0] * shape.input[1] * shape.channels));
        weight.resize(static_cast<std::size_t>(shape.channels * shape.kernel[0] * shape.kernel[1]));
        gradient.resize(static_cast<std::size_t>(shape.batch * rows * columns * shape.channels));
        efficient_nas::RandomStream random(seed, 0);
        for (auto* values : {&input, &weight, &gradient})
            for (double& value : *values) value = static_cast<float>(random.uniform() - 0.5);
    }

    // Calls visit(input index, weight index, output index) for each product.
    template <typename Visit>
    void for_each_product(const Visit& visit) const {
        const auto [rows, columns] = shape.output();
        for (std::int64_t n = 0; n < shape.batch; ++n)
            for (std::int64_t i = 0; i < rows; ++i)
                for (std::int64_t j = 0; j < columns; ++j)
                    for (std::int64_t u = 0; u < shape.kernel[0]; ++u)
                        for (std::int64_t v = 0; v < shape.kernel[1]; ++v) {
                            const std::int64_t h =
                                i * shape.stride[0] - shape.padding[0] + u * shape.dilation[0];
                            const std::int64_t w =
                                j * shape.stride[1] - shape.padding[1] + v * shape.dilation[1];
                            if (h < 0 || h >= shape.input[0] || w < 0 || w >= shape.input[1]) continue;
                            for (std::int64_t c = 0; c < shape.channels; ++c)
                                visit(
                                    static_cast<std::size_t>(
                                        ((n * shape.input[0] + h) * shape.input[1] + w) * shape.channels + c),
                                    static_cast<std::size_t>((c * shape.kernel[0] + u) * shape.kernel[1] + v),
                                    static_cast<std::size_t>(((n * rows + i) * columns + j) * shape.channels +
                                                             c));
                        }
    }
};

template <typename T>
struct Results {
    std::vector<T> output, input_gradient, weight_gradient;
};

Results<double> by_definition(const Convolution& of) {
    Results<double> results{std::vector<double>(of.gradient.size()), std::vector<double>(of.input.size()),
                            std::vector<double>(of.weight.size())};
    of.for_each_product([&](std::size_t x, std::size_t w, std::size_t y) {
        results.output[y] += of.input[x] * of.weight[w];
        results.input_gradient[x] += of.gradient[y] * of.weight[w];
        results.weight_gradient[w] += of.gradient[y] * of.input[x];
    });
    return results;
}

template <typename T>
Results<T> computed(const Convolution& of, Storage storage, std::size_t threads) {
    const std::vector<T> input(of.input.begin(), of.input.end()), weight(of.weight.begin(), of.weight.end());
    const std::vector<T> gradient(of.gradient.begin(), of.gradient.end());
    const T unset = std::numeric_limits<T>::quiet_NaN();
    Results<T> results{std::vector<T>(gradient.size(), unset), std::vector<T>(input.size(), unset),
                       std::vector<T>(weight.size(), unset)};
    depthwise_conv2d(of.shape, storage, input.data(), weight.data(), results.output.data(), threads);
    depthwise_conv2d_input_gradient(of.shape, storage, gradient.data(), weight.data(),
                                    results.input_gradient.data(), threads);
    depthwise_conv2d_weight_gradient(of.shape, storage, gradient.data(), input.data(),
                                     results.weight_gradient.data(), threads);
    return results;
}

template <typename T>
bool close(const std::vector<T>& values, const std::vector<double>& expected) {
    double largest = 1;
    for (const double value : expected) largest = std::max(largest, std::abs(value));
    const double tolerance = 64 * static_cast<double>(std::numeric_limits<T>::epsilon()) * largest;
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!(std::abs(static_cast<double>(values[i]) - expected[i]) <= tolerance)) return false;
    return true;
}

template <typename T>
bool close(const Results<T>& results, const Results<double>& expected) {
    return close(results.output, expected.output) && close(results.input_gradient, expected.input_gradient) &&
           close(results.weight_gradient, expected.weight_gradient);
}

const std::vector<DepthwiseShape> kShapes{
    {2, 16, {9, 11}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},  {1, 21, {8, 8}, {5, 5}, {1, 1}, {4, 4}, {2, 2}},
    {2, 3, {13, 10}, {5, 5}, {2, 2}, {2, 2}, {1, 1}},  {1, 37, {7, 20}, {3, 3}, {2, 2}, {2, 2}, {2, 2}},
    {1, 6, {6, 5}, {4, 2}, {1, 2}, {0, 1}, {1, 1}},    {1, 5, {9, 9}, {3, 3}, {3, 2}, {5, 0}, {2, 3}},
    {3, 1, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {1, 1}},    {1, 4, {10, 10}, {1, 1}, {4, 4}, {0, 0}, {1, 1}},
    {2, 9, {3, 2}, {5, 6}, {4, 5}, {4, 6}, {1, 1}},    {1, 7, {3, 9}, {2, 3}, {9999, 3}, {2, 1}, {2, 2}},
    {1, 18, {70, 64}, {3, 3}, {1, 1}, {1, 1}, {1, 1}}, {0, 8, {4, 4}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {1, 2, {5, 40}, {7, 11}, {1, 1}, {3, 20}, {1, 2}},
};

}  // namespace

TEST(results_are_the_definition) {
    if (!available()) return;
    for (const DepthwiseShape& shape : kShapes) {
        const Convolution convolution(shape, 7);
        const auto expected = by_definition(convolution);
        CHECK(close(computed<double>(convolution, Storage::kFloat64, 1), expected));
        CHECK(close(computed<float>(convolution, Storage::kFloat32, 1), expected));
    }
}

TEST(results_do_not_depend_on_threads) {
    if (!available()) return;
    const Convolution convolution({9, 40, {20, 20}, {5, 5}, {1, 1}, {2, 2}, {1, 1}}, 3);
    const auto one = computed<float>(convolution, Storage::kFloat32, 1);
    for (const std::size_t threads : {2, 7}) {
        const auto several = computed<float>(convolution, Storage::kFloat32, threads);
        CHECK(several.output == one.output);
        CHECK(several.input_gradient == one.input_gradient);
        CHECK(several.weight_gradient == one.weight_gradient);
    }
}

TEST(bad_shapes_are_errors) {
    const DepthwiseShape good{1, 4, {8, 8}, {3, 3}, {1, 1}, {1, 1}, {1, 1}};
    DepthwiseShape shape = good;
    shape.stride[1] = 0;
    CHECK_THROWS(shape.check(), std::invalid_argument, "stride (width) must be between 1");
    shape = good;
    shape.channels = 0;
    CHECK_THROWS(shape.check(), std::invalid_argument, "channels");
    shape = good;
    shape.dilation[0] = 6;
    CHECK_THROWS(shape.check(), std::invalid_argument, "height with dilation (13) must be at most");
    shape = good;
    shape.padding = {1 << 29, 1 << 29};
    shape.batch = std::numeric_limits<std::int32_t>::max();
    CHECK_THROWS(shape.check(), std::invalid_argument, "elements");
}

TEST(an_unknown_path_is_an_error) {
    if (available()) {
        CHECK(!simd_path_name().empty());
    } else {
        CHECK_THROWS(simd_path(), std::invalid_argument, "EFFICIENT_NAS_SIMD must be one of");
    }
}
