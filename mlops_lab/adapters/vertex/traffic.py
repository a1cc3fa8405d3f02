"""How does a Vertex AI endpoint give a challenger its share: by its traffic split?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlops_lab.adapters.split import TargetUnreachable, TrafficSplit
from mlops_lab.base.errors import InvalidDefinition, MissingExtra, MlopsLabError, NotAllowed

__all__ = ["VertexTarget"]

_SECONDS = 60.0
_AWAY = ("ServiceUnavailable", "DefaultCredentialsError", "RetryError", "DeadlineExceeded", "RefreshError")
_NAME = re.compile(r"projects/[^/]+/locations/(?P<region>[a-z0-9-]+)/endpoints/[^/]+")


class VertexTarget:
    """An endpoint with two deployed models, whose display names are `champion` and `challenger`.

    Args:
        endpoint: its full name, `projects/P/locations/REGION/endpoints/ID`.
        client: an `EndpointServiceClient`; for tests.

    Raises:
        InvalidDefinition: it is no name of an endpoint.

    >>> VertexTarget("late-flights")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidDefinition: 'late-flights' is no endpoint; write
    projects/P/locations/REGION/endpoints/ID.

    See Also:
        https://cloud.google.com/vertex-ai/docs/predictions/configure-traffic-split
    """

    def __init__(self, endpoint: str, *, client: Any = None) -> None:
        found = _NAME.fullmatch(endpoint)
        if found is None:
            raise InvalidDefinition(f"{endpoint!r} is no endpoint; write projects/P/locations/REGION/endpoints/ID.")
        self.endpoint = endpoint
        self.region = found["region"]
        self._client = client

    def set_weight(self, weight: int) -> TrafficSplit:
        """Replace the traffic split in one call; models other than the two get nothing."""
        found = self._ask("get_endpoint", name=self.endpoint)
        numbers = {str(each.display_name): str(each.id) for each in found.deployed_models}
        missing = [name for name in ("champion", "challenger") if name not in numbers]
        if missing and not (weight == 0 and missing == ["challenger"]):
            there = ", ".join(sorted(numbers)) or "none"
            raise NotAllowed(f"endpoint {self.endpoint} has no {missing[0]} deployed; there is: {there}.")
        split = {numbers["champion"]: 100 - weight}
        if "challenger" in numbers:
            split[numbers["challenger"]] = weight
        self._update(split)
        return TrafficSplit("vertex", self.endpoint, 100.0 - weight, float(weight), asked=float(weight))

    def _update(self, split: Mapping[str, int]) -> None:
        endpoint = {"name": self.endpoint, "traffic_split": dict(split)}
        self._ask("update_endpoint", endpoint=endpoint, update_mask={"paths": ["traffic_split"]})

    def _ask(self, operation: str, **request: Any) -> Any:
        if self._client is None:
            self._client = self._connect()
        try:
            return getattr(self._client, operation)(request=request, timeout=_SECONDS, retry=None)
        except Exception as error:
            raise _told(operation, error) from None

    def _connect(self) -> Any:
        try:
            from google.cloud.aiplatform_v1.services.endpoint_service import EndpointServiceClient
        except ImportError:
            raise MissingExtra("vertex") from None
        try:
            return EndpointServiceClient(client_options={"api_endpoint": f"{self.region}-aiplatform.googleapis.com"})
        except Exception as error:
            raise _told("connect", error) from None


def _told(operation: str, error: Exception) -> MlopsLabError:
    """The error in our words: its kind and message, never the request."""
    kind = type(error).__name__
    if kind in _AWAY and operation.startswith("update"):
        return MlopsLabError(f"vertex was lost half-way ({kind}); ask for the same weight again.")
    if kind in _AWAY:
        return TargetUnreachable("vertex", f"{kind}; log in with gcloud or by the workflow's OIDC step")
    message = str(getattr(error, "message", "")) or kind
    return MlopsLabError(f"vertex {operation} refused: {message[:200]}")
