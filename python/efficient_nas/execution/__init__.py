"""The search loop, and the executors that run its trials."""

from efficient_nas.execution.evaluation import Evaluation as Evaluation
from efficient_nas.execution.local import InProcess as InProcess
from efficient_nas.execution.local import ProcessPool as ProcessPool
from efficient_nas.execution.search_loop import Budget as Budget
from efficient_nas.execution.search_loop import run_arm as run_arm
