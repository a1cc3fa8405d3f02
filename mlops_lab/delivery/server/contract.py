"""What do SageMaker and Vertex AI tell a container about its address and its model?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlops_lab.base.errors import InvalidDefinition

__all__ = ["Contract", "contract_of"]

_ROUTE = re.compile(r"/[A-Za-z0-9_.:/-]*")


@dataclass(frozen=True)
class Contract:
    """Where a platform expects its container: the port, the two routes, and the folder with the model.

    >>> Contract()
    Contract(port=8080, health_route='/health', predict_route='/predict', home=None)
    """

    port: int = 8080
    health_route: str = "/health"
    predict_route: str = "/predict"
    home: Path | None = None


def contract_of(environment: Mapping[str, str]) -> Contract:
    """What the variables of a container's environment ask for.

    Vertex AI sets `AIP_HTTP_PORT`, `AIP_HEALTH_ROUTE`, `AIP_PREDICT_ROUTE` and `AIP_STORAGE_URI`
    (https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements), SageMaker
    `SAGEMAKER_BIND_TO_PORT`. `AIP_STORAGE_URI` names a home folder: a path, a `file://` address, or a bucket that is
    mounted below `/gcs/`, as Vertex AI does.

    Raises:
        InvalidDefinition: a variable that makes no sense.

    >>> contract_of({"AIP_HTTP_PORT": "9000", "AIP_PREDICT_ROUTE": "/v1/late:predict"}).port
    9000
    >>> contract_of({"AIP_STORAGE_URI": "gs://flights/home"}).home.as_posix()
    '/gcs/flights/home'
    """
    port = environment.get("AIP_HTTP_PORT") or environment.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    if not (port.isdigit() and 0 < int(port[:6]) < 65536):
        raise InvalidDefinition(f"AIP_HTTP_PORT must be a port from 1 to 65535, not {port!r:.20}.")
    routes = {}
    for name, usual in (("AIP_HEALTH_ROUTE", "/health"), ("AIP_PREDICT_ROUTE", "/predict")):
        routes[name] = environment.get(name) or usual
        if not _ROUTE.fullmatch(routes[name]):
            raise InvalidDefinition(f"{name} must be a path such as {usual}, not {routes[name]!r:.80}.")
    if routes["AIP_HEALTH_ROUTE"] == routes["AIP_PREDICT_ROUTE"]:
        raise InvalidDefinition(f"AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE are both {routes['AIP_HEALTH_ROUTE']!r:.80}.")
    return Contract(int(port), routes["AIP_HEALTH_ROUTE"], routes["AIP_PREDICT_ROUTE"], _home(environment))


def _home(environment: Mapping[str, str]) -> Path | None:
    found = environment.get("AIP_STORAGE_URI", "")
    if not found:
        return None
    parts = urlsplit(found)
    if parts.scheme in ("", "file"):
        return Path(unquote(parts.path) if parts.scheme else found)
    if parts.scheme == "gs":
        return Path("/gcs") / parts.netloc / unquote(parts.path).lstrip("/")
    raise InvalidDefinition(f"AIP_STORAGE_URI must be gs://, file:// or a path, not {found!r:.80}.")
