// How a SpaceSpec is made: checks of the description, then the tables that the other members read.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/space/space.hpp"

namespace efficient_nas {

inline SpaceSpec::SpaceSpec(std::vector<ChoiceSpec> choices,
                            const std::vector<std::pair<std::size_t, std::size_t>>& ordered)
    : choices_(std::move(choices)) {
    check(ordered);
    compile_units(ordered);
    compile_columns();
    if (!has_conditions()) compile_blocks();
}

inline void SpaceSpec::check(const std::vector<std::pair<std::size_t, std::size_t>>& ordered) const {
    if (choices_.empty()) throw std::invalid_argument("space: at least one choice is needed");
    for (std::size_t c = 0; c < choices_.size(); ++c) {
        const ChoiceSpec& choice = choices_[c];
        const std::string where = "space: choice " + choice.name + ": ";
        const std::size_t n = choice.options.size();
        if (n == 0 || n > kMaxOptions)
            throw std::invalid_argument(where + "needs 1 to 255 options, got " + std::to_string(n));
        if (choice.allowed.none()) throw std::invalid_argument(where + "no option is allowed");
        if ((choice.allowed >> n).any())
            throw std::invalid_argument(where + "an allowed option does not exist");
        for (const Condition& condition : choice.conditions)
            if (condition.parent >= c)
                throw std::invalid_argument(where + "depends on a choice that is not before it");
    }
    std::vector<bool> paired(choices_.size(), false);
    for (const auto& [first, second] : ordered) {
        if (first >= choices_.size() || second >= choices_.size())
            throw std::invalid_argument("space: an ordered pair names a choice that does not exist");
        const ChoiceSpec &a = choices_[first], &b = choices_[second];
        const std::string where = "space: ordered pair " + a.name + ", " + b.name + ": ";
        if (first >= second) throw std::invalid_argument(where + "the first must come before the second");
        if (paired[first] || paired[second]) throw std::invalid_argument(where + "a choice is in two pairs");
        paired[first] = paired[second] = true;
        const auto same = [](const Condition& x, const Condition& y) {
            return x.parent == y.parent && x.options == y.options;
        };
        if (a.options != b.options) throw std::invalid_argument(where + "the options differ");
        if (!std::equal(a.conditions.begin(), a.conditions.end(), b.conditions.begin(), b.conditions.end(),
                        same))
            throw std::invalid_argument(where + "the conditions differ");
    }
}

inline void SpaceSpec::compile_units(const std::vector<std::pair<std::size_t, std::size_t>>& ordered) {
    std::vector<std::size_t> partner(choices_.size());
    for (std::size_t c = 0; c < partner.size(); ++c) partner[c] = c;
    for (const auto& [first, second] : ordered) partner[first] = second, partner[second] = first;
    columns_.resize(choices_.size());
    for (std::size_t c = 0; c < choices_.size(); ++c) {
        columns_[c].partner = partner[c];
        if (partner[c] < c) continue;  // belongs to the unit of its partner
        const OptionSet &first = choices_[c].allowed, &second = choices_[partner[c]].allowed;
        const std::size_t offset = unit_values_.size(), n = cardinality(c);
        for (std::size_t a = 0; a < n; ++a) {
            if (!first[a]) continue;
            if (partner[c] == c) {
                unit_values_.push_back({static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(a)});
                continue;
            }
            for (std::size_t b = a + 1; b < n; ++b)
                if (second[b])
                    unit_values_.push_back({static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b)});
        }
        if (unit_values_.size() == offset)
            throw std::invalid_argument("space: ordered pair " + choices_[c].name + ", " +
                                        choices_[partner[c]].name + ": no increasing options are allowed");
        units_.push_back({c, partner[c], offset, static_cast<std::uint32_t>(unit_values_.size() - offset)});
        if (!choices_[c].conditions.empty()) conditional_units_.push_back(units_.back());
        if (partner[c] != c) pairs_.emplace_back(c, partner[c]);
    }
}

inline void SpaceSpec::compile_columns() {
    for (std::size_t c = 0; c < choices_.size(); ++c) {
        const std::size_t n = cardinality(c);
        Column& column = columns_[c];
        column.options = options_.size();
        column.ranges = ranges_.size();
        std::uint8_t rank = 0;
        for (std::size_t v = 0; v < n; ++v) {  // ranks_[v]: how many allowed options are below v
            ranks_.push_back(rank);
            allowed_.push_back(choices_[c].allowed[v]);
            if (choices_[c].allowed[v]) options_.push_back(static_cast<std::uint8_t>(v)), ++rank;
        }
        last_.push_back(options_.back());
        has_holes_ |= static_cast<std::size_t>(rank) != last_.back() + 1u;
        for (std::size_t v = 0; v < n; ++v) {  // v: the partner's value
            const std::uint8_t below = ranks_[column.ranges + v];
            const std::uint8_t up_to = static_cast<std::uint8_t>(below + choices_[c].allowed[v]);
            if (column.partner > c)
                ranges_.push_back({0, below});
            else
                ranges_.push_back({column.partner < c ? up_to : std::uint8_t{0}, rank});
        }
    }
    for (const Unit& unit : units_) {
        if (unit.count < 2) continue;
        movable_.push_back(static_cast<std::uint32_t>(unit.first));
        if (unit.second != unit.first) movable_.push_back(static_cast<std::uint32_t>(unit.second));
    }
    std::sort(movable_.begin(), movable_.end());
    for (const Unit& unit : units_)
        always_movable_ +=
            unit.first == unit.second && unit.count > 1 && choices_[unit.first].conditions.empty();
    first_dependent_.assign(choices_.size(), conditional_units_.size());
    for (std::size_t u = conditional_units_.size(); u-- > 0;)
        for (const Condition& condition : choices_[conditional_units_[u].first].conditions)
            first_dependent_[condition.parent] = u;
}

inline void SpaceSpec::compile_blocks() {
    for (std::size_t begin = 0; begin < choices_.size();) {
        std::size_t end = std::min(begin + Block::kWidth, choices_.size());
        while (end > begin && !add_block(begin, end)) --end;
        if (end == begin) {
            blocks_.clear();
            block_rows_.clear();
            return;
        }
        begin = end;
    }
}

// Lists the rows of the columns [begin, end) unless a pair crosses the border or they are too many.
inline bool SpaceSpec::add_block(std::size_t begin, std::size_t end) {
    std::vector<Unit> inside;
    std::size_t rows = 1;
    for (const Unit& unit : units_) {
        const bool first = unit.first >= begin && unit.first < end,
                   second = unit.second >= begin && unit.second < end;
        if (first != second) return false;
        if (!first) continue;
        inside.push_back(unit);
        rows *= unit.count;
        if (rows > Block::kMaxRows) return false;
    }
    blocks_.push_back({end - begin, static_cast<std::uint32_t>(rows), block_rows_.size()});
    for (std::size_t index = 0; index < rows; ++index) {
        std::array<std::uint8_t, Block::kWidth> row{};
        std::size_t rest = index;
        for (const Unit& unit : inside) {
            const std::array<std::uint8_t, 2>& value = unit_values_[unit.offset + rest % unit.count];
            row[unit.first - begin] = value[0];
            row[unit.second - begin] = value[1];
            rest /= unit.count;
        }
        block_rows_.push_back(row);
    }
    return true;
}

}  // namespace efficient_nas
