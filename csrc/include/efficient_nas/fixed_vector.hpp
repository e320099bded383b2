// A vector with room for a fixed number of trivial elements and no heap; what is not used is not initialised.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <stdexcept>
#include <type_traits>

namespace efficient_nas {

template <class T, std::size_t Capacity>
class FixedVector {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    using value_type = T;

    FixedVector() : size_(0) {}
    FixedVector(const FixedVector& other) : size_(other.size_) { std::copy_n(other.data(), size_, data()); }
    FixedVector& operator=(const FixedVector& other) {
        size_ = other.size_;
        std::copy_n(other.data(), size_, data());
        return *this;
    }

    // Elements beyond the old size hold anything.
    void resize(std::size_t size) {
        if (size > Capacity) throw std::length_error("graph too large for its fixed-size storage");
        size_ = size;
    }
    void push_back(const T& value) {
        resize(size_ + 1);
        elements_[size_ - 1] = value;
    }
    void pop_back() { --size_; }
    void clear() { size_ = 0; }

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    T* data() { return elements_.data(); }
    const T* data() const { return elements_.data(); }
    T* begin() { return data(); }
    T* end() { return data() + size_; }
    const T* begin() const { return data(); }
    const T* end() const { return data() + size_; }
    T& operator[](std::size_t i) { return elements_[i]; }
    const T& operator[](std::size_t i) const { return elements_[i]; }
    T& back() { return elements_[size_ - 1]; }
    const T& back() const { return elements_[size_ - 1]; }

  private:
    std::size_t size_;
    std::array<T, Capacity> elements_;
};

}  // namespace efficient_nas
