"""How does a terminal or a workflow shift traffic on a target outside this machine?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from mlops_lab.base.errors import InvalidData, MissingExtra, UnknownName
from mlops_lab.cli.answers import Stopped, print_json

if TYPE_CHECKING:
    from mlops_lab.adapters.targets import Target

__all__ = ["NEUTRAL", "deploy"]

#: The target is not set up or cannot be reached, and nothing was changed; GitHub's word for that is neutral.
NEUTRAL = 4
_PLACES = {"kubernetes": "KUBE_NAMESPACE", "sagemaker": "SAGEMAKER_ENDPOINT", "vertex": "VERTEX_ENDPOINT"}


@click.command()
@click.argument("target", metavar="TARGET")
@click.option("--weight", type=click.IntRange(0, 100), help="Percent of the traffic for the challenger.")
@click.option("--rollback", is_flag=True, help="Give everything back to the champion: the same as --weight 0.")
@click.option("--endpoint", metavar="NAME", help="Where: see below.  [default: from the environment]")
@click.option(
    "--pods", type=click.IntRange(2, 1000), help="Kubernetes: pods of both at least.  [default: those that run]"
)
@click.option("--region", metavar="NAME", help="SageMaker: the AWS region.  [default: from the environment]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def deploy(
    target: str,
    weight: int | None,
    rollback: bool,
    endpoint: str | None,
    pods: int | None,
    region: str | None,
    as_json: bool,
) -> None:
    r"""Shift traffic to the challenger on a target, or take it back.

    The champion and the challenger stand behind one door already: `mlops-lab export TARGET` writes what puts them
    there. Asked for twice, it is done once, so a job that was cut off may run again. Credentials come from where the
    cloud's own tools take them (kubeconfig, AWS_ variables, application default credentials) and are never printed.

    \b
    Targets, and where --endpoint is taken from when it is left out:
      kubernetes  a namespace with the overlay production-canary     KUBE_NAMESPACE
      sagemaker   an endpoint with variants champion and challenger  SAGEMAKER_ENDPOINT
      vertex      projects/P/locations/REGION/endpoints/ID           VERTEX_ENDPOINT

    \b
    Examples:
      mlops-lab deploy kubernetes --weight 25 --pods 8
      mlops-lab deploy sagemaker --weight 5 --endpoint late-flights
      mlops-lab deploy vertex --rollback

    \b
    Exit codes:
      0  the weights are as asked
      1  a usage error, or the target refused
      4  neutral: the target is not set up here or cannot be reached; nothing was changed
    """
    if target not in _PLACES:
        raise UnknownName("target", target, _PLACES)
    if (weight is None) == (not rollback):
        raise InvalidData("say either --weight PERCENT or --rollback.")
    told = {"target": target, "reached": False, "split": None}
    place = endpoint or os.environ.get(_PLACES[target], "").strip()
    if not place:
        why = f"{target}: the variable {_PLACES[target]} is not set and --endpoint is not given. Nothing was changed."
        raise Stopped(why, code=NEUTRAL, kind="TargetUnreachable", told={**told, "why": why})
    from mlops_lab.adapters.targets import TargetUnreachable, shift

    try:
        split = shift(_target(target, place, pods=pods, region=region), 0 if rollback else weight or 0)
    except (TargetUnreachable, MissingExtra) as error:
        raise Stopped(str(error), code=NEUTRAL, kind=type(error).__name__, told={**told, "why": str(error)}) from None
    if as_json:
        print_json({**told, "reached": True, "split": split.to_dict()})
    else:
        click.echo(repr(split).removeprefix("TrafficSplit(").removesuffix(")"))


def _target(target: str, place: str, *, pods: int | None, region: str | None) -> Target:
    from mlops_lab.adapters.targets import KubernetesTarget, SageMakerTarget, VertexTarget

    if target == "kubernetes":
        return KubernetesTarget(place, pods=pods)
    return SageMakerTarget(place, region=region) if target == "sagemaker" else VertexTarget(place)
