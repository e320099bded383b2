"""Fuses the mixed operations of other projects' supernets in place (docs/design/fuse.md)."""

from efficient_nas.supernet.fusion.fuse import fuse as fuse
from efficient_nas.supernet.fusion.fuse import unfuse as unfuse
from efficient_nas.supernet.fusion.report import Fused as Fused
from efficient_nas.supernet.fusion.report import FuseReport as FuseReport
from efficient_nas.supernet.fusion.report import NotFused as NotFused
