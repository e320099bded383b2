// Points in a few dimensions, two of them in each vector register (GCC's vector extension, which clang
// shares).
#pragma once

#include <array>
#include <cstddef>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace efficient_nas::detail {

typedef double DoublePair __attribute__((vector_size(16)));

// A point in M dimensions. If M is odd, one more coordinate fills the last pair; whoever makes the corners of
// boxes keeps it at 0 in low and at 1 in high ones.
template <std::size_t M>
class Corner {
  public:
    static constexpr std::size_t kPairs = (M + 1) / 2;
    static constexpr unsigned kAll = (1u << 2 * kPairs) - 1;  // the mask in which every coordinate is set

    static Corner filled(double value) {
        Corner corner;
        for (DoublePair& pair : corner.pairs_) pair = DoublePair{value, value};
        return corner;
    }

    double operator[](std::size_t k) const { return pairs_[k / 2][k % 2]; }
    void set(std::size_t k, double value) { pairs_[k / 2][k % 2] = value; }

    // Coordinate by coordinate.
    friend Corner smaller(const Corner& a, const Corner& b) {
        Corner least;
        for (std::size_t p = 0; p < kPairs; ++p) {
#ifdef __SSE2__
            least.pairs_[p] = _mm_min_pd(a.pairs_[p], b.pairs_[p]);
#else
            least.pairs_[p] = a.pairs_[p] < b.pairs_[p] ? a.pairs_[p] : b.pairs_[p];
#endif
        }
        return least;
    }

    // Bit k is set where a is less than b in coordinate k.
    friend unsigned less_mask(const Corner& a, const Corner& b) {
        unsigned mask = 0;
        for (std::size_t p = 0; p < kPairs; ++p) {
            const auto less = a.pairs_[p] < b.pairs_[p];
#ifdef __SSE2__
            const auto bits = static_cast<unsigned>(_mm_movemask_pd(reinterpret_cast<__m128d>(less)));
#else
            const unsigned bits = (less[0] != 0 ? 1u : 0u) | (less[1] != 0 ? 2u : 0u);
#endif
            mask |= bits << 2 * p;
        }
        return mask;
    }

    friend double volume_between(const Corner& low, const Corner& high) {
        DoublePair product = high.pairs_[0] - low.pairs_[0];
        for (std::size_t p = 1; p < kPairs; ++p) product *= high.pairs_[p] - low.pairs_[p];
        return product[0] * product[1];
    }

  private:
    std::array<DoublePair, kPairs> pairs_;
};

}  // namespace efficient_nas::detail
