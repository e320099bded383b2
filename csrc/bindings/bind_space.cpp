#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string_view>

#include "bindings.h"
#include "checks.h"
#include "efficient_nas/space/space.hpp"
#include "efficient_nas/space/space_enumeration.hpp"
#include "efficient_nas/space/space_sampling.hpp"
#include "efficient_nas/space/space_variation.hpp"
#include "genotypes.h"

namespace nas = efficient_nas;

namespace {

using Indices = std::vector<std::size_t>;
using Conditions = std::vector<std::pair<std::size_t, Indices>>;

nas::OptionSet option_set(const Indices& options) {
    nas::OptionSet set;
    for (const std::size_t option : options) {
        if (option >= nas::kMaxOptions) throw std::invalid_argument("space: more than 255 options");
        set.set(option);
    }
    return set;
}

nas::SpaceSpec make_spec(const std::vector<std::string>& names,
                         const std::vector<std::vector<std::string>>& options,
                         const std::vector<Indices>& allowed, const std::vector<Conditions>& conditions,
                         const std::vector<std::pair<std::size_t, std::size_t>>& ordered) {
    if (options.size() != names.size() || allowed.size() != names.size() || conditions.size() != names.size())
        throw std::invalid_argument(
            "space: names, options, allowed and conditions must have one entry a choice");
    std::vector<nas::ChoiceSpec> choices;
    for (std::size_t c = 0; c < names.size(); ++c) {
        nas::ChoiceSpec choice{names[c], options[c], option_set(allowed[c]), {}};
        for (const auto& [parent, values] : conditions[c])
            choice.conditions.push_back({parent, option_set(values)});
        choices.push_back(std::move(choice));
    }
    return nas::SpaceSpec(std::move(choices), ordered);
}

// The GIL is worth releasing only for long work.
template <typename Work>
void run_long(std::size_t rows, const Work& work) {
    constexpr std::size_t kLong = 256;
    std::optional<nb::gil_scoped_release> released;
    if (rows >= kLong) released.emplace();
    work();
}

OutputArray<std::uint8_t> sample(const nas::SpaceSpec& space, nb::handle n, nb::handle seed) {
    const std::size_t rows = count_argument("sample: n", n, 0);
    const std::uint64_t key = seed_argument("sample", seed);
    auto out = empty_array<std::uint8_t>({rows, space.num_choices()});
    run_long(rows, [&] { nas::sample(space, key, rows, out.data()); });
    return out;
}

OutputArray<std::uint8_t> mutate(const nas::SpaceSpec& space, nb::handle genotypes, nb::handle seed,
                                 nb::handle mutations) {
    const auto rows = genotype_batch("mutate: genotypes", genotypes, space.num_choices());
    const std::uint64_t key = seed_argument("mutate", seed);
    const std::size_t count = count_argument("mutate: mutations", mutations, 1), n = rows.shape(0);
    auto out = empty_array<std::uint8_t>({n, space.num_choices()});
    run_long(n, [&] { nas::mutate(space, rows.data(), key, count, n, out.data()); });
    return out;
}

OutputArray<std::uint8_t> repair(const nas::SpaceSpec& space, nb::handle genotypes, nb::handle seed) {
    const auto rows = genotype_batch("repair: genotypes", genotypes, space.num_choices());
    const std::uint64_t key = seed_argument("repair", seed);
    auto out = empty_array<std::uint8_t>({rows.shape(0), space.num_choices()});
    run_long(rows.shape(0), [&] { nas::repair(space, rows.data(), key, rows.shape(0), out.data()); });
    return out;
}

OutputArray<std::uint8_t> crossover(const nas::SpaceSpec& space, nb::handle a, nb::handle b,
                                    nb::handle seed) {
    const auto first = genotype_batch("crossover: a", a, space.num_choices());
    const auto second = genotype_batch("crossover: b", b, space.num_choices());
    const std::uint64_t key = seed_argument("crossover", seed);
    const std::size_t n = first.shape(0);
    if (second.shape(0) != n)
        throw std::invalid_argument("crossover: a and b must have the same number of rows, got " +
                                    std::to_string(n) + " and " + std::to_string(second.shape(0)));
    auto out = empty_array<std::uint8_t>({n, space.num_choices()});
    run_long(n, [&] { nas::crossover(space, first.data(), second.data(), key, n, out.data()); });
    return out;
}

// Writes one result of `width` entries for each row: work(row, result).
template <typename T, typename Work>
OutputArray<T> for_each_row(const InputArray<std::uint8_t, 2>& rows, std::size_t width, const Work& work) {
    const std::size_t n = rows.shape(0), columns = rows.shape(1);
    auto out = empty_array<T>({n, width});
    run_long(n, [&] {
        for (std::size_t i = 0; i < n; ++i) work(rows.data() + i * columns, out.data() + i * width);
    });
    return out;
}

OutputArray<bool> validate(const nas::SpaceSpec& space, nb::handle genotypes) {
    const auto rows = genotype_batch("validate: genotypes", genotypes, space.num_choices());
    const std::size_t n = rows.shape(0), columns = space.num_choices();
    auto out = empty_array<bool>({n});
    std::vector<std::uint8_t> activity(columns);
    run_long(n, [&] {
        for (std::size_t i = 0; i < n; ++i)
            out.data()[i] = space.valid(rows.data() + i * columns, activity.data());
    });
    return out;
}

void require_valid(const nas::SpaceSpec& space, nb::handle genotypes, const std::string& where) {
    const std::string argument = where + ": genotypes";
    const auto rows = genotype_batch(argument.c_str(), genotypes, space.num_choices());
    std::vector<std::uint8_t> activity(space.num_choices());
    run_long(rows.shape(0), [&] {
        for (std::size_t i = 0; i < rows.shape(0); ++i)
            nas::require_valid(space, argument.c_str(), rows.data() + i * space.num_choices(), i,
                               activity.data());
    });
}

std::optional<std::string> why_invalid(const nas::SpaceSpec& space, nb::handle genotype) {
    return space.why_invalid(genotype_row("why_invalid: genotype", genotype, space.num_choices()).data());
}

OutputArray<std::uint8_t> neighbours(const nas::SpaceSpec& space, nb::handle genotype) {
    const auto row = genotype_row("neighbours: genotype", genotype, space.num_choices());
    if (const auto reason = space.why_invalid(row.data()))
        throw std::invalid_argument("neighbours: genotype is not valid: " + *reason);
    std::vector<std::uint8_t> out = nas::neighbours(space, row.data());
    const std::size_t n = out.size() / space.num_choices();
    return make_array(std::move(out), {n, space.num_choices()});
}

OutputArray<std::uint8_t> enumerate(const nas::SpaceSpec& space, nb::handle limit) {
    const std::size_t most = count_argument("enumerate: limit", limit, 1);
    std::vector<std::uint8_t> out;
    run_long(most, [&] { out = nas::enumerate(space, most); });
    const std::size_t n = out.size() / space.num_choices();
    return make_array(std::move(out), {n, space.num_choices()});
}

OutputArray<bool> active(const nas::SpaceSpec& space, nb::handle genotypes) {
    const auto rows = genotype_batch("active: genotypes", genotypes, space.num_choices());
    std::vector<std::uint8_t> activity(space.num_choices());
    return for_each_row<bool>(rows, activity.size(), [&](const std::uint8_t* row, bool* out) {
        space.find_active(row, activity.data());
        std::copy(activity.begin(), activity.end(), out);
    });
}

OutputArray<bool> option_mask(const nas::SpaceSpec& space, nb::handle prefixes, nb::handle index) {
    const auto rows = genotype_batch("option_mask: prefixes", prefixes, space.num_choices());
    const std::size_t choice = count_argument("option_mask: index", index, 0);
    if (choice >= space.num_choices())
        throw std::invalid_argument("option_mask: index must be below " +
                                    std::to_string(space.num_choices()) + ", got " + std::to_string(choice));
    std::vector<std::uint8_t> activity(space.num_choices());
    return for_each_row<bool>(rows, space.cardinality(choice), [&](const std::uint8_t* row, bool* out) {
        nas::option_mask(space, row, choice, out, activity);
    });
}

OutputArray<float> one_hot(const nas::SpaceSpec& space, nb::handle genotypes) {
    require_valid(space, genotypes, "features");
    const auto rows = genotype_batch("features: genotypes", genotypes, space.num_choices());
    std::vector<std::uint8_t> activity(space.num_choices());
    std::size_t width = 0;
    for (std::size_t c = 0; c < space.num_choices(); ++c) width += space.cardinality(c);
    return for_each_row<float>(
        rows, width, [&](const std::uint8_t* row, float* out) { nas::one_hot(space, row, out, activity); });
}

std::vector<std::string_view> views_of(const std::vector<nb::bytes>& keys) {
    std::vector<std::string_view> views;
    views.reserve(keys.size());
    for (const nb::bytes& key : keys) views.emplace_back(key.c_str(), key.size());
    return views;
}

OutputArray<std::int64_t> first_occurrences(const std::vector<nb::bytes>& keys) {
    std::vector<std::int64_t> found = nas::first_occurrences(views_of(keys));
    const std::size_t n = found.size();
    return make_array(std::move(found), {n});
}

OutputArray<std::uint64_t> hash_keys(const std::vector<nb::bytes>& keys) {
    auto out = empty_array<std::uint64_t>({keys.size()});
    std::uint64_t* next = out.data();
    for (const std::string_view key : views_of(keys))
        *next++ = nas::hash_bytes(reinterpret_cast<const std::uint8_t*>(key.data()), key.size());
    return out;
}

}  // namespace

