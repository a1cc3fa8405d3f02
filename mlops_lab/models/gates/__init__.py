"""May it pass? Demands, judged from what was measured and from nothing else."""

from mlops_lab.models.gates.measured import DataProfile as DataProfile
from mlops_lab.models.gates.measured import Freshness as Freshness
from mlops_lab.models.gates.measured import Measured as Measured
from mlops_lab.models.gates.measured import NullRate as NullRate
from mlops_lab.models.gates.measured import RowCount as RowCount
from mlops_lab.models.gates.measured import Schema as Schema
from mlops_lab.models.gates.measured import profile as profile
from mlops_lab.models.gates.policy import DATA_RULES as DATA_RULES
from mlops_lab.models.gates.policy import RULES as RULES
from mlops_lab.models.gates.policy import GatePolicy as GatePolicy
from mlops_lab.models.gates.policy import evaluate_gates as evaluate_gates
from mlops_lab.models.gates.rules import Calibration as Calibration
from mlops_lab.models.gates.rules import FirstModel as FirstModel
from mlops_lab.models.gates.rules import Floor as Floor
from mlops_lab.models.gates.rules import NoWorseThanChampion as NoWorseThanChampion
from mlops_lab.models.gates.rules import Rule as Rule
from mlops_lab.models.gates.rules import ServedSkew as ServedSkew
from mlops_lab.models.gates.rules import SliceFloor as SliceFloor
