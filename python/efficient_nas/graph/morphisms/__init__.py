"""Mutations that keep a trained network's function and carry its weights (docs/design/morphisms.md)."""

from efficient_nas.graph.morphisms.kinds import PRESERVING_KINDS as PRESERVING_KINDS
from efficient_nas.graph.morphisms.kinds import applicable as applicable
from efficient_nas.graph.morphisms.kinds import apply as apply
