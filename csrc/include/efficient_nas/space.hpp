// A search space as native code sees it: choices with conditions, stage masks and ordered pairs.
//
// A genotype is a row of option indices, one uint8 for each choice. A choice is active when all of its
// conditions hold: the parent (an earlier choice) is active and holds one of the listed options. Inactive
// choices hold 0. The two choices of an ordered pair hold strictly increasing options, e.g. the two distinct
// predecessors of a DARTS node. Every allowed prefix can be completed, so nothing here ever backtracks.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace efficient_nas {

constexpr std::size_t kMaxOptions = 255;
using OptionSet = std::bitset<kMaxOptions + 1>;

struct Condition {
    std::size_t parent;
    OptionSet options;
};

struct ChoiceSpec {
    std::string name;
    std::vector<std::string> options;
    OptionSet allowed;
    std::vector<Condition> conditions;
};

// What is drawn at once: a single choice (first == second) or an ordered pair.
struct Unit {
    std::size_t first, second;
    std::size_t offset;   // into SpaceSpec::unit_values
    std::uint32_t count;  // number of allowed values
};

// A run of neighbouring columns whose allowed values are all listed, so that one draw fills it.
struct Block {
    static constexpr std::size_t kWidth = 8;       // bytes of a listed row
    static constexpr std::size_t kMaxRows = 1024;  // 8 KiB: a few blocks stay in the first-level cache
    std::size_t width;
    std::uint32_t count;
    std::size_t offset;  // into SpaceSpec::block_rows
};

class SpaceSpec {
  public:
    SpaceSpec(std::vector<ChoiceSpec> choices,
              const std::vector<std::pair<std::size_t, std::size_t>>& ordered);

    std::size_t num_choices() const { return choices_.size(); }
    const std::vector<ChoiceSpec>& choices() const { return choices_; }
    std::size_t cardinality(std::size_t choice) const { return choices_[choice].options.size(); }
    // The other choice of an ordered pair, or the choice itself.
    std::size_t partner(std::size_t choice) const { return columns_[choice].partner; }
    bool has_conditions() const { return !conditional_units_.empty(); }

    // Units in the order of their first column; those whose activity can change; whether any exist.
    const std::vector<Unit>& units() const { return units_; }
    const std::vector<Unit>& conditional_units() const { return conditional_units_; }
    // Blocks that cover all columns from left to right; empty when there are conditions or large pairs.
    const std::vector<Block>& blocks() const { return blocks_; }
    // Choices that some valid row could change; how many of them every valid row can change.
    const std::vector<std::uint32_t>& movable() const { return movable_; }
    std::size_t always_movable() const { return always_movable_; }
    // Index into conditional_units() of the first one that the choice can switch; their number if there is
    // none.
    std::size_t first_dependent(std::size_t choice) const { return first_dependent_[choice]; }

    bool active(std::size_t choice, const std::uint8_t* row, const std::uint8_t* activity) const {
        for (const Condition& condition : choices_[choice].conditions)
            if (!activity[condition.parent] || !condition.options[row[condition.parent]]) return false;
        return true;
    }

    // activity [num_choices]: 1 where the choice is active.
    void find_active(const std::uint8_t* row, std::uint8_t* activity) const {
        for (std::size_t c = 0; c < choices_.size(); ++c) activity[c] = active(c, row, activity);
    }

    // The allowed options of an active choice, given the other choices: ascending, `current` is the
    // index of the value that the row holds.
    struct Values {
        const std::uint8_t* begin;
        std::uint32_t count;
        std::uint32_t current;
    };
    Values values(std::size_t choice, const std::uint8_t* row) const {
        const Column& column = columns_[choice];
        const Range range = ranges_[column.ranges + row[column.partner]];
        return {options_.data() + column.options + range.begin,
                static_cast<std::uint32_t>(range.end - range.begin),
                static_cast<std::uint32_t>(ranks_[column.ranges + row[choice]] - range.begin)};
    }

    void set_unit(const Unit& unit, std::uint32_t index, std::uint8_t* row) const {
        const std::array<std::uint8_t, 2>& value = unit_values_[unit.offset + index];
        row[unit.first] = value[0];
        row[unit.second] = value[1];
    }

