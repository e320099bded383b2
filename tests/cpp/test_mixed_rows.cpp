// Kernels between memory and sums, and weighted sums of rows, of the fused mixed operation against plain
// loops in double precision, for all vector widths of the instruction set that the environment names.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "check.hpp"
#include "mixed_kernel_cases.hpp"

using namespace mixed_cases;

namespace {

double activated(Activation activation, double value) {
    if (activation != Activation::kNone && value < 0) return 0;
    return activation == Activation::kRelu6 && value > 6 ? 6 : value;
}

double activation_gradient(Activation activation, double value, double gradient) {
    if (activation != Activation::kNone && value <= 0) return 0;
    return activation == Activation::kRelu6 && value >= 6 ? 0 : gradient;
}

template <typename Of>
struct Normalisation {
    Row<typename Of::Sum> mean, scale, shift;
    explicit Normalisation(const Case<Of>& of)
        : mean(of.values(1)), scale(of.values(1)), shift(of.values(1)) {}
    Prologue prologue(Activation activation, bool scaled) const {
        if (!scaled) return {activation, nullptr, nullptr, nullptr};
        return {activation, mean.data(), scale.data(), shift.data()};
    }
    double operator()(double value, std::int64_t c, bool scaled) const {
        return scaled ? (value - mean(0, c)) * scale(0, c) + shift(0, c) : value;
    }
};

const std::vector<PlaneRow> kPlanes{{7, 0, 1, 7},  {9, 2, 1, 14}, {8, 1, 2, 6}, {5, 3, 3, 4},
                                    {11, 0, 2, 4}, {1, 4, 1, 9},  {2, 0, 3, 1}, {6, 7, 2, 3}};

// The column of the image at a pixel of a plane's row, or -1.
std::int64_t image_column(const PlaneRow& plane, std::int64_t pixel) {
    const std::int64_t residue = pixel / plane.residue_pitch;
    const std::int64_t column = pixel % plane.residue_pitch * plane.residues + residue - plane.left;
    return column < plane.columns ? std::max<std::int64_t>(column, -1) : -1;
}

template <typename Of>
void load_and_store() {
    for_widths<Of>([](const Case<Of>& of) {
        const std::int64_t source_pitch = of.channels + 3;
        for (const PlaneRow& plane : kPlanes)
            for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6})
                for (const bool scaled : {false, true}) {
                    // Exactly the elements of the image's row.
                    std::vector<typename Of::Element> image(
                        static_cast<std::size_t>((plane.columns - 1) * source_pitch + of.channels));
                    for (auto& element : image) element = Of::narrowed((of.random.uniform() - 0.4) * 16);
                    image[0] = Of::narrowed(kNaN);
                    const Normalisation<Of> normalisation(of);
                    const std::int64_t pixels = plane.residues * plane.residue_pitch;
                    auto row = of.values(pixels);
                    of.kernels.load_row(image.data(), source_pitch, of.channels, plane,
                                        normalisation.prologue(activation, scaled), row.data(), of.pitch);
                    CHECK(is(row, [&](std::int64_t pixel, std::int64_t c) {
                        const std::int64_t column = image_column(plane, pixel);
                        if (column < 0 || c >= of.channels) return 0.0;
                        const double value =
                            Of::widened(image[static_cast<std::size_t>(column * source_pitch + c)]);
                        return activated(activation, normalisation(value, c, scaled));
                    }));
                    of.kernels.load_row(nullptr, source_pitch, of.channels, plane,
                                        normalisation.prologue(activation, scaled), row.data(), of.pitch);
                    CHECK(is(row, [](std::int64_t, std::int64_t) { return 0.0; }));
                }
        for (const std::int64_t count : {1, 4, 7}) {
            auto row = of.values(count);
            row.at(0, 0) = static_cast<typename Of::Sum>(kNaN);
            const auto pivot = of.values(1), sums_before = of.values(1), squares_before = of.values(1);
            auto sums = sums_before, squares = squares_before;
            const typename Of::Element untouched = Of::narrowed(42);
            std::vector<typename Of::Element> stored(
                static_cast<std::size_t>((count - 1) * source_pitch + of.channels), untouched);
            of.kernels.store_row(row.data(), count, of.pitch, of.channels, stored.data(), source_pitch,
                                 nullptr, nullptr, nullptr);
            bool equal = true;
            for (std::size_t i = 0; i < stored.size(); ++i) {
                const auto j = static_cast<std::int64_t>(i) / source_pitch;
                const auto c = static_cast<std::int64_t>(i) % source_pitch;
                const auto expected = c < of.channels ? Of::narrowed(row(j, c)) : untouched;
                const auto value = Of::widened(stored[i]);
                equal = equal && (stored[i] == expected || (std::isnan(value) && i == 0));
            }
            CHECK(equal);
            of.kernels.store_row(row.data(), count, of.pitch, of.channels, nullptr, 0, pivot.data(),
                                 sums.data(), squares.data());
            const auto total = [&](double start, std::int64_t c, int power) {
                for (std::int64_t j = 0; j < count; ++j) start += std::pow(row(j, c) - pivot(0, c), power);
                return start;
            };
            CHECK(is(sums, [&](std::int64_t, std::int64_t c) { return total(sums_before(0, c), c, 1); }));
            CHECK(
                is(squares, [&](std::int64_t, std::int64_t c) { return total(squares_before(0, c), c, 2); }));
        }
    });
}

}  // namespace

