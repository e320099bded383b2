// What a space contains, listed: neighbours, all genotypes, options that a prefix leaves, one-hot features.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "efficient_nas/rng.hpp"
#include "efficient_nas/space/space.hpp"

namespace efficient_nas {

// All rows that differ from the valid `row` in the value of exactly one active choice, by choice and then by
// option. Choices that become active take their first allowed option, those that become inactive 0.
// Returns [m, num_choices] flattened.
inline std::vector<std::uint8_t> neighbours(const SpaceSpec& space, const std::uint8_t* row) {
    const std::size_t columns = space.num_choices();
    std::vector<std::uint8_t> result, activity(columns), changed(columns);
    space.find_active(row, activity.data());
    for (std::size_t c = 0; c < columns; ++c) {
        if (!activity[c]) continue;
        const SpaceSpec::Values values = space.values(c, row);
        for (std::uint32_t v = 0; v < values.count; ++v) {
            if (v == values.current) continue;
            std::vector<std::uint8_t> next(row, row + columns);
            next[c] = values.begin[v];
            changed = activity;
            for (const Unit& unit : space.conditional_units()) {
                const bool now = space.active(unit.first, next.data(), changed.data());
                if (now && !changed[unit.first]) space.set_unit(unit, 0, next.data());
                if (!now) next[unit.first] = next[unit.second] = 0;
                changed[unit.first] = changed[unit.second] = now;
            }
            result.insert(result.end(), next.begin(), next.end());
        }
    }
    return result;
}

// Every valid row in lexicographic order of the units, flattened. Stops with std::length_error beyond `limit`
// rows.
inline std::vector<std::uint8_t> enumerate(const SpaceSpec& space, std::size_t limit) {
    const std::vector<Unit>& units = space.units();
    std::vector<std::uint8_t> result, row(space.num_choices()), activity(space.num_choices());
    std::vector<std::uint32_t> index(units.size());
    std::size_t rows = 0;
    const auto fill = [&](std::size_t from) {  // sets the units from `from` on, by index where active
        for (std::size_t u = from; u < units.size(); ++u) {
            const Unit& unit = units[u];
            const bool active = space.active(unit.first, row.data(), activity.data());
            activity[unit.first] = activity[unit.second] = active;
            if (active)
                space.set_unit(unit, index[u], row.data());
            else
                row[unit.first] = row[unit.second] = 0;
        }
    };
    for (fill(0);;) {
        if (++rows > limit)
            throw std::length_error("enumerate: the space has more than " + std::to_string(limit) +
                                    " genotypes");
        result.insert(result.end(), row.begin(), row.end());
        std::size_t u = units.size();
        while (u > 0 && (!activity[units[u - 1].first] || index[u - 1] + 1 == units[u - 1].count))
            index[--u] = 0;
        if (u == 0) return result;
        ++index[u - 1];
        fill(u - 1);
    }
}

// mask [cardinality]: the options of `choice` with which a row that starts with prefix [choice] can be
// completed; only option 0 when the choice is inactive. Throws when the prefix itself cannot be completed.
inline void option_mask(const SpaceSpec& space, const std::uint8_t* prefix, std::size_t choice, bool* mask,
                        std::vector<std::uint8_t>& activity) {
    const auto completable = [&](std::size_t c, std::size_t value) {
        if (!activity[c]) return value == 0;
        if (!space.choices()[c].allowed[value]) return false;
        const std::size_t partner = space.partner(c);
        if (partner < c) return prefix[partner] < value;
        return partner == c || (space.choices()[partner].allowed >> (value + 1)).any();
    };
    for (std::size_t c = 0; c <= choice; ++c) {
        activity[c] = space.active(c, prefix, activity.data());
        if (c < choice && !completable(c, prefix[c]))
            throw std::invalid_argument("option_mask: prefix: " + space.choices()[c].name + " cannot hold " +
                                        std::to_string(prefix[c]) + " here");
    }
    for (std::size_t v = 0; v < space.cardinality(choice); ++v) mask[v] = completable(choice, v);
}

// features [sum of cardinalities]: 1 at the value of each active choice, else 0.
inline void one_hot(const SpaceSpec& space, const std::uint8_t* row, float* features,
                    std::vector<std::uint8_t>& activity) {
    space.find_active(row, activity.data());
    for (std::size_t c = 0; c < space.num_choices(); ++c) {
        std::fill(features, features + space.cardinality(c), 0.0f);
        if (activity[c]) features[row[c]] = 1.0f;
        features += space.cardinality(c);
    }
}

// Indices of the first occurrence of each distinct key, ascending.
inline std::vector<std::int64_t> first_occurrences(const std::vector<std::string_view>& keys) {
    std::size_t slots = 16;
    while (slots < 2 * keys.size()) slots *= 2;
    std::vector<std::int64_t> table(slots, -1), result;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(keys[i].data());
        std::size_t slot = hash_bytes(bytes, keys[i].size()) & (slots - 1);
        while (table[slot] >= 0 && keys[static_cast<std::size_t>(table[slot])] != keys[i])
            slot = (slot + 1) & (slots - 1);
        if (table[slot] >= 0) continue;
        table[slot] = static_cast<std::int64_t>(i);
        result.push_back(table[slot]);
    }
    return result;
}

}  // namespace efficient_nas
