// Rows of fixed width that only grow, in chunks that never move: appending needs no second copy of them all.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace efficient_nas {

template <typename T>
class ChunkedRows {
  public:
    explicit ChunkedRows(std::size_t width) : width_(width) {}

    std::size_t size() const { return size_; }
    std::size_t width() const { return width_; }

    const T* operator[](std::size_t row) const { return chunks_[row / kRows].get() + row % kRows * width_; }

    // rows [n, width].
    void append(const T* rows, std::size_t n) {
        while (n > 0) {
            const std::size_t used = size_ % kRows;
            if (used == 0) chunks_.push_back(std::make_unique_for_overwrite<T[]>(kRows * width_));
            const std::size_t count = std::min(n, kRows - used);
            std::copy_n(rows, count * width_, chunks_.back().get() + used * width_);
            rows += count * width_;
            size_ += count;
            n -= count;
        }
    }

    // A new last row, to be written by the caller.
    T* append() {
        if (size_ % kRows == 0) chunks_.push_back(std::make_unique_for_overwrite<T[]>(kRows * width_));
        return chunks_.back().get() + size_++ % kRows * width_;
    }

    // out [n, width]: the first n rows.
    void copy_to(T* out, std::size_t n) const {
        for (std::size_t chunk = 0; n > 0; ++chunk) {
            const std::size_t count = std::min(n, kRows);
            out = std::copy_n(chunks_[chunk].get(), count * width_, out);
            n -= count;
        }
    }

  private:
    static constexpr std::size_t kRows = 4096;

    std::size_t width_, size_ = 0;
    std::vector<std::unique_ptr<T[]>> chunks_;
};

}  // namespace efficient_nas