TEST(rows_are_loaded_and_stored) {
    load_and_store<Float32>();
    load_and_store<Float64>();
    load_and_store<Bfloat16Bits>();
}

TEST(gradients_go_back_through_prologues) {
    for_sums([](const auto& of) {
        using Sum = typename std::decay_t<decltype(of)>::Sum;
        for (const PlaneRow& plane : kPlanes)
            for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6})
                for (const bool scaled : {false, true})
                    for (const bool add : {false, true}) {
                        // Columns that the plane cuts off have no gradient: whole planes only.
                        if (plane.residues * plane.residue_pitch < plane.columns + plane.left) continue;
                        const Normalisation normalisation(of);
                        const auto gradient = of.values(plane.residues * plane.residue_pitch);
                        auto values = of.values(plane.columns);
                        for (std::int64_t j = 0; j < plane.columns; ++j) values.at(j, 0) *= 5;
                        values.at(0, 0) = 0;
                        if (plane.columns > 2) values.at(1, 0) = 6, values.at(2, 0) = static_cast<Sum>(kNaN);
                        const auto before = of.values(plane.columns), sums_before = of.values(1);
                        auto target = before, sums = sums_before, products = sums_before;
                        const Prologue prologue = normalisation.prologue(activation, scaled);
                        const auto expected = [&](std::int64_t j, std::int64_t c) {
                            const std::int64_t pixel =
                                (j + plane.left) % plane.residues * plane.residue_pitch +
                                (j + plane.left) / plane.residues;
                            return (add ? before(j, c) : 0) +
                                   activation_gradient(activation, normalisation(values(j, c), c, scaled),
                                                       gradient(pixel, c));
                        };
                        of.kernels.prologue_gradient_row(gradient.data(), plane, values.data(), prologue,
                                                         of.pitch, target.data(), add, nullptr, nullptr);
                        CHECK(is(target, expected));
                        target = before;
                        of.kernels.prologue_gradient_row(gradient.data(), plane, values.data(), prologue,
                                                         of.pitch, target.data(), add, sums.data(),
                                                         products.data());
                        CHECK(is(target, expected));
                        CHECK(is(sums, [&](std::int64_t, std::int64_t c) {
                            double sum = sums_before(0, c);
                            for (std::int64_t j = 0; j < plane.columns; ++j) sum += expected(j, c);
                            return sum;
                        }));
                        CHECK(is(products, [&](std::int64_t, std::int64_t c) {
                            const double mean = scaled ? normalisation.mean(0, c) : 0;
                            double sum = sums_before(0, c);
                            for (std::int64_t j = 0; j < plane.columns; ++j)
                                sum += expected(j, c) * (values(j, c) - mean);
                            return sum;
                        }));
                    }
    });
}

TEST(weighted_sums_and_dot_products) {
    for_sums([](const auto& of) {
        for (const std::int64_t num_rows : {0, 1, 2, 3, 8, 11})
            for (const std::int64_t count : {1, 7, 8, 19}) {
                const auto rows = of.rows(num_rows, count);
                const auto scales = of.rows(num_rows, 1), means = of.rows(num_rows, 1);
                const auto base = of.values(1), before = of.values(count), gradient = of.values(count);
                const auto of_rows = addresses(rows), of_scales = addresses(scales),
                           of_means = addresses(means);
                for (const bool add : {false, true}) {
                    auto target = before;
                    of.kernels.weighted_sum_row(of_rows.data(), of_scales.data(), of_means.data(), num_rows,
                                                base.data(), count, of.pitch, target.data(), add);
                    CHECK(is(target, [&](std::int64_t j, std::int64_t c) {
                        double sum = base(0, c) + (add ? before(j, c) : 0);
                        for (std::size_t t = 0; t < rows.size(); ++t)
                            sum += scales[t](0, c) * (rows[t](j, c) - means[t](0, c));
                        return sum;
                    }));
                }
                auto products = scales;
                auto total = base;
                std::vector<void*> of_products;
                for (auto& row : products) of_products.push_back(row.data());
                of.kernels.dot_rows(gradient.data(), of_rows.data(), of_means.data(), num_rows, count,
                                    of.pitch, of_products.data(), total.data());
                CHECK(is(total, [&](std::int64_t, std::int64_t c) {
                    double sum = base(0, c);
                    for (std::int64_t j = 0; j < count; ++j) sum += gradient(j, c);
                    return sum;
                }));
                for (std::size_t t = 0; t < rows.size(); ++t)
                    CHECK(is(products[t], [&](std::int64_t, std::int64_t c) {
                        double sum = scales[t](0, c);
                        for (std::int64_t j = 0; j < count; ++j)
                            sum += gradient(j, c) * (rows[t](j, c) - means[t](0, c));
                        return sum;
                    }));
            }
    });
}
