"""How does a version answer whoever asks, over the network?

`serve` is the server; `create_app` its routes; `Desk` what happens between a body and its scores. The package fastapi
and its friends come with `pip install 'mlops-lab[serve]'` and are imported when a server is made.
"""

from __future__ import annotations

from mlops_lab.delivery.server.app import create_app
from mlops_lab.delivery.server.contract import Contract, contract_of
from mlops_lab.delivery.server.desk import Desk
from mlops_lab.delivery.server.limits import Limits
from mlops_lab.delivery.server.lookup import Lookup
from mlops_lab.delivery.server.model import ServedModel, load_served_model
from mlops_lab.delivery.server.refusal import Refusal
from mlops_lab.delivery.server.scorer import compiled_scorer, estimator_scorer
from mlops_lab.delivery.server.server import open_desk, serve
from mlops_lab.delivery.server.station import Station
from mlops_lab.delivery.server.telling import Figures, Log

__all__ = [
    "Contract",
    "Desk",
    "Figures",
    "Limits",
    "Log",
    "Lookup",
    "Refusal",
    "ServedModel",
    "Station",
    "compiled_scorer",
    "contract_of",
    "create_app",
    "estimator_scorer",
    "load_served_model",
    "open_desk",
    "serve",
]
