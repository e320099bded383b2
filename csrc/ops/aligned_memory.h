#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace efficient_nas::ops {

// Bytes aligned to 64, not initialised. Throws std::bad_alloc.
class AlignedMemory {
  public:
    AlignedMemory() = default;
    explicit AlignedMemory(std::size_t bytes)
        : memory_(static_cast<std::byte*>(::operator new(bytes, kAlignment))) {}
    void* data() const { return memory_.get(); }

  private:
    static constexpr std::align_val_t kAlignment{64};
    struct Free {
        void operator()(std::byte* memory) const { ::operator delete(memory, kAlignment); }
    };
    std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace efficient_nas::ops
