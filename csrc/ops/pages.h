#pragma once

#include <cstddef>
#include <memory>

namespace efficient_nas::ops {

// Memory from the system, aligned to 64, not initialised. Where the system has huge pages, 2 MiB and more
// consist of them: a walk over 4 KiB pages is a fifth slower, and what the allocator gives out again has been
// cut into those. Throws std::bad_alloc.
class Pages {
  public:
    Pages() = default;
    explicit Pages(std::size_t bytes);
    void* data() const { return memory_.get(); }
    std::size_t bytes() const { return memory_.get_deleter().bytes; }

  private:
    struct Free {
        std::size_t bytes;
        void operator()(std::byte* memory) const;
    };
    std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace efficient_nas::ops
