#include "kept_memory.h"

#include <mutex>
#include <utility>
#include <vector>

namespace efficient_nas::ops {
namespace {

constexpr std::size_t kMostKept = std::size_t{256} << 20;

struct Block {
    AlignedMemory memory;
    std::size_t bytes;
};

// Never destroyed: a call may end while the process does.
struct Pool {
    std::mutex mutex;
    std::vector<Block> blocks;  // oldest first
    std::size_t bytes = 0;
};

Pool& pool() {
    static Pool* const blocks = new Pool;
    return *blocks;
}

}  // namespace

KeptMemory::KeptMemory(std::size_t bytes) {
    {
        // Whoever finds the pool in use, a forked child perhaps for ever, goes without.
        Pool& kept = pool();
        const std::unique_lock<std::mutex> lock(kept.mutex, std::try_to_lock);
        if (lock.owns_lock()) {
            auto best = kept.blocks.end();
            for (auto block = kept.blocks.begin(); block != kept.blocks.end(); ++block)
                if (block->bytes >= bytes && block->bytes / 2 <= bytes &&
                    (best == kept.blocks.end() || block->bytes < best->bytes))
                    best = block;
            if (best != kept.blocks.end()) {
                block_ = std::move(best->memory);
                bytes_ = best->bytes;
                kept.bytes -= bytes_;
                kept.blocks.erase(best);
                return;
            }
        }
    }
    block_ = AlignedMemory(bytes);
    bytes_ = bytes;
}

KeptMemory::KeptMemory(KeptMemory&& other) noexcept { *this = std::move(other); }

KeptMemory& KeptMemory::operator=(KeptMemory&& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

KeptMemory::~KeptMemory() {
    if (bytes_ == 0 || bytes_ > kMostKept) return;
    Pool& kept = pool();
    const std::unique_lock<std::mutex> lock(kept.mutex, std::try_to_lock);
    if (!lock.owns_lock()) return;
    try {
        kept.blocks.push_back({std::move(block_), bytes_});
    } catch (const std::bad_alloc&) {
        return;
    }
    kept.bytes += bytes_;
    while (kept.bytes > kMostKept) {
        kept.bytes -= kept.blocks.front().bytes;
        kept.blocks.erase(kept.blocks.begin());
    }
}

}  // namespace efficient_nas::ops
