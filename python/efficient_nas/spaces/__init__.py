"""Search spaces: genotypes and how to build architectures from them."""

from efficient_nas.spaces.candidate import Candidate
from efficient_nas.spaces.choice import Choice, Option
from efficient_nas.spaces.registry import available, create, register
from efficient_nas.spaces.space import Space

__all__ = ["Candidate", "Choice", "Option", "Space", "available", "create", "register"]
