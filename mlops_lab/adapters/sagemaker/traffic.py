"""How does a SageMaker endpoint give a challenger its share: by the weights of its two variants?"""

from __future__ import annotations

from typing import Any

from mlops_lab.adapters.split import TargetUnreachable, TrafficSplit
from mlops_lab.base.errors import InvalidDefinition, MissingExtra, MlopsLabError, UnknownName

__all__ = ["SageMakerTarget", "endpoint_requests"]

_VARIANTS = ("champion", "challenger")
_AWAY = (
    "NoCredentialsError",
    "NoRegionError",
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "PartialCredentialsError",
)


def endpoint_requests(
    endpoint: str, *, image: str, role: str, champion: str, challenger: str, instance_type: str = "ml.m5.large"
) -> list[tuple[str, dict[str, Any]]]:
    """The calls that put a champion and a challenger behind one endpoint, as (operation of boto3, its arguments).

    The challenger begins at weight 0: it is there, and nobody is answered by it yet.

    Args:
        endpoint: the endpoint's name.
        image: the course's image, in ECR.
        role: the ARN of the role that the containers run under.
        champion: where in S3 the champion's home folder is, as a model.tar.gz.
        challenger: the same for the challenger.
        instance_type: what each runs on.

    >>> calls = endpoint_requests("late", image="ecr/late:v2", role="arn:aws:iam::1:role/r",
    ...                           champion="s3://b/v1/model.tar.gz", challenger="s3://b/v2/model.tar.gz")
    >>> [operation for operation, _ in calls]
    ['create_model', 'create_model', 'create_endpoint_config', 'create_endpoint']

    See Also:
        https://docs.aws.amazon.com/sagemaker/latest/dg/model-ab-testing.html
    """
    calls: list[tuple[str, dict[str, Any]]] = []
    variants = []
    for variant, data in zip(_VARIANTS, (champion, challenger), strict=True):
        if not data.startswith("s3://"):
            raise InvalidDefinition(f"the {variant}'s home folder is {data!r}; SageMaker takes s3:// only.")
        name = f"{endpoint}-{variant}"
        container = {"Image": image, "ModelDataUrl": data, "Environment": {"MLOPS_LAB_VERSION": "latest"}}
        request = {"ModelName": name, "PrimaryContainer": container, "ExecutionRoleArn": role}
        calls.append(("create_model", {**request, "EnableNetworkIsolation": True}))
        variants.append(
            {
                "VariantName": variant,
                "ModelName": name,
                "InitialInstanceCount": 1,
                "InstanceType": instance_type,
                "InitialVariantWeight": 1.0 if variant == "champion" else 0.0,
                "ContainerStartupHealthCheckTimeoutInSeconds": 300,
            }
        )
    config = f"{endpoint}-config"
    calls.append(("create_endpoint_config", {"EndpointConfigName": config, "ProductionVariants": variants}))
    calls.append(("create_endpoint", {"EndpointName": endpoint, "EndpointConfigName": config}))
    return calls


class SageMakerTarget:
    """An endpoint with the variants `champion` and `challenger`, as `endpoint_requests` makes it.

    Args:
        endpoint: the endpoint's name.
        region: the AWS region; what the environment says when left out.
        client: a boto3 client for SageMaker; for tests.

    >>> class Paper:
    ...     def describe_endpoint(self, **_):
    ...         variants = [{"VariantName": name, "CurrentWeight": 1.0} for name in ("champion", "challenger")]
    ...         return {"EndpointStatus": "InService", "ProductionVariants": variants}
    ...     def update_endpoint_weights_and_capacities(self, **request):
    ...         print(request["DesiredWeightsAndCapacities"][1])
    >>> SageMakerTarget("late", client=Paper()).set_weight(5)
    {'VariantName': 'challenger', 'DesiredWeight': 5.0}
    TrafficSplit(sagemaker late: champion 95 %, challenger 5 %)
    """

    def __init__(self, endpoint: str, *, region: str | None = None, client: Any = None) -> None:
        self.endpoint = endpoint
        self.region = region
        self._client = client

    def set_weight(self, weight: int) -> TrafficSplit:
        """Set both variants' weights in one call: there is no moment between the old shares and the new."""
        found = self._ask("describe_endpoint", EndpointName=self.endpoint)
        there = [str(each["VariantName"]) for each in found.get("ProductionVariants", [])]
        for name in _VARIANTS:
            if name not in there:
                raise UnknownName("variant", name, there, where=f"endpoint {self.endpoint}")
        if found["EndpointStatus"] != "InService":
            raise MlopsLabError(f"endpoint {self.endpoint} is {found['EndpointStatus']}; wait until it is InService.")
        shares = {"champion": 100.0 - weight, "challenger": float(weight)}
        wanted = [{"VariantName": name, "DesiredWeight": share} for name, share in shares.items()]
        self._ask(
            "update_endpoint_weights_and_capacities", EndpointName=self.endpoint, DesiredWeightsAndCapacities=wanted
        )
        return TrafficSplit("sagemaker", self.endpoint, 100.0 - weight, float(weight), asked=float(weight))

    def _ask(self, operation: str, **request: Any) -> dict[str, Any]:
        if self._client is None:
            self._client = self._connect()
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
        if kind in _AWAY and operation.startswith("update"):
            return MlopsLabError(f"sagemaker was lost half-way ({kind}); ask for the same weight again.")
        if kind in _AWAY:
            return TargetUnreachable("sagemaker", f"{kind}; set AWS_REGION and log in")
        answer = getattr(error, "response", None)
        if not isinstance(answer, dict):
            return MlopsLabError(f"sagemaker {operation} failed: {kind}.")
        told = answer.get("Error", {})
        return MlopsLabError(f"sagemaker {operation} refused: {told.get('Code')}: {str(told.get('Message'))[:200]}")
