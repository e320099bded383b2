"""Evaluators: candidate and seed in, metrics out. The only place where weights and data meet."""

from efficient_nas.evaluators.calling import Calling as Calling
from efficient_nas.evaluators.tabular import Tabular as Tabular
