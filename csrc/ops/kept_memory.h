#pragma once

#include <cstddef>

#include "pages.h"

namespace efficient_nas::ops {

// Bytes aligned to 64, not initialised. When they are given back they are kept for the next one who asks, up
// to as many as this process has used at once (or 256 MiB, if that is more) and an eighth more, because
// blocks of one phase do not all suit the next: fresh pages would have to be cleared by the system at every
// call, which costs as much as using them. Throws std::bad_alloc.
class KeptMemory {
  public:
    KeptMemory() = default;
    explicit KeptMemory(std::size_t bytes);
    KeptMemory(KeptMemory&& other) noexcept = default;
    KeptMemory& operator=(KeptMemory&& other) noexcept;
    ~KeptMemory();
    void* data() const { return pages_.data(); }

  private:
    Pages pages_;
};

}  // namespace efficient_nas::ops
