#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "checks.h"
#include "efficient_nas/evolution/islands.hpp"
#include "efficient_nas/evolution/local_search.hpp"
#include "efficient_nas/evolution/nsga2.hpp"
#include "efficient_nas/evolution/nsga3.hpp"
#include "efficient_nas/evolution/regularized_evolution.hpp"
#include "efficient_nas/kept_workers.hpp"
#include "genotypes.h"

namespace nas = efficient_nas;

namespace {

// The Python callable `keys`, uint8 [n, num_choices] -> list of n bytes, for native code without the GIL.
nas::CallbackKeys::Function key_function(nb::callable keys, std::size_t num_choices) {
    return [keys = std::move(keys), num_choices](const std::uint8_t* genotypes, std::size_t n) {
        nb::gil_scoped_acquire acquire;
        std::vector<std::uint8_t> rows(genotypes, genotypes + n * num_choices);
        const nb::object returned = keys(make_array(std::move(rows), {n, num_choices}));
        nas::KeyList list;
        for (const nb::handle key : returned) {
            nb::bytes bytes;
            if (!nb::try_cast(key, bytes))
                throw nb::type_error("evolution: canonical_bytes must return a list of bytes");
            list.push_back({reinterpret_cast<const std::uint8_t*>(bytes.c_str()), bytes.size()});
        }
        if (list.size() != n)
            throw std::invalid_argument("evolution: canonical_bytes must return " + std::to_string(n) +
                                        " keys, got " + std::to_string(list.size()));
        return list;
    };
}

// keys: a CanonicalForm, or a callable that makes the bytes of a batch.
std::unique_ptr<nas::ArchitectureKeys> make_keys(nb::handle keys, std::size_t num_choices) {
    std::shared_ptr<const nas::CanonicalForm> form;
    if (!nb::try_cast(keys, form))
        return std::make_unique<nas::CallbackKeys>(key_function(nb::cast<nb::callable>(keys), num_choices));
    if (form->num_choices() != num_choices)
        throw std::invalid_argument("evolution: the canonical form is for genotypes of " +
                                    std::to_string(form->num_choices()) + " choices, but the space has " +
                                    std::to_string(num_choices));
    return std::make_unique<nas::FormKeys>(std::move(form));
}

// An evolution that one call at a time may use: `ask` runs Python code and long work without the GIL, and
// another thread, or that Python code, must not find it half way.
class Search {
  public:
    explicit Search(std::unique_ptr<nas::Evolution> evolution) : evolution_(std::move(evolution)) {}

    class Use {
      public:
        explicit Use(Search& owner) : owner_(owner) {
            if (owner_.in_use_)
                throw std::runtime_error(
                    "evolution: the search is in use by another thread or its own callback");
            owner_.in_use_ = true;
        }
        ~Use() { owner_.in_use_ = false; }
        Use(const Use&) = delete;
        Use& operator=(const Use&) = delete;
        nas::Evolution* operator->() const { return owner_.evolution_.get(); }
        nas::Workers& workers(std::size_t threads) const { return owner_.workers_.get(threads); }

      private:
        Search& owner_;
    };

  private:
    std::unique_ptr<nas::Evolution> evolution_;
    nas::KeptWorkers workers_;
    bool in_use_ = false;  // read and written with the GIL held
};

OutputArray<std::uint8_t> ask(Search& self, nb::handle n, std::size_t threads) {
    const Search::Use search(self);
    const std::size_t rows = count_argument("evolution: batch", n, 1);
    const std::vector<std::uint8_t>* asked = nullptr;
    {
        nb::gil_scoped_release release;
        asked = &search->ask(rows, search.workers(threads));
    }
    const std::size_t columns = search->num_choices();
    return make_array(std::vector<std::uint8_t>(*asked), {asked->size() / columns, columns});
}

void tell(Search& self, const InputArray<double, 2>& values, std::size_t threads) {
    const Search::Use search(self);
    nb::gil_scoped_release release;
    search->tell(values.data(), values.shape(0), values.shape(1), search.workers(threads));
}

// Up to `batches` batches, with a look for signals ten times a second.
std::size_t run(Search& self, const nas::Fitness& fitness, const std::vector<double>& signs,
                std::size_t batches, nb::handle n, std::size_t threads) {
    const Search::Use search(self);
    const std::size_t rows = count_argument("evolution: batch", n, 1);
    fitness.check(search->space());
    if (signs.size() != fitness.num_objectives())
        throw std::invalid_argument("evolution: signs must have one entry for each objective");
    std::size_t told = 0;
    while (told < batches) {
        std::size_t more = 0;
        {
            nb::gil_scoped_release release;
            const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
            more = search->run(fitness, signs, batches - told, rows, deadline, search.workers(threads));
        }
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
        if (more == 0) break;  // nothing new is left
        told += more;
    }
    return told;
}

// Copies of genotypes [p, c] and values [p, m].
nb::tuple population(Search& self) {
    const Search::Use search(self);
    const nas::Population& members = search->population();
    const auto rotated = [&](const auto& rows, std::size_t width) {
        auto copy = rows;
        std::rotate_copy(rows.begin(),
                         rows.begin() + static_cast<std::ptrdiff_t>(search->first_member() * width),
                         rows.end(), copy.begin());
        return make_array(std::move(copy), {members.size(), width});
    };
    return nb::make_tuple(rotated(members.genotypes(), members.num_choices()),
                          rotated(members.values(), members.num_objectives()));
}

// Copies of the first n rows that were told: genotypes [n, c], values [n, m] and generations [n].
nb::tuple history(Search& self, std::size_t n) {
    const Search::Use search(self);
    const nas::History& rows = search->history();
    if (n > rows.told()) throw std::out_of_range("evolution: the history is shorter");
    auto genotypes = empty_array<std::uint8_t>({n, search->num_choices()});
    auto values = empty_array<double>({n, rows.num_objectives()});
    auto generations = empty_array<std::int32_t>({n});
    rows.genotypes().copy_to(genotypes.data(), n);
    rows.values().copy_to(values.data(), n);
    rows.generations().copy_to(generations.data(), n);
    return nb::make_tuple(std::move(genotypes), std::move(values), std::move(generations));
}

}  // namespace

