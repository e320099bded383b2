// Rows between memory and sums: how elements are loaded, stored and counted. Internal linkage, see
// mixed_simd.cpp.
#pragma once

#include "mixed_kernels.h"
#include "vector_pixels.h"

namespace efficient_nas::ops {
namespace {

// Asks for what is read some pixels later: the memory would be idle when the work on pixels that are here
// takes longer, here or between this call and the next.
inline void prefetch_next(const void* address) {
    constexpr std::uintptr_t kDistance = 2048;
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(address) + kDistance));
}

// Chains of additions of a sum over pixels, so that an addition's latency is not waited for.
constexpr int kChains = 4;

// A sum over pixels, kept in kChains parts. Pixel p of a run adds to part p, which fixes the order.
template <int Lanes, typename Sum>
struct PixelSum {
    Vector<Sum, Lanes> parts[kChains] = {};
    void add_to(Sum* target) const {
        store<Lanes>(load<Lanes>(target) + ((parts[0] + parts[1]) + (parts[2] + parts[3])), target);
    }
};

// One vector column of a prologue.
template <int Lanes, typename Sum>
class Normalisation {
  public:
    using Values = Vector<Sum, Lanes>;

    Normalisation(const Prologue& prologue, std::int64_t offset)
        : mean_(at(prologue, prologue.mean, offset)),
          scale_(at(prologue, prologue.scale, offset)),
          shift_(at(prologue, prologue.shift, offset)) {}

    Values centred(const Values& values) const { return values - mean_; }
    Values operator()(const Values& values) const { return centred(values) * scale_ + shift_; }

  private:
    static Values at(const Prologue& prologue, const void* row, std::int64_t offset) {
        return prologue.scale != nullptr ? load<Lanes>(static_cast<const Sum*>(row) + offset) : Values{};
    }
    Values mean_, scale_, shift_;
};

// NaN compares as false and passes through.
template <Activation kActivation, typename Values>
inline Values activated(const Values& values) {
    const Values zeros = {};
    if constexpr (kActivation == Activation::kNone) return values;
    const Values positive = values < zeros ? zeros : values;
    if constexpr (kActivation == Activation::kRelu) return positive;
    const Values sixes = zeros + 6;
    return positive > sixes ? sixes : positive;
}

// gradient * activation'(values), with derivatives of zero at 0 and 6.
template <Activation kActivation, typename Values>
inline Values activation_gradient(const Values& values, const Values& gradient) {
    const Values zeros = {};
    if constexpr (kActivation == Activation::kNone) return gradient;
    const Values passed = values <= zeros ? zeros : gradient;
    if constexpr (kActivation == Activation::kRelu) return passed;
    return values >= zeros + 6 ? zeros : passed;
}

template <Activation kActivation>
struct ActivationConstant {
    static constexpr Activation value = kActivation;
};

template <typename Work>
inline void with_activation(Activation activation, const Work& work) {
    switch (activation) {
        case Activation::kNone:
            return work(ActivationConstant<Activation::kNone>{});
        case Activation::kRelu:
            return work(ActivationConstant<Activation::kRelu>{});
        case Activation::kRelu6:
            return work(ActivationConstant<Activation::kRelu6>{});
    }
}

// The columns of the image that a residue of a plane's row holds: pixels [begin, end) of the residue, of
// which the first is column `column` of the image and each next one `residues` columns further.
struct ResiduePixels {
    std::int64_t begin, end, column;

    ResiduePixels(const PlaneRow& plane, std::int64_t residue) {
        const std::int64_t shift = residue - plane.left;
        const std::int64_t columns = plane.columns - shift;
        end = columns <= 0 ? 0 : (columns - 1) / plane.residues + 1;
        end = end < plane.residue_pitch ? end : plane.residue_pitch;
        begin = shift < 0 ? (plane.residues - 1 - shift) / plane.residues : 0;
        begin = begin < end ? begin : end;
        column = shift + begin * plane.residues;
    }
};

template <typename Sum>
inline void clear(Sum* target, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) target[i] = 0;
}

template <typename Element, int Lanes, typename Load>
inline void load_column(const PlaneRow& plane, std::int64_t pitch, SumOf<Element>* target,
                        const Load& load_at) {
    for (std::int64_t residue = 0; residue < plane.residues; ++residue) {
        const ResiduePixels pixels(plane, residue);
        std::int64_t column = pixels.column;
        for (std::int64_t j = 0; j < pixels.begin; ++j)
            store<Lanes>(Vector<SumOf<Element>, Lanes>{}, target + j * pitch);
        for (std::int64_t j = pixels.begin; j < pixels.end; ++j, column += plane.residues)
            store<Lanes>(load_at(column), target + j * pitch);
        for (std::int64_t j = pixels.end; j < plane.residue_pitch; ++j)
            store<Lanes>(Vector<SumOf<Element>, Lanes>{}, target + j * pitch);
        target += plane.residue_pitch * pitch;
    }
}

