"""Supernets as torch modules on the fused mixed operation (docs/design/supernets.md)."""

from efficient_nas.supernet.networks.darts import DARTS as DARTS
from efficient_nas.supernet.networks.elastic import Elastic as Elastic
from efficient_nas.supernet.networks.elastic import progressive_shrinking as progressive_shrinking
from efficient_nas.supernet.networks.nasbench201 import NASBench201 as NASBench201
from efficient_nas.supernet.networks.pc_darts import PCDARTS as PCDARTS
from efficient_nas.supernet.networks.single_path import SinglePath as SinglePath
from efficient_nas.supernet.networks.supernet import AlphaTable as AlphaTable
from efficient_nas.supernet.networks.supernet import Supernet as Supernet
