"""What is optimised: metrics in, values to be minimised and a violation out."""

from efficient_nas.objectives.constrained import Constrained as Constrained
from efficient_nas.objectives.metrics import DIRECTIONS as DIRECTIONS
from efficient_nas.objectives.metrics import Direction as Direction
from efficient_nas.objectives.pareto import Pareto as Pareto
from efficient_nas.objectives.registry import available as available
from efficient_nas.objectives.registry import create as create
from efficient_nas.objectives.weighted import Weighted as Weighted