void export_evolution(nb::module_& module) {
    nb::class_<Search>(module, "Evolution", "An evolution as ask and tell; see efficient_nas.evolution.")
        .def("ask", &ask, nb::arg("n").none(), nb::arg("threads"))
        .def("tell", &tell, nb::arg("values").noconvert(), nb::arg("threads"))
        .def("run", &run, nb::arg("fitness"), nb::arg("signs"), nb::arg("batches"), nb::arg("n").none(),
             nb::arg("threads"))
        .def("population", &population)
        .def("history", &history, nb::arg("n"))
        .def_prop_ro("told", [](Search& self) { return Search::Use(self)->history().told(); });

    module.def(
        "nsga2",
        [](const nas::SpaceSpec& space, nb::handle population_size, nb::handle seed, nb::handle keys) {
            return std::make_unique<Search>(std::make_unique<nas::Nsga2>(
                space, count_argument("NSGA2: population_size", population_size, 2),
                seed_argument("NSGA2", seed), make_keys(keys, space.num_choices())));
        },
        nb::arg("space"), nb::arg("population_size").none(), nb::arg("seed").none(), nb::arg("keys"));
    module.def(
        "nsga3",
        [](const nas::SpaceSpec& space, nb::handle population_size, nb::handle seed,
           const InputArray<double, 2>& directions, nb::handle keys) {
            return std::make_unique<Search>(std::make_unique<nas::Nsga3>(
                space, count_argument("NSGA3: population_size", population_size, 2),
                seed_argument("NSGA3", seed),
                std::vector<double>(directions.data(), directions.data() + directions.size()),
                directions.shape(1), make_keys(keys, space.num_choices())));
        },
        nb::arg("space"), nb::arg("population_size").none(), nb::arg("seed").none(),
        nb::arg("directions").noconvert(), nb::arg("keys"));
    module.def(
        "random_search",
        [](const nas::SpaceSpec& space, nb::handle population_size, nb::handle seed, nb::handle keys) {
            return std::make_unique<Search>(std::make_unique<nas::RandomSearch>(
                space, count_argument("RandomSearch: population_size", population_size, 2),
                seed_argument("RandomSearch", seed), make_keys(keys, space.num_choices())));
        },
        nb::arg("space"), nb::arg("population_size").none(), nb::arg("seed").none(), nb::arg("keys"));
    module.def(
        "islands",
        [](const nas::SpaceSpec& space, nb::handle islands, nb::handle population_size,
           nb::handle migration_interval, nb::handle migrants, nb::handle seed, nb::handle keys) {
            return std::make_unique<Search>(std::make_unique<nas::Islands>(
                space, count_argument("Islands: islands", islands, 2),
                count_argument("Islands: population_size", population_size, 2),
                count_argument("Islands: migration_interval", migration_interval, 1),
                count_argument("Islands: migrants", migrants, 0), seed_argument("Islands", seed),
                make_keys(keys, space.num_choices())));
        },
        nb::arg("space"), nb::arg("islands").none(), nb::arg("population_size").none(),
        nb::arg("migration_interval").none(), nb::arg("migrants").none(), nb::arg("seed").none(),
        nb::arg("keys"));
    module.def(
        "local_search",
        [](const nas::SpaceSpec& space, nb::handle initial_size, nb::handle seed, nb::handle keys) {
            return std::make_unique<Search>(std::make_unique<nas::LocalSearch>(
                space, count_argument("LocalSearch: initial_size", initial_size, 1),
                seed_argument("LocalSearch", seed), make_keys(keys, space.num_choices())));
        },
        nb::arg("space"), nb::arg("initial_size").none(), nb::arg("seed").none(), nb::arg("keys"));
    module.def(
        "regularized_evolution",
        [](const nas::SpaceSpec& space, nb::handle population_size, nb::handle sample_size, nb::handle seed) {
            return std::make_unique<Search>(std::make_unique<nas::RegularizedEvolution>(
                space, count_argument("RegularizedEvolution: population_size", population_size, 1),
                count_argument("RegularizedEvolution: sample_size", sample_size, 1),
                seed_argument("RegularizedEvolution", seed)));
        },
        nb::arg("space"), nb::arg("population_size").none(), nb::arg("sample_size").none(),
        nb::arg("seed").none());
}
