"""Controllers: they propose architectures and learn from results (see design.md)."""

from efficient_nas.controllers.base import Controller as Controller
from efficient_nas.controllers.hybrid import Hybrid as Hybrid
from efficient_nas.controllers.listed import Listed as Listed
from efficient_nas.controllers.local_search import LocalSearch as LocalSearch
from efficient_nas.controllers.nsga2 import NSGA2 as NSGA2
from efficient_nas.controllers.random import Random as Random
from efficient_nas.controllers.registry import available as available
from efficient_nas.controllers.registry import create as create
from efficient_nas.controllers.registry import factory as factory
from efficient_nas.controllers.regularized_evolution import RegularizedEvolution as RegularizedEvolution
from efficient_nas.controllers.reinforce import Reinforce as Reinforce
