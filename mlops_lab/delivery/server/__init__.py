"""A version answers whoever asks, over the network.

`serve` is the server and `create_app` its routes; `Predictor` is what happens between a body and its scores. FastAPI
and its friends come with `pip install 'mlops-lab[serve]'` and are imported when a server is made.
"""

from __future__ import annotations

from mlops_lab.delivery.server.app import create_app as create_app
from mlops_lab.delivery.server.bodies import RequestError as RequestError
from mlops_lab.delivery.server.predictor import Lookup as Lookup
from mlops_lab.delivery.server.predictor import estimator_scorer as estimator_scorer
from mlops_lab.delivery.server.predictor import load_predictor as load_predictor
from mlops_lab.delivery.server.predictor import load_served_model as load_served_model
from mlops_lab.delivery.server.process import serve as serve
from mlops_lab.delivery.server.scorer import compiled_scorer as compiled_scorer
from mlops_lab.delivery.server.state import AccessLog as AccessLog
from mlops_lab.delivery.server.state import Contract as Contract
from mlops_lab.delivery.server.state import Limits as Limits
from mlops_lab.delivery.server.state import ServerState as ServerState
from mlops_lab.delivery.server.state import contract_of as contract_of