    const std::array<std::uint8_t, Block::kWidth>& block_row(const Block& block, std::uint32_t index) const {
        return block_rows_[block.offset + index];
    }

    // Scratch: activity [num_choices], filled when there are conditions.
    bool valid(const std::uint8_t* row, std::uint8_t* activity) const {
        const std::size_t n = choices_.size();
        if (has_conditions()) return valid_with_conditions(row, activity);
        std::uint8_t wrong = 0;  // no early exit, so that the loops can use vector instructions
        for (std::size_t c = 0; c < n; ++c) wrong |= static_cast<std::uint8_t>(row[c] > last_[c]);
        if (wrong) return false;
        if (has_holes_)
            for (std::size_t c = 0; c < n; ++c)
                wrong |= static_cast<std::uint8_t>(!allowed_[columns_[c].ranges + row[c]]);
        for (const auto& [first, second] : pairs_)
            wrong |= static_cast<std::uint8_t>(row[first] >= row[second]);
        return !wrong;
    }

    std::optional<std::string> why_invalid(const std::uint8_t* row) const;

  private:
    struct Range {
        std::uint8_t begin, end;
    };
    struct Column {
        std::size_t partner;  // the other choice of an ordered pair, or the choice itself
        std::size_t options;  // into options_
        std::size_t ranges;   // into ranges_ (by the partner's value), ranks_ and allowed_ (by the own value)
    };

    void check(const std::vector<std::pair<std::size_t, std::size_t>>& ordered) const;
    void compile_units(const std::vector<std::pair<std::size_t, std::size_t>>& ordered);
    void compile_columns();
    void compile_blocks();
    bool add_block(std::size_t begin, std::size_t end);

    bool valid_with_conditions(const std::uint8_t* row, std::uint8_t* activity) const {
        for (std::size_t c = 0; c < choices_.size(); ++c) {
            activity[c] = active(c, row, activity);
            if (row[c] > (activity[c] ? last_[c] : 0)) return false;
            if (has_holes_ && activity[c] && !allowed_[columns_[c].ranges + row[c]]) return false;
        }
        for (const auto& [first, second] : pairs_)
            if (activity[first] && row[first] >= row[second]) return false;
        return true;
    }

    std::vector<ChoiceSpec> choices_;
    std::vector<Unit> units_, conditional_units_;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs_;
    std::vector<std::array<std::uint8_t, 2>> unit_values_;
    std::vector<Column> columns_;
    std::vector<std::uint8_t> options_, ranks_, last_, allowed_;
    std::vector<Range> ranges_;
    std::vector<std::uint32_t> movable_;
    std::size_t always_movable_ = 0;
    std::vector<std::size_t> first_dependent_;
    std::vector<Block> blocks_;
    std::vector<std::array<std::uint8_t, Block::kWidth>> block_rows_;
    bool has_holes_ = false;  // some allowed set is not {0, ..., last}
};

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

inline std::optional<std::string> SpaceSpec::why_invalid(const std::uint8_t* row) const {
    std::vector<std::uint8_t> activity(choices_.size());
    for (std::size_t c = 0; c < choices_.size(); ++c) {
        const ChoiceSpec& choice = choices_[c];
        const std::string value = std::to_string(row[c]);
        activity[c] = active(c, row, activity.data());
        if (!activity[c]) {
            if (row[c] != 0) return choice.name + " is inactive and must hold 0, got " + value;
            continue;
        }
        if (!choice.allowed[row[c]]) {
            std::string listed;
            for (std::size_t v = 0; v < choice.options.size(); ++v)
                if (choice.allowed[v])
                    listed +=
                        (listed.empty() ? "" : ", ") + std::to_string(v) + " (" + choice.options[v] + ")";
            return choice.name + " must hold one of " + listed + ", got " + value;
        }
        const std::size_t partner = columns_[c].partner;
        if (partner < c && row[partner] >= row[c])
            return choice.name + " must hold more than " + choices_[partner].name + ", which holds " +
                   std::to_string(row[partner]) + ", got " + value;
    }
    return std::nullopt;
}

}  // namespace efficient_nas
