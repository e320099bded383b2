"""Whether a search in a supernet goes well: collapse, curvature and reach of alpha, ranks, equal networks."""

from efficient_nas.supernet.diagnosis.diagnosis import Diagnosis as Diagnosis
from efficient_nas.supernet.diagnosis.diagnosis import DiagnosisOptions as DiagnosisOptions
from efficient_nas.supernet.diagnosis.diagnosis import Finding as Finding
from efficient_nas.supernet.diagnosis.entropy import alpha_entropy as alpha_entropy
from efficient_nas.supernet.diagnosis.entropy import entropy_share as entropy_share
from efficient_nas.supernet.diagnosis.hessian import Eigenvalues as Eigenvalues
from efficient_nas.supernet.diagnosis.hessian import hessian_eigenvalues as hessian_eigenvalues
from efficient_nas.supernet.diagnosis.parity import POOL_NORMS as POOL_NORMS
from efficient_nas.supernet.diagnosis.parity import derived_network as derived_network
from efficient_nas.supernet.diagnosis.parity import parity as parity
from efficient_nas.supernet.diagnosis.rank_correlation import RankCorrelation as RankCorrelation
from efficient_nas.supernet.diagnosis.rank_correlation import kendall as kendall
from efficient_nas.supernet.diagnosis.rank_correlation import rank_correlation as rank_correlation
from efficient_nas.supernet.diagnosis.reach import GradientReach as GradientReach
from efficient_nas.supernet.diagnosis.reach import gradient_reach as gradient_reach
from efficient_nas.supernet.diagnosis.skips import collapse as collapse
from efficient_nas.supernet.diagnosis.skips import skip_connections as skip_connections
from efficient_nas.supernet.diagnosis.stopping import Stop as Stop
from efficient_nas.supernet.diagnosis.stopping import rising_curvature as rising_curvature
