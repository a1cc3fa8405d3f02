"""Which model is in Production, since when, on what evidence, and who agreed?

`Registry` keeps the registered models of a home folder; `GateReport`, `Approval` and `Promotion` are what is handed
in and out. The words are MLflow's; the evidence, the approvals and the hash-chained history are ours.
"""

from __future__ import annotations

from mlops_lab.models.registry.history import MOVES as MOVES
from mlops_lab.models.registry.records import STAGES as STAGES
from mlops_lab.models.registry.records import Approval as Approval
from mlops_lab.models.registry.records import Event as Event
from mlops_lab.models.registry.records import GateReport as GateReport
from mlops_lab.models.registry.records import ModelVersion as ModelVersion
from mlops_lab.models.registry.records import Promotion as Promotion
from mlops_lab.models.registry.records import RuleResult as RuleResult
from mlops_lab.models.registry.registry import Registry as Registry
from mlops_lab.models.registry.verification import verify_home as verify_home
