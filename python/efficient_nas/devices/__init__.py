"""Costs on a device: end-to-end measurement, operator tables, exact counts."""

from efficient_nas.devices.analytic import AnalyticCosts as AnalyticCosts
from efficient_nas.devices.calibration import Calibration as Calibration
from efficient_nas.devices.device import describe as describe
from efficient_nas.devices.measurement import Measurement as Measurement
from efficient_nas.devices.measurement import measure as measure
from efficient_nas.devices.operator_table import OperatorTable as OperatorTable
from efficient_nas.devices.operators import Operator as Operator
from efficient_nas.devices.operators import all_operators as all_operators
