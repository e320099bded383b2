#include "pages.h"

#include <cstdint>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace efficient_nas::ops {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr std::size_t kHugePage = std::size_t{2} << 20;

constexpr std::size_t rounded_up(std::size_t number, std::size_t step) {
    return (number + step - 1) / step * step;
}

#if defined(__linux__) && defined(MADV_HUGEPAGE)
constexpr bool kHasHugePages = true;

// A mapping of its own, of which what stands out before and behind the huge pages is given back.
std::byte* map_huge(std::size_t bytes) {
    if (bytes > SIZE_MAX - kHugePage) throw std::bad_alloc();
    void* const mapped =
        mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    auto* const begin = static_cast<std::byte*>(mapped);
    const std::size_t before = rounded_up(reinterpret_cast<std::uintptr_t>(begin), kHugePage) -
                               reinterpret_cast<std::uintptr_t>(begin);
    if (before > 0) munmap(begin, before);
    if (before < kHugePage) munmap(begin + before + bytes, kHugePage - before);
    madvise(begin + before, bytes, MADV_HUGEPAGE);  // a wish: it may be refused
    return begin + before;
}

void unmap(std::byte* memory, std::size_t bytes) { munmap(memory, bytes); }
#else
constexpr bool kHasHugePages = false;
std::byte* map_huge(std::size_t) { throw std::bad_alloc(); }
void unmap(std::byte*, std::size_t) {}
#endif

bool are_mapped(std::size_t bytes) { return kHasHugePages && bytes >= kHugePage; }

}  // namespace

Pages::Pages(std::size_t bytes) {
    if (are_mapped(bytes)) {
        const std::size_t whole = rounded_up(bytes, kHugePage);
        memory_ = {map_huge(whole), Free{whole}};
    } else
        memory_ = {static_cast<std::byte*>(::operator new(bytes, kAlignment)), Free{bytes}};
}

void Pages::Free::operator()(std::byte* memory) const {
    if (are_mapped(bytes))
        unmap(memory, bytes);
    else
        ::operator delete(memory, kAlignment);
}

}  // namespace efficient_nas::ops
