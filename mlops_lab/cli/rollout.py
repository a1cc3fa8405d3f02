"""How is a rollout looked at, stopped and taken up again from a terminal?"""

from __future__ import annotations

from pathlib import Path

import click

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import InvalidData
from mlops_lab.cli.answers import print_json
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.live import live
from mlops_lab.cli.options import (
    answer_options,
    login_name,
    model_of,
    open_registry,
    person,
    split_subject,
    subject,
    version_of,
)
from mlops_lab.models.registry import Promotion, Registry
from mlops_lab.models.rollout import Deployment, deployment_of, promotion_of
from mlops_lab.models.rollout import rollout as roll_out
from mlops_lab.models.rollout import stop as stop_rollout
from mlops_lab.pipeline.problem import canary_traffic


@click.group("rollout", cls=Family, context_settings=SETTINGS)
def rollout() -> None:
    r"""Rollouts: look, stop, go on.

    How a promoted version takes over, and how it is taken back. The version is the one that was promoted
    last when none is given.

    \b
    Examples:
      mlops-lab rollout status
      mlops-lab rollout stop --by grace --why "complaints"
      mlops-lab rollout resume
      mlops-lab rollout live --days 7
    """


def _promotion(registry: Registry, subject: tuple[str, ...]) -> Promotion:
    name, number = split_subject(subject, model_of(registry.home))
    return promotion_of(registry, name, None if number is None else version_of(registry, subject).version)


def _answer(found: Deployment | None, promotion: Promotion, as_json: bool) -> None:
    if as_json:
        print_json({"rollout": None if found is None else found.to_dict(), "promotion": promotion})
    elif found is None:
        click.echo(f"{promotion.name} v{promotion.version}: not begun; begin with: mlops-lab rollout resume")
    else:
        click.echo(found.trace())


@rollout.command()
@subject
@answer_options
def status(subject: tuple[str, ...], home: Path, as_json: bool) -> None:
    """Where does it stand? One line for every day that was watched."""
    registry = open_registry(home)
    promotion = _promotion(registry, subject)
    _answer(deployment_of(registry, promotion), promotion, as_json)


@rollout.command()
@subject
@person
@answer_options
def stop(subject: tuple[str, ...], by: str | None, why: str, home: Path, as_json: bool) -> None:
    """Stop a running rollout: the former version comes back and answers everything again."""
    registry = open_registry(home)
    promotion = _promotion(registry, subject)
    reason = why or "stopped from the command line"
    _answer(stop_rollout(promotion, registry, actor=by or login_name(), why=reason), promotion, as_json)


@rollout.command()
@subject
@click.option("--days", type=click.IntRange(1, 60), help="Days to watch.  [default: as its run was told]")
@answer_options
def resume(subject: tuple[str, ...], days: int | None, home: Path, as_json: bool) -> None:
    """Begin a rollout, or go on with one that was cut off; days that were watched are not watched again."""
    from mlops_lab.cli.gate import run_of
    from mlops_lab.cli.options import open_problem

    registry = open_registry(home)
    promotion = _promotion(registry, subject)
    present = registry.get_production(promotion.name)
    if present is None or present.version != promotion.version:
        raise InvalidData(f"{promotion.name} v{promotion.version} is not in Production any more.")
    run = run_of(present, home)
    if run is None:
        raise InvalidData(f"{present.name} v{present.version}: the trace of the run that made it is gone.")
    former = promotion.archived_version
    champion = None if former is None else registry.get_model_version(promotion.name, former)
    problem = open_problem(home)
    traffic = canary_traffic(
        present, champion, days=days or run.params["watch_days"], at=run.logical_date, home=home, clock=SystemClock()
    )
    _answer(roll_out(promotion, registry, traffic=traffic, policy=problem.canary), promotion, as_json)


rollout.add_command(live)
