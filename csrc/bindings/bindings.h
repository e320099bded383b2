// One export function per topic; each lives in bind_<topic>.cpp.
#pragma once

#include <nanobind/nanobind.h>

namespace nb = nanobind;

void export_build(nb::module_& module);
void export_cells(nb::module_& module);
void export_depthwise(nb::module_& module);
void export_kept(nb::module_& module);
void export_mixed(nb::module_& module);
void export_fitness(nb::module_& module);
void export_forms(nb::module_& module);
void export_pareto(nb::module_& module);
void export_reference(nb::module_& module);
void export_evolution(nb::module_& module);
void export_graph(nb::module_& module);
void export_labelled_dag(nb::module_& module);
void export_notation(nb::module_& module);
void export_graph_variation(nb::module_& module);
void export_graph_nsga2(nb::module_& module);
void export_rng(nb::module_& module);
void export_space(nb::module_& module);
