"""The torch module of every operation of an architecture (docs/design/architectures.md); one place."""

from efficient_nas.candidates.registry import create as create
from efficient_nas.candidates.registry import operations as operations
