"""Operations for PyTorch: what a mixed operation is (docs/design/mixed-op.md)."""

from efficient_nas.ops import reference as reference
from efficient_nas.ops import sets as sets
from efficient_nas.ops.cell_spec import CellEdge as CellEdge
from efficient_nas.ops.cell_spec import CellSpec as CellSpec
from efficient_nas.ops.depthwise import depthwise_conv2d as depthwise_conv2d
from efficient_nas.ops.mixed import mixed_cell as mixed_cell
from efficient_nas.ops.mixed import mixed_op as mixed_op
from efficient_nas.ops.mixed_spec import MixedOpSpec as MixedOpSpec
from efficient_nas.ops.spec import OpSpec as OpSpec
from efficient_nas.ops.tensors import MixedOpTensors as MixedOpTensors
from efficient_nas.ops.tensors import tensors_of as tensors_of
