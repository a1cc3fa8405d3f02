"""A challenger's share on a SageMaker endpoint: the weights of its two variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_lab.adapters.split import LostHalfWay, Release, TargetUnreachable, TrafficSplit
from mlops_lab.base.clock import Clock, SystemClock
from mlops_lab.base.errors import InvalidDefinition, MissingExtra, MlopsLabError, NotAllowed, UnknownName
from mlops_lab.base.fingerprint import fingerprint_json

_VARIANTS = ("champion", "challenger")
_CHANGING = ("Creating", "Updating", "SystemUpdating", "RollingBack")
_SECONDS = 1800.0  # as long as the waiter `endpoint_in_service` of boto3 waits
_AWAY = (
    *("NoCredentialsError", "PartialCredentialsError", "NoRegionError", "EndpointConnectionError"),
    *("ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError", "SSLError", "ProxyConnectionError"),
)
_BUSY = ("ThrottlingException", "Throttling", "TooManyRequestsException", "ServiceUnavailable", "InternalFailure")


class SageMakerTarget:
    """An endpoint with the variants `champion` and `challenger`.

    SageMaker takes minutes to shift weights and refuses another change meanwhile. So each call waits until the endpoint
    rests, asks, waits until it is in service again, and looks whether it has the weights that were asked for. A look
    in between that AWS is too busy for, or that gets lost, is taken again. A rollback (weight 0) is asked for in
    whatever state the endpoint rests.

    Args:
        endpoint: the endpoint's name.
        region: the AWS region; what the environment says when left out.
        client: a boto3 client for SageMaker; for tests.
        clock: what waits between two looks.
        seconds: how long one call waits at most for the endpoint, before the change and after it.

    >>> class Endpoint:
    ...     weights = {"champion": 1.0, "challenger": 0.0}
    ...     def describe_endpoint(self, **_):
    ...         variants = [{"VariantName": name, "CurrentWeight": each} for name, each in self.weights.items()]
    ...         return {"EndpointStatus": "InService", "ProductionVariants": variants}
    ...     def update_endpoint_weights_and_capacities(self, **request):
    ...         wanted = request["DesiredWeightsAndCapacities"]
    ...         self.weights = {each["VariantName"]: each["DesiredWeight"] for each in wanted}
    >>> SageMakerTarget("late", client=Endpoint()).set_weight(5)
    TrafficSplit(sagemaker late: champion 95 %, challenger 5 %)
    """

    def __init__(
        self,
        endpoint: str,
        *,
        region: str | None = None,
        client: Any = None,
        clock: Clock | None = None,
        seconds: float = _SECONDS,
    ) -> None:
        self.endpoint = endpoint
        self.region = region
        self.seconds = seconds
        self._client = client
        self._clock = clock if clock is not None else SystemClock()
        self._changed = False

    def set_weight(self, weight: int) -> TrafficSplit:
        """Set both variants' weights in one call: there is no moment between the old shares and the new."""
        found = self._at_rest()
        there = [str(each["VariantName"]) for each in found.get("ProductionVariants", [])]
        for name in _VARIANTS:
            if name not in there:
                raise UnknownName("variant", name, there, where=f"endpoint {self.endpoint}")
        if weight and found["EndpointStatus"] != "InService":
            raise self._not_in_service(found)
        shares = {"champion": 100.0 - weight, "challenger": float(weight)}
        wanted = [{"VariantName": name, "DesiredWeight": share} for name, share in shares.items()]
        self._ask(
            "update_endpoint_weights_and_capacities", EndpointName=self.endpoint, DesiredWeightsAndCapacities=wanted
        )
        found = self._at_rest()
        if found["EndpointStatus"] != "InService":
            raise self._not_in_service(found)
        given = {each["VariantName"]: each.get("CurrentWeight") for each in found.get("ProductionVariants", [])}
        reached = [given[name] for name in _VARIANTS if given.get(name) is not None]
        if len(reached) == len(_VARIANTS) and not _same_shares(reached, list(shares.values())):
            told = " and ".join(f"{name} {given[name]:g}" for name in _VARIANTS)
            raise MlopsLabError(
                f"endpoint {self.endpoint} is in service again, but with the weights {told}: it rolled back by itself."
            )
        return TrafficSplit("sagemaker", self.endpoint, 100.0 - weight, float(weight), asked=float(weight))

    def put_challenger(self, release: Release) -> None:
        """The endpoint gets a challenger of the release, without traffic and as large as its champion."""
        if not release.model_data.startswith("s3://") or not release.role:
            raise InvalidDefinition(
                "SageMaker needs the packed home folder in S3 (s3://…/model.tar.gz) and a role's ARN."
            )
        found = self._at_rest()
        given = {str(each["VariantName"]): each for each in found.get("ProductionVariants", [])}
        if given.get("challenger", {}).get("CurrentWeight"):
            raise NotAllowed(
                f"endpoint {self.endpoint} has a challenger with traffic; take that one back first: --rollback."
            )
        variants = {each["VariantName"]: each for each in self._variants(found)}
        if "champion" not in variants:
            raise UnknownName("variant", "champion", variants, where=f"endpoint {self.endpoint}")
        model = f"{self.endpoint}-v{release.version}"
        container: dict[str, Any] = {"Image": release.image, "ModelDataUrl": release.model_data}
        container["Environment"] = {"MLOPS_LAB_VERSION": str(release.version)}
        self._make("create_model", ModelName=model, PrimaryContainer=container, ExecutionRoleArn=release.role)
        champion = dict(variants["champion"])
        champion["InitialInstanceCount"] = given.get("champion", {}).get("CurrentInstanceCount") or champion.get(
            "InitialInstanceCount", 1
        )
        self._configure(champion, {**champion, "ModelName": model})

    def make_champion(self, release: Release) -> None:
        """The champion's variant gets the challenger's model, which is started beside the old one before the switch."""
        variants = {each["VariantName"]: dict(each) for each in self._variants(self._at_rest())}
        model = {"ModelName": variants["challenger"]["ModelName"]}
        if not str(model["ModelName"]).endswith(f"-v{release.version}"):
            raise NotAllowed(
                f"the challenger of endpoint {self.endpoint} is {model['ModelName']}, not v{release.version}."
            )
        self._configure({**variants["champion"], **model}, {**variants["challenger"], "InitialInstanceCount": 1})

    def _variants(self, found: Mapping[str, Any]) -> list[dict[str, Any]]:
        config = self._ask("describe_endpoint_config", EndpointConfigName=found["EndpointConfigName"])
        return list(config["ProductionVariants"])

    def _configure(self, champion: Mapping[str, Any], challenger: Mapping[str, Any]) -> None:
        """A configuration with these two, all traffic to the champion; named by what is in it, so it is made once."""
        variants = [
            {**champion, "VariantName": "champion", "InitialVariantWeight": 1.0},
            {**challenger, "VariantName": "challenger", "InitialVariantWeight": 0.0},
        ]
        name = f"{self.endpoint[:50]}-{fingerprint_json(variants).removeprefix('sha256:')[:12]}"
        if self._at_rest().get("EndpointConfigName") == name:
            return
        self._make("create_endpoint_config", EndpointConfigName=name, ProductionVariants=variants)
        self._ask("update_endpoint", EndpointName=self.endpoint, EndpointConfigName=name)
        found = self._at_rest()
        if found["EndpointStatus"] != "InService":
            raise self._not_in_service(found)
        if found.get("EndpointConfigName") != name:
            raise MlopsLabError(f"endpoint {self.endpoint} took the change back; its log in CloudWatch says why.")

    def _make(self, operation: str, **request: Any) -> None:
        """Create what may be there from a job that was cut off; names here say what is in it."""
        try:
            self._ask(operation, **request)
        except MlopsLabError as error:
            if "existing" not in str(error):
                raise

    def _at_rest(self) -> dict[str, Any]:
        """The endpoint once nothing changes it any more, in whatever state that leaves it."""
        waited, pause = 0.0, 1.0
        while True:
            try:
                found = self._ask("describe_endpoint", EndpointName=self.endpoint)
                if found["EndpointStatus"] not in _CHANGING:
                    return found
                if waited >= self.seconds:
                    raise self._not_in_service(found, after=f" after {waited:g} s")
            except LostHalfWay:
                if waited >= self.seconds:
                    raise
            self._clock.sleep(pause)
            waited, pause = waited + pause, min(2 * pause, 15.0)

    def _not_in_service(self, found: Mapping[str, Any], after: str = "") -> MlopsLabError:
        why = f" ({str(found['FailureReason'])[:200]})" if found.get("FailureReason") else ""
        status = found["EndpointStatus"]
        return MlopsLabError(f"endpoint {self.endpoint} is {status}{after}{why}; wait until it is InService.")

    def _ask(self, operation: str, **request: Any) -> dict[str, Any]:
        if self._client is None:
            self._client = self._connect()
        self._changed = self._changed or not operation.startswith("describe")  # also where the answer gets lost
        try:
            answer = getattr(self._client, operation)(**request)
        except Exception as error:
            raise self._told(operation, error) from None
        return dict(answer or {})

    def _connect(self) -> Any:
        try:
            import boto3
        except ImportError:
            raise MissingExtra("sagemaker") from None
        try:
            return boto3.client("sagemaker", region_name=self.region)
        except Exception as error:
            raise self._told("connect", error) from None

    def _told(self, operation: str, error: Exception) -> MlopsLabError:
        """The error in our words: its code and message, never the request, which may hold a token."""
        kind = type(error).__name__
        answer = getattr(error, "response", None)
        told = answer.get("Error", {}) if isinstance(answer, dict) else {}
        if self._changed and (kind in _AWAY or (told.get("Code") in _BUSY and operation.startswith("describe"))):
            return LostHalfWay("sagemaker", str(told.get("Code") or kind))
        if kind in _AWAY:
            return TargetUnreachable("sagemaker", f"{kind}; set AWS_REGION and log in")
        if not told:
            return MlopsLabError(f"sagemaker {operation} failed: {kind}.")
        return MlopsLabError(f"sagemaker {operation} refused: {told.get('Code')}: {str(told.get('Message'))[:200]}")


def _same_shares(reached: Sequence[float], wanted: Sequence[float]) -> bool:
    """Are these the same shares, whatever their sum is?"""
    total = sum(reached)
    return total > 0 and all(abs(100 * one / total - other) < 0.01 for one, other in zip(reached, wanted, strict=True))