void export_space(nb::module_& module) {
    nb::class_<nas::SpaceSpec>(
        module, "SpaceSpec",
        "The compiled choices of a space; efficient_nas.spaces.Space documents the methods.")
        .def(
            "__init__",
            [](nas::SpaceSpec* self, const std::vector<std::string>& names,
               const std::vector<std::vector<std::string>>& options, const std::vector<Indices>& allowed,
               const std::vector<Conditions>& conditions,
               const std::vector<std::pair<std::size_t, std::size_t>>& ordered) {
                new (self) nas::SpaceSpec(make_spec(names, options, allowed, conditions, ordered));
            },
            nb::arg("names"), nb::arg("options"), nb::arg("allowed"), nb::arg("conditions"),
            nb::arg("ordered"))
        .def("sample", &sample, nb::arg("n").none(), nb::arg("seed").none())
        .def("mutate", &mutate, nb::arg("genotypes").none(), nb::arg("seed").none(),
             nb::arg("mutations").none())
        .def("crossover", &crossover, nb::arg("a").none(), nb::arg("b").none(), nb::arg("seed").none())
        .def("repair", &repair, nb::arg("genotypes").none(), nb::arg("seed").none())
        .def("validate", &validate, nb::arg("genotypes").none())
        .def("require_valid", &require_valid, nb::arg("genotypes").none(), nb::arg("where"))
        .def("why_invalid", &why_invalid, nb::arg("genotype").none())
        .def("neighbours", &neighbours, nb::arg("genotype").none())
        .def("enumerate", &enumerate, nb::arg("limit").none())
        .def("active", &active, nb::arg("genotypes").none())
        .def("option_mask", &option_mask, nb::arg("prefixes").none(), nb::arg("index").none())
        .def("one_hot", &one_hot, nb::arg("genotypes").none());
    module.def("first_occurrences", &first_occurrences, nb::arg("keys"),
               "Ascending indices of the first occurrence of each distinct byte string, int64 [m].");
    module.def("hash_keys", &hash_keys, nb::arg("keys"), "64-bit hash of each byte string, uint64 [n].");
}
