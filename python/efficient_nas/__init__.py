"""Hardware-aware neural architecture search for PyTorch with a native C++ core."""

from efficient_nas._core import __version__ as __version__
