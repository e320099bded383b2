"""Supernets (docs/design/supernets.md); other projects' mixed operations run fused (docs/design/fuse.md)."""

from efficient_nas.supernet import diagnosis as diagnosis
from efficient_nas.supernet.data import Images as Images
from efficient_nas.supernet.data import SearchData as SearchData
from efficient_nas.supernet.fusion import Fused as Fused
from efficient_nas.supernet.fusion import FuseReport as FuseReport
from efficient_nas.supernet.fusion import NotFused as NotFused
from efficient_nas.supernet.fusion import fuse as fuse
from efficient_nas.supernet.fusion import unfuse as unfuse
from efficient_nas.supernet.networks import DARTS as DARTS
from efficient_nas.supernet.networks import PCDARTS as PCDARTS
from efficient_nas.supernet.networks import AlphaTable as AlphaTable
from efficient_nas.supernet.networks import Elastic as Elastic
from efficient_nas.supernet.networks import NASBench201 as NASBench201
from efficient_nas.supernet.networks import SinglePath as SinglePath
from efficient_nas.supernet.networks import Supernet as Supernet
from efficient_nas.supernet.networks import progressive_shrinking as progressive_shrinking
from efficient_nas.supernet.options import EpochRecord as EpochRecord
from efficient_nas.supernet.options import TrainingOptions as TrainingOptions
from efficient_nas.supernet.policy import Policy as Policy
from efficient_nas.supernet.sampling import FairNAS as FairNAS
from efficient_nas.supernet.sampling import Sampler as Sampler
from efficient_nas.supernet.sampling import Sandwich as Sandwich
from efficient_nas.supernet.sampling import Uniform as Uniform
from efficient_nas.supernet.tensorboard import TensorBoard as TensorBoard
from efficient_nas.supernet.training import Trainer as Trainer
