#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

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

// For vectors of numbers that kernels read: full lines of the cache, of which no register's worth lies on
// two.
template <typename T>
struct AlignedAllocator {
    using value_type = T;
    static constexpr std::align_val_t kAlignment{64};
    AlignedAllocator() = default;
    template <typename Other>
    AlignedAllocator(const AlignedAllocator<Other>&) {}
    T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kAlignment)); }
    void deallocate(T* memory, std::size_t) { ::operator delete(memory, kAlignment); }
    bool operator==(const AlignedAllocator&) const { return true; }
};
template <typename T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace efficient_nas::ops
