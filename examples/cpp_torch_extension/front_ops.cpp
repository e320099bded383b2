// A PyTorch extension that uses efficient_nas on tensors: Pareto fronts of values, mutants of genotypes.
// Half the compile time of <torch/extension.h>, which also holds all of torch.nn.
#include <ATen/ATen.h>
#include <torch/csrc/utils/pybind.h>

#include <string>
#include <utility>
#include <vector>

#include "efficient_nas/pareto/nondominated_sort.hpp"
#include "efficient_nas/space/space.hpp"
#include "efficient_nas/space/space_variation.hpp"

namespace nas = efficient_nas;

namespace {

// values float64 [n, m], minimised; the front of each row as int32 [n].
at::Tensor nondominated_sort(const at::Tensor& values) {
    TORCH_CHECK_VALUE(values.device().is_cpu() && values.dtype() == at::kDouble && values.dim() == 2,
                      "nondominated_sort: values must be float64 [n, m] on the CPU, got ", values.dtype(),
                      " ", values.sizes());
    TORCH_CHECK_VALUE(values.size(1) > 0, "nondominated_sort: values must have a column");
    const at::Tensor rows = values.contiguous();
    const std::vector<std::int32_t> fronts =
        nas::nondominated_sort(rows.const_data_ptr<double>(), static_cast<std::size_t>(rows.size(0)),
                               static_cast<std::size_t>(rows.size(1)));
    return at::tensor(fronts, at::kInt);
}

// One choice for each entry of `cardinalities`, all independent.
nas::SpaceSpec make_space(const std::vector<std::int64_t>& cardinalities) {
    std::vector<nas::ChoiceSpec> choices;
    for (std::size_t c = 0; c < cardinalities.size(); ++c) {
        TORCH_CHECK_VALUE(cardinalities[c] >= 1 && cardinalities[c] <= std::int64_t{nas::kMaxOptions},
                          "mutate: cardinalities must be between 1 and 255, got ", cardinalities[c]);
        nas::ChoiceSpec choice{.name = "choice" + std::to_string(c)};
        for (std::int64_t option = 0; option < cardinalities[c]; ++option) {
            choice.allowed.set(choice.options.size());
            choice.options.push_back(std::to_string(option));
        }
        choices.push_back(std::move(choice));
    }
    return nas::SpaceSpec(std::move(choices), {});
}

// genotypes uint8 [n, c], one option of each choice; a tensor like it with one choice changed in every row.
at::Tensor mutate(const at::Tensor& genotypes, const std::vector<std::int64_t>& cardinalities,
                  std::uint64_t seed) {
    TORCH_CHECK_VALUE(genotypes.device().is_cpu() && genotypes.dtype() == at::kByte && genotypes.dim() == 2 &&
                          genotypes.size(1) == static_cast<std::int64_t>(cardinalities.size()),
                      "mutate: genotypes must be uint8 [n, ", cardinalities.size(), "] on the CPU, got ",
                      genotypes.dtype(), " ", genotypes.sizes());
    const nas::SpaceSpec space = make_space(cardinalities);
    const at::Tensor rows = genotypes.contiguous();
    at::Tensor children = at::empty_like(rows);
    nas::mutate(space, rows.const_data_ptr<std::uint8_t>(), seed, 1, static_cast<std::size_t>(rows.size(0)),
                children.mutable_data_ptr<std::uint8_t>());
    return children;
}

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
    module.def("nondominated_sort", &nondominated_sort, py::arg("values"),
               py::call_guard<py::gil_scoped_release>());
    module.def("mutate", &mutate, py::arg("genotypes"), py::arg("cardinalities"), py::arg("seed"),
               py::call_guard<py::gil_scoped_release>());
}
