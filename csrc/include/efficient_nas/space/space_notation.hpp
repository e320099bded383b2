// The default text form of a genotype: `name=value` of each active choice, joined by commas.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "efficient_nas/messages.hpp"
#include "efficient_nas/space/space.hpp"
#include "efficient_nas/text.hpp"

namespace efficient_nas {

// The text of a valid genotype [num_choices].
inline std::string to_string(const SpaceSpec& space, const std::uint8_t* genotype) {
    std::vector<std::uint8_t> active(space.num_choices());
    space.find_active(genotype, active.data());
    std::string text;
    for (std::size_t c = 0; c < space.num_choices(); ++c) {
        const ChoiceSpec& choice = space.choices()[c];
        if (active[c]) text += (text.empty() ? "" : ",") + choice.name + "=" + choice.options[genotype[c]];
    }
    return text;
}

// The valid genotype [num_choices] that `to_string` wrote, its parts in any order. Throws
// std::invalid_argument that names the wrong part.
inline std::vector<std::uint8_t> from_string(const SpaceSpec& space, std::string_view text) {
    const std::vector<ChoiceSpec>& choices = space.choices();
    const auto fail = [](const std::string& message) {
        throw std::invalid_argument("from_string: " + message);
    };
    std::vector<std::string_view> names;
    for (const ChoiceSpec& choice : choices) names.push_back(choice.name);

    std::vector<std::uint8_t> genotype(choices.size(), 0), given(choices.size(), 0);
    for (const std::string_view part : split(text, ',')) {
        const std::size_t equals = part.find('=');
        if (equals == part.npos) fail("expected name=value, got " + quoted(part) + " in " + quoted(text));
        const std::string_view name = stripped(part.substr(0, equals)),
                               value = stripped(part.substr(equals + 1));
        const auto found = std::find(names.begin(), names.end(), name);
        if (found == names.end())
            fail("unknown choice " + quoted(name) + nearest(name, names) + "; choices: " + joined(names));
        const auto c = static_cast<std::size_t>(found - names.begin());
        if (given[c]) fail("choice " + choices[c].name + " is given twice");
        const std::vector<std::string>& options = choices[c].options;
        const auto option = std::find(options.begin(), options.end(), value);
        if (option == options.end())
            fail(choices[c].name + " cannot be " + quoted(value) + nearest(value, options) +
                 "; options: " + joined(options));
        given[c] = 1;
        genotype[c] = static_cast<std::uint8_t>(option - options.begin());
    }

    std::vector<std::uint8_t> active(choices.size());
    space.find_active(genotype.data(), active.data());
    for (std::size_t c = 0; c < choices.size(); ++c) {
        if (active[c] && !given[c]) fail("a value for choice " + choices[c].name + " is missing");
        if (!active[c] && given[c])
            fail("choice " + choices[c].name + " is inactive here and takes no value");
    }
    if (const auto reason = space.why_invalid(genotype.data())) fail("genotype is not valid: " + *reason);
    return genotype;
}

}  // namespace efficient_nas
