"""A version answers whoever asks, over the network.

`serve` is the server and `create_app` its routes; `Predictor` is what happens between a body and its scores. FastAPI
and its friends come with `pip install 'mlops-lab[serve]'` and are imported when a server is made.
"""

from __future__ import annotations

from mlops_lab.delivery.server.app import create_app
from mlops_lab.delivery.server.bodies import RequestError
from mlops_lab.delivery.server.predictor import (
    Lookup,
    Predictor,
    ServedModel,
    estimator_scorer,
    load_predictor,
    load_served_model,
)
from mlops_lab.delivery.server.process import serve
from mlops_lab.delivery.server.scorer import compiled_scorer
from mlops_lab.delivery.server.state import AccessLog, Contract, Limits, Metrics, ServerState, contract_of

__all__ = [
    "AccessLog",
    "Contract",
    "Limits",
    "Lookup",
    "Metrics",
    "Predictor",
    "RequestError",
    "ServedModel",
    "ServerState",
    "compiled_scorer",
    "contract_of",
    "create_app",
    "estimator_scorer",
    "load_predictor",
    "load_served_model",
    "serve",
]
