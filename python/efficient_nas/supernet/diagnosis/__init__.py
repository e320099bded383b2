"""Whether a search in a supernet goes well: collapse, curvature and reach of alpha, ranks, equal networks."""

from efficient_nas.supernet.diagnosis.entropy import alpha_entropy as alpha_entropy
from efficient_nas.supernet.diagnosis.entropy import entropy_share as entropy_share
from efficient_nas.supernet.diagnosis.rank_correlation import RankCorrelation as RankCorrelation
from efficient_nas.supernet.diagnosis.rank_correlation import kendall as kendall
from efficient_nas.supernet.diagnosis.rank_correlation import rank_correlation as rank_correlation
from efficient_nas.supernet.diagnosis.skips import collapse as collapse
from efficient_nas.supernet.diagnosis.skips import skip_connections as skip_connections
from efficient_nas.supernet.diagnosis.stopping import Stop as Stop
from efficient_nas.supernet.diagnosis.stopping import rising_curvature as rising_curvature
