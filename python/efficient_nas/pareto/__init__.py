"""Pareto fronts, crowding distance, hypervolume, the order of populations; minimisation by default."""

from efficient_nas.pareto.fronts import crowding_distance as crowding_distance
from efficient_nas.pareto.fronts import is_nondominated as is_nondominated
from efficient_nas.pareto.fronts import nondominated_sort as nondominated_sort
from efficient_nas.pareto.fronts import rank as rank
from efficient_nas.pareto.volume import hypervolume as hypervolume
