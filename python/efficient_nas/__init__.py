"""Hardware-aware neural architecture search for PyTorch with a native C++ core."""

from efficient_nas import controllers as controllers
from efficient_nas import devices as devices
from efficient_nas import evaluators as evaluators
from efficient_nas import evolution as evolution
from efficient_nas import export as export
from efficient_nas import graph as graph
from efficient_nas import objectives as objectives
from efficient_nas import pareto as pareto
from efficient_nas import progressive as progressive
from efficient_nas import reports as reports
from efficient_nas import spaces as spaces
from efficient_nas._core import __version__ as __version__
from efficient_nas.graph import Architecture as Architecture
from efficient_nas.graph import ArchNode as ArchNode
from efficient_nas.installation import build_info as build_info
from efficient_nas.installation import get_cmake_dir as get_cmake_dir
from efficient_nas.installation import get_include as get_include
