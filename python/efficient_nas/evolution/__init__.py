"""Evolutionary algorithms whose generations run in native code; a batch callback or native code evaluates."""

from efficient_nas.evolution.architecture_nsga2 import (
    ArchitectureEvolutionResult as ArchitectureEvolutionResult,
)
from efficient_nas.evolution.architecture_nsga2 import ArchitectureHistory as ArchitectureHistory
from efficient_nas.evolution.architecture_nsga2 import ArchitectureNSGA2 as ArchitectureNSGA2
from efficient_nas.evolution.base import Evolution as Evolution
from efficient_nas.evolution.directions import ReferenceSelection as ReferenceSelection
from efficient_nas.evolution.directions import reference_directions as reference_directions
from efficient_nas.evolution.fitness import AdditiveFitness as AdditiveFitness
from efficient_nas.evolution.fitness import CostFitness as CostFitness
from efficient_nas.evolution.fitness import Fitness as Fitness
from efficient_nas.evolution.fitness import JoinedFitness as JoinedFitness
from efficient_nas.evolution.fitness import TableFitness as TableFitness
from efficient_nas.evolution.islands import Islands as Islands
from efficient_nas.evolution.local_search import LocalSearch as LocalSearch
from efficient_nas.evolution.nsga2 import NSGA2 as NSGA2
from efficient_nas.evolution.nsga3 import NSGA3 as NSGA3
from efficient_nas.evolution.random_search import RandomSearch as RandomSearch
from efficient_nas.evolution.regularized_evolution import RegularizedEvolution as RegularizedEvolution
from efficient_nas.evolution.result import EvolutionResult as EvolutionResult
from efficient_nas.evolution.result import History as History
