"""Progressive search: the open part of a space grows from stage to stage."""

from efficient_nas.progressive.schedule import ProgressiveSchedule as ProgressiveSchedule
from efficient_nas.progressive.schedule import Stage as Stage
