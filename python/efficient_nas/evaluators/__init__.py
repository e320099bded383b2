"""Evaluators: candidate and seed in, metrics out. The only place where weights and data meet."""

from efficient_nas.evaluators.augmentation import Augmentation as Augmentation
from efficient_nas.evaluators.calling import Calling as Calling
from efficient_nas.evaluators.datasets import datasets as datasets
from efficient_nas.evaluators.datasets import load_task as load_task
from efficient_nas.evaluators.search_data import search_data as search_data
from efficient_nas.evaluators.shared_weights import SharedAndAlone as SharedAndAlone
from efficient_nas.evaluators.shared_weights import SharedWeights as SharedWeights
from efficient_nas.evaluators.splits import DatasetSplit as DatasetSplit
from efficient_nas.evaluators.splits import Split as Split
from efficient_nas.evaluators.splits import TensorSplit as TensorSplit
from efficient_nas.evaluators.tabular import Tabular as Tabular
from efficient_nas.evaluators.tasks import Task as Task
from efficient_nas.evaluators.tasks import task_from_dataset as task_from_dataset
from efficient_nas.evaluators.trained import Trained as Trained
