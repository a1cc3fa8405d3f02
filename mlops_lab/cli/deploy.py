"""The command `deploy`: a promoted version, or traffic alone, on a target outside this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import InvalidData, MissingExtra, UnknownName
from mlops_lab.cli.answers import Stopped, answer
from mlops_lab.cli.options import answer_options, begins, login_name, model_of, open_registry
from mlops_lab.models.rollout import RolloutPolicy, promotion_of

if TYPE_CHECKING:
    from mlops_lab.adapters.metrics import Metrics
    from mlops_lab.adapters.targets import Target


#: The target is not set up or cannot be reached, and nothing was changed; GitHub's word for that is neutral.
NEUTRAL = 4
_PLACES = {"kubernetes": "KUBE_NAMESPACE", "sagemaker": "SAGEMAKER_ENDPOINT", "vertex": "VERTEX_ENDPOINT"}


@click.command()
@click.argument("target", metavar="TARGET", shell_complete=lambda _context, _param, text: begins(text, _PLACES))
@click.option("--weight", type=click.IntRange(0, 100), help="Percent of the traffic for the challenger.")
@click.option("--rollback", is_flag=True, help="Give everything back to the champion: the same as --weight 0.")
@click.option("--version", type=click.IntRange(1), help="Deliver this promoted version; with --rollback, take it back.")
@click.option("--model", help="With --version: the registered model.  [default: the home's]")
@click.option("--image", metavar="NAME:TAG", help="With --version: the image that holds it.")
@click.option(
    "--model-data", metavar="S3URI", default="", help="SageMaker: its packed home folder, s3://…/model.tar.gz."
)
@click.option("--role", metavar="ARN", default="", help="SageMaker: the role that its container runs under.")
@click.option("--weights", default="5,25,100", show_default=True, help="With --version: percent, step by step.")
@click.option("--metrics", metavar="URL", help="Kubernetes: the Prometheus that scrapes the challenger's pods.")
@click.option("--wait", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds between two looks.")
@click.option("--looks", type=click.IntRange(1), default=10, show_default=True, help="Looks at one weight at most.")
@click.option("--answers", type=click.IntRange(1), default=100, show_default=True, help="Answers that judge a step.")
@click.option("--endpoint", metavar="NAME", help="Where: see below.  [default: from the environment]")
@click.option(
    "--pods", type=click.IntRange(2, 1000), help="Kubernetes: pods of both at least.  [default: those that run]"
)
@click.option("--region", metavar="NAME", help="SageMaker: the AWS region.  [default: from the environment]")
@click.option("--by", metavar="WHO", default=None, show_default="your login name", help="Who decides this.")
@answer_options
def deploy(
    target: str,
    weight: int | None,
    rollback: bool,
    version: int | None,
    endpoint: str | None,
    pods: int | None,
    region: str | None,
    home: Path,
    as_json: bool,
    **words: Any,
) -> int:
    r"""Deliver a promoted version to a target, shift traffic to a challenger there, or take it back.

    With --version, the promoted version is deployed as the challenger, gets the traffic step by step, and becomes the
    champion. At each step the target's metrics are judged by the rules of `rollout` for errors and latency. Refused, or
    failed on the way: the champion has all of the traffic again, and the registry's former version is in Production.

    With --weight or --rollback alone the traffic is shifted and nothing else: `mlops-lab export TARGET` writes what
    puts the two there. Asked for twice, it is done once, so a job that was cut off may run again. Credentials come from
    where the cloud's own tools take them (kubeconfig, AWS_ variables, application default credentials) and are never
    printed.

    \b
    Targets, and where --endpoint is taken from when it is left out:
      kubernetes  a namespace with the overlay production-canary     KUBE_NAMESPACE
      sagemaker   an endpoint with a variant champion                SAGEMAKER_ENDPOINT
      vertex      projects/P/locations/REGION/endpoints/ID           VERTEX_ENDPOINT

    \b
    Examples:
      mlops-lab deploy kubernetes --weight 25
      mlops-lab deploy kubernetes --version 3 --image ghcr.io/ada/model:v3 --metrics http://prometheus:9090
      mlops-lab deploy sagemaker --version 3 --image IMAGE --model-data s3://b/v3/model.tar.gz --role ARN
      mlops-lab deploy vertex --rollback --version 3

    \b
    Exit codes:
      0  the weights are as asked, or the version is the champion
      1  a usage error, or the target refused
      2  the version was judged not good enough; everything was taken back
      4  neutral: the target is not set up here or cannot be reached; nothing was changed
    """
    if target not in _PLACES:
        raise UnknownName("target", target, _PLACES)
    if version is None and (weight is None) == (not rollback):
        raise InvalidData("say either --weight PERCENT or --rollback.")
    if version is not None and weight is not None:
        raise InvalidData("--weight shifts traffic by hand; with --version say --weights, or --rollback.")
    told = {"target": target, "reached": False, "split": None}
    place = endpoint or os.environ.get(_PLACES[target], "").strip()
    if not place:
        why = f"{target}: the variable {_PLACES[target]} is not set and --endpoint is not given. Nothing was changed."
        raise Stopped(why, code=NEUTRAL, kind="TargetUnreachable", told={**told, "why": why})
    from mlops_lab.adapters.targets import TargetUnreachable, shift

    there = _target(target, place, model=model_of(home), pods=pods, region=region)
    try:
        if version is not None:
            return _deliver(target, place, there, version, rollback, region, home, as_json, words)
        split = shift(there, 0 if rollback else weight or 0)
    except (TargetUnreachable, MissingExtra) as error:
        raise Stopped(str(error), code=NEUTRAL, kind=type(error).__name__, told={**told, "why": str(error)}) from None
    shown = repr(split).removeprefix("TrafficSplit(").removesuffix(")")
    return answer(as_json, {**told, "reached": True, "split": split.to_dict()}, shown)


def _deliver(
    target: str,
    place: str,
    there: Any,
    version: int,
    rollback: bool,
    region: str | None,
    home: Path,
    as_json: bool,
    words: Mapping[str, Any],
) -> int:
    from mlops_lab.adapters.canary import deliver, take_back
    from mlops_lab.adapters.split import Release

    registry = open_registry(home)
    promotion = promotion_of(registry, words["model"] or model_of(home), version)
    where, actor = f"{target} {place}", words["by"] or login_name()
    if rollback:
        take_back(there, promotion, registry, place=where, actor=actor, why=f"taken back from {where} by hand")
        return answer(as_json, {"target": target, "reached": True, "state": "taken_back"}, "taken back")
    if not words["image"]:
        raise InvalidData("say with --image which image holds the version.")
    try:
        weights = tuple(int(each) for each in words["weights"].replace(",", " ").split())
    except ValueError:
        raise InvalidData(f"--weights is {words['weights']!r}; write numbers, such as 5,25,100.") from None
    found = deliver(
        there,
        promotion,
        registry,
        Release(version, words["image"], words["model_data"], words["role"]),
        place=where,
        metrics=_metrics(target, place, there, region, words["metrics"]),
        policy=RolloutPolicy(weights=weights, min_labels=words["answers"], max_seconds=1.0, noun="requests"),
        seconds=words["wait"],
        looks=words["looks"],
        clock=SystemClock(),
        actor=actor,
        on_event=None if as_json else click.echo,
    )
    shown = repr(found).removeprefix("Delivery(").removesuffix(")")
    told, code = {"target": target, "reached": True, **found.to_dict()}, 0 if found.state == "delivered" else 2
    return answer(as_json, told, shown, code=code)


def _metrics(target: str, place: str, there: Any, region: str | None, address: str | None) -> Metrics:
    from mlops_lab.adapters.metrics import CloudMonitoring, CloudWatch, Prometheus

    if target == "sagemaker":
        return CloudWatch(place, region=region)
    if target == "vertex":
        return CloudMonitoring(place, model=there.challenger_id)
    if address is None:
        raise InvalidData("say with --metrics where the Prometheus is that scrapes the challenger's pods.")
    return Prometheus(address)


def _target(target: str, place: str, *, model: str, pods: int | None, region: str | None) -> Target:
    from mlops_lab.adapters.targets import KubernetesTarget, SageMakerTarget, VertexTarget

    if target == "kubernetes":
        return KubernetesTarget(place, name=model.replace("_", "-"), pods=pods)
    return SageMakerTarget(place, region=region) if target == "sagemaker" else VertexTarget(place, model=model)
