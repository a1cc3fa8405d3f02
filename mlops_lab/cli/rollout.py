"""The command `rollout`: look at one, stop it, take it up again, or run it over real servers under load."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.display import counted
from mlops_lab.base.errors import InvalidData
from mlops_lab.cli.answers import answer
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.gate import run_of
from mlops_lab.cli.options import (
    answer_options,
    login_name,
    model_of,
    open_problem,
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
from mlops_lab.pipeline.engines import open_tracker
from mlops_lab.pipeline.problem import Problem, asked_rows, canary_policy, canary_traffic, problem_store, unit_of

if TYPE_CHECKING:
    import pandas as pd

    from mlops_lab.delivery.live import LiveRollout, Servers


@click.command()
@subject
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 60), help="Days to ask about.")
@click.option("--connections", default=16, show_default=True, type=click.IntRange(1, 256), help="Requests at once.")
@click.option("--shadow", is_flag=True, help="Ask the challenger about everything, and let nobody hear it.")
@click.option("--kill", type=click.Choice(["champion", "challenger"]), help="End that server in the middle, with -9.")
@answer_options
def live(
    subject: tuple[str, ...], days: int, connections: int, shadow: bool, kill: str | None, home: Path, as_json: bool
) -> None:
    r"""Roll out over real servers, under load.

    Starts a server for the champion and one for the challenger on this machine, with one router before them, asks about
    the decisions of some days, and lets the watch decide meanwhile. Ends with the counts: what was lost, and what a
    version answered that had been taken back. Both should be 0. It goes on where it was cut off.

    \b
    Examples:
      mlops-lab rollout live
      mlops-lab rollout live --kill challenger
      mlops-lab rollout stop --why "complaints"   in another terminal, at any moment
    """
    promotion = _promotion(open_registry(home), subject)
    if promotion.archived_version is None:
        raise InvalidData(f"{promotion.name} v{promotion.version} replaces nobody; there is no canary to watch.")
    found = asyncio.run(
        _run(promotion, home, days=days, connections=connections, shadow=shadow, kill=kill, quiet=as_json)
    )
    answer(as_json, found.to_dict(), _counts(found))


async def _run(
    promotion: Promotion, home: Path, *, days: int, connections: int, shadow: bool, kill: str | None, quiet: bool
) -> LiveRollout:
    from mlops_lab.delivery.live import Servers, live_rollout

    def tell(line: str) -> None:
        if not quiet:
            click.echo(line)

    servers = Servers(home, promotion.name)
    victim = {"champion": promotion.archived_version, "challenger": promotion.version}.get(kill or "")
    problem = open_problem(home)
    traffic, unit = _traffic(promotion, home, days, problem)
    killing = None if victim is None else asyncio.create_task(_end(servers, victim, tell))
    try:
        return await live_rollout(
            promotion,
            home,
            traffic=traffic,
            unit=unit,
            connections=connections,
            shadow=shadow,
            servers=servers,
            on_event=tell,
        )
    finally:
        if killing is not None:
            killing.cancel()
            with suppress(asyncio.CancelledError):
                await killing


async def _end(servers: Servers, version: int, tell: object) -> None:
    while len(servers.clients) < 2:
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)
    os.kill(servers.pids[version], getattr(signal, "SIGKILL", signal.SIGTERM))
    if callable(tell):
        tell(f"the server of v{version} was killed")


def _traffic(promotion: Promotion, home: Path, days: int, problem: Problem) -> tuple[pd.DataFrame, float | None]:
    """The rows to ask about with every feature that one of the two models needs, as known then; and their unit."""
    clock = SystemClock()
    registry, tracker = open_registry(home), open_tracker(home, clock=clock)
    versions = [
        registry.get_model_version(promotion.name, one or 0) for one in (promotion.archived_version, promotion.version)
    ]
    run = run_of(versions[1], home)
    if run is None:
        raise InvalidData(f"{promotion.name} v{promotion.version}: the trace of the run that made it is gone.")
    asked = asked_rows(problem, days=days, at=run.logical_date)
    store, rows = problem_store(home, clock=clock, problem=problem), asked[[problem.key]]
    for version in versions:
        service = str(tracker.get_run(version.run_id).params["feature_service"])
        known = store.replay(asked, features=service)
        rows = rows.assign(**{name: known.frame[name] for name in known.features if name not in rows.columns})
    found: Any = rows.astype("object").where(rows.notna(), None).to_dict("records")
    told: pd.DataFrame = (
        asked[[problem.key, "event_timestamp", "label_timestamp", problem.label]]
        .set_axis(["key", "at", "known_at", "truth"], axis=1)
        .assign(truth=asked[problem.label].astype("int8" if problem.kind == "classification" else "float64"), row=found)
    )
    return told.assign(key=told["key"].astype(str)), unit_of(problem, asked)


def _counts(found: LiveRollout) -> str:
    asked = found.counts.get("asked again", 0)
    lines = [f"v{version} answered {count:,}" for version, count in sorted(found.by_version.items())]
    lines.append(
        f"{counted(found.sent, 'request')}: {found.sent - found.lost:,} answered, {found.lost} lost, {asked} asked "
        f"again by the router, {found.after_the_end} answered by a version that had been taken back"
    )
    for version, count in sorted(found.restarts.items()):
        lines.append(f"the server of v{version} was started again {'once' if count == 1 else f'{count} times'}")
    lines += [f"lost: {counted(count, 'time')} {why}" for why, count in found.why_lost.most_common(3)]
    return "\n".join(lines)


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
    nothing = f"{promotion.name} v{promotion.version}: not begun; begin with: mlops-lab rollout resume"
    told = {"rollout": None if found is None else found.to_dict(), "promotion": promotion}
    answer(as_json, told, nothing if found is None else found.trace())


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
    open_problem(home)
    here: dict[str, Any] = {"home": home, "clock": SystemClock()}
    traffic = canary_traffic(present, champion, days=days or run.params["watch_days"], at=run.logical_date, **here)
    policy = canary_policy(present, champion, **here)
    _answer(roll_out(promotion, registry, traffic=traffic, policy=policy), promotion, as_json)


rollout.add_command(live)
