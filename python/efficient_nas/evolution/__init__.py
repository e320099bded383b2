"""Evolutionary algorithms whose generations run in native code; a batch callback evaluates."""

from efficient_nas.evolution.directions import ReferenceSelection as ReferenceSelection
from efficient_nas.evolution.directions import reference_directions as reference_directions
from efficient_nas.evolution.nsga2 import NSGA2 as NSGA2
from efficient_nas.evolution.regularized_evolution import RegularizedEvolution as RegularizedEvolution
from efficient_nas.evolution.result import EvolutionResult as EvolutionResult
from efficient_nas.evolution.result import History as History
