"""May it pass? Demands, judged from what was measured and from nothing else."""

from mlops_lab.models.gates.measured import DataProfile, Freshness, Measured, NullRate, RowCount, Schema, profile
from mlops_lab.models.gates.policy import DATA_RULES, RULES, GatePolicy, evaluate_gates
from mlops_lab.models.gates.rules import (
    Calibration,
    FirstModel,
    Floor,
    NoWorseThanChampion,
    Rule,
    ServedSkew,
    SliceFloor,
)

__all__ = [
    "DATA_RULES",
    "RULES",
    "Calibration",
    "DataProfile",
    "FirstModel",
    "Floor",
    "Freshness",
    "GatePolicy",
    "Measured",
    "NoWorseThanChampion",
    "NullRate",
    "RowCount",
    "Rule",
    "Schema",
    "ServedSkew",
    "SliceFloor",
    "evaluate_gates",
    "profile",
]
