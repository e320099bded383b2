#include "bindings.h"
#include "checks.h"
#include "efficient_nas/nsga2.hpp"
#include "efficient_nas/regularized_evolution.hpp"
#include "genotypes.h"

namespace nas = efficient_nas;

namespace {

// A search that one call at a time may use: `ask` runs Python code and long work without the GIL, and
// another thread, or that Python code, must not find the search half way.
template <typename Search>
class Exclusive {
  public:
    template <typename... Arguments>
    explicit Exclusive(Arguments&&... arguments) : search_(std::forward<Arguments>(arguments)...) {}

    class Use {
      public:
        explicit Use(Exclusive& owner) : owner_(owner) {
            if (owner_.in_use_)
                throw std::runtime_error(
                    "evolution: the search is in use by another thread or its own callback");
            owner_.in_use_ = true;
        }
        ~Use() { owner_.in_use_ = false; }
        Use(const Use&) = delete;
        Use& operator=(const Use&) = delete;
        Search* operator->() const { return &owner_.search_; }

      private:
        Exclusive& owner_;
    };

  private:
    Search search_;
    bool in_use_ = false;  // read and written with the GIL held
};

using Nsga2 = Exclusive<nas::Nsga2>;
using Regularized = Exclusive<nas::RegularizedEvolution>;

OutputArray<std::uint8_t> copied_rows(const std::vector<std::uint8_t>& rows, std::size_t columns) {
    return make_array(std::vector<std::uint8_t>(rows), {rows.size() / columns, columns});
}

// Copies of genotypes [n, c], values [n, m] and births [n].
nb::tuple copied(const nas::Population& p) {
    return nb::make_tuple(copied_rows(p.genotypes(), p.num_choices()),
                          make_array(std::vector<double>(p.values()), {p.size(), p.num_objectives()}),
                          make_array(std::vector<std::int64_t>(p.births()), {p.size()}));
}

// The Python callable `keys`, uint8 [n, num_choices] -> list of n bytes, for native code without the GIL.
nas::KeyFunction key_function(const nb::callable& keys, std::size_t num_choices) {
    return [&keys, num_choices](const std::uint8_t* genotypes, std::size_t n) {
        nb::gil_scoped_acquire acquire;
        const std::vector<std::uint8_t> rows(genotypes, genotypes + n * num_choices);
        const nb::object returned = keys(copied_rows(rows, num_choices));
        nas::KeyList list;
        for (const nb::handle key : returned) {
            nb::bytes bytes;
            if (!nb::try_cast(key, bytes))
                throw nb::type_error("NSGA2: canonical_bytes must return a list of bytes");
            list.push_back({reinterpret_cast<const std::uint8_t*>(bytes.c_str()), bytes.size()});
        }
        if (list.size() != n)
            throw std::invalid_argument("NSGA2: canonical_bytes must return " + std::to_string(n) +
                                        " keys, got " + std::to_string(list.size()));
        return list;
    };
}

OutputArray<std::uint8_t> ask_nsga2(Nsga2& self, const nb::callable& keys) {
    const Nsga2::Use search(self);
    const nas::KeyFunction keys_of = key_function(keys, search->num_choices());
    const std::vector<std::uint8_t>* asked = nullptr;
    {
        nb::gil_scoped_release release;
        asked = &search->ask(keys_of);
    }
    return copied_rows(*asked, search->num_choices());
}

void tell_nsga2(Nsga2& self, const InputArray<double, 2>& values) {
    const Nsga2::Use search(self);
    nb::gil_scoped_release release;
    search->tell(values.data(), values.shape(0), values.shape(1));
}

OutputArray<std::uint8_t> ask_regularized(Regularized& self, nb::handle n) {
    const Regularized::Use search(self);
    const std::size_t rows = count_argument("RegularizedEvolution: batch", n, 1);
    const std::vector<std::uint8_t>* asked = nullptr;
    {
        nb::gil_scoped_release release;
        asked = &search->ask(rows);
    }
    return copied_rows(*asked, search->num_choices());
}

void tell_regularized(Regularized& self, const InputArray<double, 1>& values) {
    const Regularized::Use search(self);
    nb::gil_scoped_release release;
    search->tell(values.data(), values.shape(0));
}

}  // namespace

void export_evolution(nb::module_& module) {
    nb::class_<Nsga2>(module, "Nsga2", "NSGA-II as ask and tell; see efficient_nas.evolution.NSGA2.")
        .def(
            "__init__",
            [](Nsga2* self, const nas::SpaceSpec& space, nb::handle population_size, nb::handle seed) {
                new (self) Nsga2(space, count_argument("NSGA2: population_size", population_size, 2),
                                 seed_argument("NSGA2", seed));
            },
            nb::arg("space"), nb::arg("population_size"), nb::arg("seed"))
        .def("ask", &ask_nsga2, nb::arg("keys"))
        .def("tell", &tell_nsga2, nb::arg("values").noconvert())
        .def("population", [](Nsga2& self) { return copied(Nsga2::Use(self)->population()); })
        .def("history", [](Nsga2& self) { return copied(Nsga2::Use(self)->history()); });

    nb::class_<Regularized>(
        module, "RegularizedEvolution",
        "Aging evolution as ask and tell; see efficient_nas.evolution.RegularizedEvolution.")
        .def(
            "__init__",
            [](Regularized* self, const nas::SpaceSpec& space, nb::handle population_size,
               nb::handle sample_size, nb::handle seed) {
                new (self) Regularized(
                    space, count_argument("RegularizedEvolution: population_size", population_size, 1),
                    count_argument("RegularizedEvolution: sample_size", sample_size, 1),
                    seed_argument("RegularizedEvolution", seed));
            },
            nb::arg("space"), nb::arg("population_size"), nb::arg("sample_size"), nb::arg("seed"))
        .def("ask", &ask_regularized, nb::arg("n"))
        .def("tell", &tell_regularized, nb::arg("values").noconvert())
        .def("population", [](Regularized& self) { return copied(Regularized::Use(self)->population()); })
        .def("history", [](Regularized& self) { return copied(Regularized::Use(self)->history()); })
        .def_prop_ro("oldest", [](Regularized& self) { return Regularized::Use(self)->oldest(); });
}