template <typename Element, int Lanes>
void load_row(const void* source, std::int64_t source_pitch, std::int64_t channels, const PlaneRow& plane,
              const Prologue& prologue, void* target, std::int64_t pitch) {
    using Sum = SumOf<Element>;
    auto* row = static_cast<Sum*>(target);
    if (source == nullptr) return clear(row, plane.residues * plane.residue_pitch * pitch);
    with_activation(prologue.activation, [&](auto activation) {
        constexpr Activation kActivation = decltype(activation)::value;
        for (std::int64_t v = 0; v < pitch; v += Lanes) {
            const Element* pixels = static_cast<const Element*>(source) + v;
            const Normalisation<Lanes, Sum> normalised(prologue, v);
            const auto fill = [&](const auto& load_pixel) {
                if (prologue.scale != nullptr)
                    load_column<Element, Lanes>(plane, pitch, row + v, [&](std::int64_t column) {
                        return activated<kActivation>(normalised(load_pixel(column)));
                    });
                else
                    load_column<Element, Lanes>(plane, pitch, row + v, [&](std::int64_t column) {
                        return activated<kActivation>(load_pixel(column));
                    });
            };
            if (channels - v >= Lanes) {
                fill([&](std::int64_t column) {
                    const Element* pixel = pixels + column * source_pitch;
                    prefetch_next(pixel);
                    return load<Lanes>(pixel);
                });
                continue;
            }
            // All lanes at once, where there are so many elements up to the row's end, are faster than the
            // first.
            const std::int64_t end = (plane.columns - 1) * source_pitch + channels - v - Lanes;
            Sum ones[Lanes] = {};
            for (std::int64_t i = v; i < channels; ++i) ones[i - v] = 1;
            const auto inside = load<Lanes>(ones) != Vector<Sum, Lanes>{};
            fill([&](std::int64_t column) -> Vector<Sum, Lanes> {
                const Element* pixel = pixels + column * source_pitch;
                if (column * source_pitch > end) return load_first<Lanes>(pixel, channels - v);
                return inside ? load<Lanes>(pixel) : Vector<Sum, Lanes>{};
            });
        }
    });
}

template <typename Element, int Lanes>
void store_row(const void* row, std::int64_t count, std::int64_t pitch, std::int64_t channels, void* target,
               std::int64_t target_pitch, const void* pivot, void* sums, void* squares) {
    using Sum = SumOf<Element>;
    for (std::int64_t v = 0; v < pitch; v += Lanes) {
        const Sum* values = static_cast<const Sum*>(row) + v;
        Element* elements = static_cast<Element*>(target) + (target == nullptr ? 0 : v);
        if (target != nullptr && channels - v >= Lanes)
            for (std::int64_t j = 0; j < count; ++j)
                store<Lanes>(load<Lanes>(values + j * pitch), elements + j * target_pitch);
        else if (target != nullptr)
            for (std::int64_t j = 0; j < count; ++j)
                store_first<Lanes>(load<Lanes>(values + j * pitch), elements + j * target_pitch,
                                   channels - v);
        if (sums == nullptr) continue;
        const auto centre = load<Lanes>(static_cast<const Sum*>(pivot) + v);
        PixelSum<Lanes, Sum> sum, square;
        for_pixels<kChains>(0, count, [&](auto run, std::int64_t j) {
            EFFNAS_UNROLL
            for (int p = 0; p < run.value; ++p) {
                const auto value = load<Lanes>(values + (j + p) * pitch) - centre;
                sum.parts[p] += value;
                square.parts[p] += value * value;
            }
        });
        sum.add_to(static_cast<Sum*>(sums) + v);
        square.add_to(static_cast<Sum*>(squares) + v);
    }
}

template <typename Sum, int Lanes>
void prologue_gradient_row(const void* gradient, const PlaneRow& plane, const void* values,
                           const Prologue& prologue, std::int64_t pitch, void* target, bool add, void* sums,
                           void* products) {
    with_activation(prologue.activation, [&](auto activation) {
        constexpr Activation kActivation = decltype(activation)::value;
        for (std::int64_t v = 0; v < pitch; v += Lanes) {
            const Normalisation<Lanes, Sum> normalised(prologue, v);
            const Sum* of_residue = static_cast<const Sum*>(gradient) + v;
            PixelSum<Lanes, Sum> sum, product;
            for (std::int64_t residue = 0; residue < plane.residues; ++residue) {
                const ResiduePixels pixels(plane, residue);
                const std::int64_t step = plane.residues * pitch;
                const Sum* source = of_residue + pixels.begin * pitch;
                const Sum* value_pixels = static_cast<const Sum*>(values) + pixels.column * pitch + v;
                Sum* target_pixels = static_cast<Sum*>(target) + pixels.column * pitch + v;
                for_pixels<kChains>(0, pixels.end - pixels.begin, [&](auto run, std::int64_t j) {
                    EFFNAS_UNROLL
                    for (int p = 0; p < run.value; ++p) {
                        prefetch_next(value_pixels + (j + p) * step);
                        const auto value = load<Lanes>(value_pixels + (j + p) * step);
                        const auto through = load<Lanes>(source + (j + p) * pitch);
                        Sum* pixel = target_pixels + (j + p) * step;
                        auto result = activation_gradient<kActivation>(
                            prologue.scale != nullptr ? normalised(value) : value, through);
                        if (add) result += load<Lanes>(pixel);
                        store<Lanes>(result, pixel);
                        if (sums == nullptr) continue;
                        sum.parts[p] += result;
                        product.parts[p] += result * normalised.centred(value);
                    }
                });
                of_residue += plane.residue_pitch * pitch;
            }
            if (sums == nullptr) continue;
            sum.add_to(static_cast<Sum*>(sums) + v);
            product.add_to(static_cast<Sum*>(products) + v);
        }
    });
}

}  // namespace
}  // namespace efficient_nas::ops
