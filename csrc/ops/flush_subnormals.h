#pragma once

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace efficient_nas::ops {

// While it lives, subnormal operands and results of this thread's float32 arithmetic are zero on x86, if
// `wanted`. They make a multiplication 100 times as slow (docs/design/cpu-kernels.md), and gradients that
// vanish are full of them.
class FlushSubnormals {
  public:
#if defined(__SSE__)
    explicit FlushSubnormals(bool wanted) : before_(_mm_getcsr()) {
        if (wanted) _mm_setcsr(before_ | kFlushToZero | kSubnormalsAreZero);
    }
    ~FlushSubnormals() { _mm_setcsr(before_); }
#else
    explicit FlushSubnormals(bool) {}
#endif
    FlushSubnormals(const FlushSubnormals&) = delete;
    FlushSubnormals& operator=(const FlushSubnormals&) = delete;

#if defined(__SSE__)
  private:
    static constexpr unsigned kFlushToZero = 0x8000, kSubnormalsAreZero = 0x0040;
    unsigned before_;
#endif
};

}  // namespace efficient_nas::ops
