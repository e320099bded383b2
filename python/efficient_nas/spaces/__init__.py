"""Search spaces: genotypes and how to build architectures from them."""

from efficient_nas.spaces.candidate import Candidate
from efficient_nas.spaces.choice import Choice, Option
from efficient_nas.spaces.darts import DARTS
from efficient_nas.spaces.mbconv import MBConv
from efficient_nas.spaces.nasbench201 import NASBench201
from efficient_nas.spaces.nasbench_macro import NASBenchMacro
from efficient_nas.spaces.registry import available, create, factory, register
from efficient_nas.spaces.space import Space

register("nasbench201", NASBench201)
register("nasbench_macro", NASBenchMacro)
register("darts", DARTS)
register("mbconv", MBConv)

__all__ = ["Candidate", "Choice", "Option", "Space", "available", "create", "factory", "register"]
