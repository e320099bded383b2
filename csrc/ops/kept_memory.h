#pragma once

#include <cstddef>

#include "aligned_memory.h"

namespace efficient_nas::ops {

// Bytes aligned to 64 for the time of a call, not initialised; at its end they are kept for the next one, up
// to a limit for the process. Fresh pages would have to be cleared by the system at every call, which costs
// as much as using them. Throws std::bad_alloc.
class KeptMemory {
  public:
    KeptMemory() = default;
    explicit KeptMemory(std::size_t bytes);
    KeptMemory(KeptMemory&& other) noexcept;
    KeptMemory& operator=(KeptMemory&& other) noexcept;
    ~KeptMemory();
    void* data() const { return block_.data(); }

  private:
    AlignedMemory block_;
    std::size_t bytes_ = 0;
};

}  // namespace efficient_nas::ops
