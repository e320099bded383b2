// What the costs of a network made of cells or layers are summed from; filled in by whoever knows the
// network.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "efficient_nas/checked.hpp"

namespace efficient_nas {

// One operation at one resolution. peak_bytes: allocated while it runs (NodeCost in steps.hpp).
struct OperationCost {
    std::int64_t macs = 0, params = 0, peak_bytes = 0;
};

// A whole network for one image.
struct NetworkCost {
    std::int64_t macs = 0, params = 0, peak_bytes = 0;
};

// Costs of the networks of one space on one kind of image. Calls may run in several threads at once.
class CostTables {
  public:
    virtual ~CostTables() = default;

    virtual std::size_t num_choices() const = 0;
    // Whether `cost` can take the row; less than being a genotype of the space.
    virtual bool accepts(const std::uint8_t* row) const = 0;
    virtual NetworkCost cost(const std::uint8_t* row) const = 0;
};

// Refuses tables that hold negative numbers or whose sums could leave 64 bits, so that sums over them need no
// checks of their own.
class CostBound {
  public:
    // Counts the most expensive of `choices` (OperationCost or NetworkCost) `times` times.
    template <typename Choices>
    void add(const Choices& choices, std::int64_t times) {
        std::int64_t largest = 0;
        for (const auto& choice : choices)
            for (const std::int64_t value : {choice.macs, choice.params, choice.peak_bytes})
                largest = std::max(largest, checked(value));
        add_bytes(checked_mul(largest, checked(times)));
    }

    void add_bytes(std::int64_t bytes) { total_ = checked_add(total_, checked(bytes)); }

  private:
    static std::int64_t checked(std::int64_t value) {
        if (value < 0) throw std::invalid_argument("costs must not be negative");
        return value;
    }

    std::int64_t total_ = 0;
};

}  // namespace efficient_nas
