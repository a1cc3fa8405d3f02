"""A challenger's share on a Vertex AI endpoint: its traffic split."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlops_lab.adapters.split import LostHalfWay, Release, TargetUnreachable, TrafficSplit
from mlops_lab.base.errors import InvalidDefinition, MissingExtra, MlopsLabError, NotAllowed

_SECONDS = 60.0
_LONGEST = 1800.0  # to deploy a model
_AWAY = (
    "ServiceUnavailable",
    "DefaultCredentialsError",
    "RetryError",
    "DeadlineExceeded",
    "RefreshError",
    "TimeoutError",
)
_NAME = re.compile(r"projects/[^/]+/locations/(?P<region>[a-z0-9-]+)/endpoints/[^/]+")


class VertexTarget:
    """An endpoint with two deployed models, whose display names are `champion` and `challenger`.

    Args:
        endpoint: its full name, `projects/P/locations/REGION/endpoints/ID`.
        model: what a challenger's image is called there, before its version.
        client: an `EndpointServiceClient`; for tests.
        models: a `ModelServiceClient`; for tests.

    Raises:
        InvalidDefinition: it is no name of an endpoint.

    >>> VertexTarget("late-flights")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidDefinition: 'late-flights' is no endpoint; write
    projects/P/locations/REGION/endpoints/ID.

    See Also:
        https://cloud.google.com/vertex-ai/docs/predictions/configure-traffic-split
    """

    def __init__(self, endpoint: str, *, model: str = "late_flights", client: Any = None, models: Any = None) -> None:
        found = _NAME.fullmatch(endpoint)
        if found is None:
            raise InvalidDefinition(f"{endpoint!r} is no endpoint; write projects/P/locations/REGION/endpoints/ID.")
        self.endpoint = endpoint
        self.model = model.replace("_", "-")
        self.region = found["region"]
        self._client = client
        self._models = models
        self._changed = False

    def set_weight(self, weight: int) -> TrafficSplit:
        """Replace the traffic split in one call; models other than the two get nothing."""
        found = self._ask("get_endpoint", name=self.endpoint)
        # Of two champions, where a change of champions was cut off, the older one is it; so the oldest comes last.
        deployed = sorted(found.deployed_models, key=lambda each: str(getattr(each, "create_time", "")), reverse=True)
        numbers = {str(each.display_name): str(each.id) for each in deployed}
        missing = [name for name in ("champion", "challenger") if name not in numbers]
        if missing and not (weight == 0 and missing == ["challenger"]):
            there = ", ".join(sorted(numbers)) or "none"
            raise NotAllowed(f"endpoint {self.endpoint} has no {missing[0]} deployed; there is: {there}.")
        split = {numbers["champion"]: 100 - weight}
        if "challenger" in numbers:
            split[numbers["challenger"]] = weight
        self._update(split)
        return TrafficSplit("vertex", self.endpoint, 100.0 - weight, float(weight), asked=float(weight))

    def put_challenger(self, release: Release) -> None:
        """The image becomes a model, which is deployed as `challenger` without traffic, as large as the champion."""
        found = self._ask("get_endpoint", name=self.endpoint)
        champion = self._deployed(found, "champion")
        for each in (one for one in found.deployed_models if one.display_name == "challenger"):
            if dict(found.traffic_split).get(str(each.id)):
                raise NotAllowed("there is a challenger with traffic; take that one back first: --rollback.")
            self._wait("undeploy_model", endpoint=self.endpoint, deployed_model_id=str(each.id))
        model = {
            "display_name": f"{self.model}-v{release.version}",
            "container_spec": {
                "image_uri": release.image,
                "env": [{"name": "MLOPS_LAB_VERSION", "value": str(release.version)}],
                "ports": [{"container_port": 8080}],
                "predict_route": "/invocations",
                "health_route": "/v2/health/ready",
            },
        }
        parent = self.endpoint.partition("/endpoints/")[0]
        uploaded = self._wait("upload_model", parent=parent, model=model)
        self._deploy("challenger", str(uploaded.model), like=champion, split={str(champion.id): 100, "0": 0})

    def make_champion(self, release: Release) -> None:  # noqa: ARG002  the endpoint knows
        """The challenger's model is deployed once more, as `champion` with all of the traffic; then the others go."""
        found = self._ask("get_endpoint", name=self.endpoint)
        challenger = self._deployed(found, "challenger")
        self._deploy("champion", str(challenger.model), like=challenger, split={"0": 100})
        for each in found.deployed_models:
            self._wait("undeploy_model", endpoint=self.endpoint, deployed_model_id=str(each.id))

    def challenger_id(self) -> str:
        """The number of the model that is deployed as challenger; empty when there is none."""
        found = self._ask("get_endpoint", name=self.endpoint)
        return next((str(one.id) for one in found.deployed_models if one.display_name == "challenger"), "")

    def _deployed(self, found: Any, name: str) -> Any:
        for each in found.deployed_models:
            if each.display_name == name:
                return each
        there = ", ".join(sorted(str(each.display_name) for each in found.deployed_models)) or "none"
        raise NotAllowed(f"endpoint {self.endpoint} has no {name} deployed; there is: {there}.")

    def _deploy(self, name: str, model: str, *, like: Any, split: Mapping[str, int]) -> None:
        deployed = {"display_name": name, "model": model, "dedicated_resources": like.dedicated_resources}
        self._wait("deploy_model", endpoint=self.endpoint, deployed_model=deployed, traffic_split=dict(split))

    def _wait(self, operation: str, **request: Any) -> Any:
        """Ask for what takes minutes, and wait until it is done."""
        started = self._ask(operation, **request)
        try:
            return started.result(timeout=_LONGEST)
        except Exception as error:
            raise self._told(operation, error) from None

    def _update(self, split: Mapping[str, int]) -> None:
        endpoint = {"name": self.endpoint, "traffic_split": dict(split)}
        self._ask("update_endpoint", endpoint=endpoint, update_mask={"paths": ["traffic_split"]})

    def _ask(self, operation: str, **request: Any) -> Any:
        if self._client is None:
            self._client = self._connect()
        client = self._client
        if operation == "upload_model":
            self._models = client = self._models if self._models is not None else self._connect("model")
        self._changed = self._changed or not operation.startswith("get")  # also where the answer gets lost
        try:
            return getattr(client, operation)(request=request, timeout=_SECONDS, retry=None)
        except Exception as error:
            raise self._told(operation, error) from None

    def _connect(self, kind: str = "endpoint") -> Any:
        try:
            from google.cloud.aiplatform_v1.services.endpoint_service import EndpointServiceClient
            from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient
        except ImportError:
            raise MissingExtra("vertex") from None
        service: Any = EndpointServiceClient if kind == "endpoint" else ModelServiceClient
        try:
            return service(client_options={"api_endpoint": f"{self.region}-aiplatform.googleapis.com"})
        except Exception as error:
            raise self._told("connect", error) from None

    def _told(self, operation: str, error: Exception) -> MlopsLabError:
        """The error in our words: its kind and message, never the request."""
        kind = type(error).__name__
        if kind in _AWAY and self._changed:
            return LostHalfWay("vertex", kind)
        if kind in _AWAY:
            return TargetUnreachable("vertex", f"{kind}; log in with gcloud or by the workflow's OIDC step")
        message = str(getattr(error, "message", "")) or kind
        return MlopsLabError(f"vertex {operation} refused: {message[:200]}")
