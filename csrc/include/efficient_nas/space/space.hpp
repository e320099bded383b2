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
    std::string name{};
    std::vector<std::string> options{};
    OptionSet allowed{};
    std::vector<Condition> conditions{};
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

#include "efficient_nas/space/space_compile.hpp"
