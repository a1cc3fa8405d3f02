"""Which model is in Production, since when, on what evidence, and who agreed?

`Registry` keeps the registered models of a home folder; `GateReport`, `Approval` and `Promotion` are what is handed
in and out. The words are MLflow's; the evidence, the approvals and the hash-chained history are ours.
"""

from __future__ import annotations

from mlops_lab.models.registry.history import MOVES
from mlops_lab.models.registry.records import (
    STAGES,
    Approval,
    Event,
    GateReport,
    ModelVersion,
    Promotion,
    RuleResult,
)
from mlops_lab.models.registry.registry import Registry
from mlops_lab.models.registry.verification import Verified, verify_home

__all__ = [
    "MOVES",
    "STAGES",
    "Approval",
    "Event",
    "GateReport",
    "ModelVersion",
    "Promotion",
    "Registry",
    "RuleResult",
    "Verified",
    "verify_home",
]
