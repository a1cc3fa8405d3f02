"""The command `rollout live`: a rollout over real servers, under load."""

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
from mlops_lab.cli.answers import print_json
from mlops_lab.cli.options import answer_options, model_of, open_registry, split_subject, subject, version_of
from mlops_lab.models.registry import Promotion
from mlops_lab.models.rollout import promotion_of
from mlops_lab.pipeline.engines import open_tracker
from mlops_lab.pipeline.problem import Problem, asked_rows, problem_store, unit_of

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
    registry = open_registry(home)
    name, number = split_subject(subject, model_of(registry.home))
    promotion = promotion_of(registry, name, None if number is None else version_of(registry, subject).version)
    if promotion.archived_version is None:
        raise InvalidData(f"{name} v{promotion.version} replaces nobody; there is no canary to watch.")
    found = asyncio.run(
        _run(promotion, home, days=days, connections=connections, shadow=shadow, kill=kill, quiet=as_json)
    )
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found)


async def _run(
    promotion: Promotion, home: Path, *, days: int, connections: int, shadow: bool, kill: str | None, quiet: bool
) -> LiveRollout:
    from mlops_lab.cli.options import open_problem
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
    from mlops_lab.cli.gate import run_of

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


def _print(found: LiveRollout) -> None:
    for version, count in sorted(found.by_version.items()):
        click.echo(f"v{version} answered {count:,}")
    asked = found.counts.get("asked again", 0)
    click.echo(
        f"{counted(found.sent, 'request')}: {found.sent - found.lost:,} answered, {found.lost} lost, {asked} asked "
        f"again by the router, {found.after_the_end} answered by a version that had been taken back"
    )
    for version, count in sorted(found.restarts.items()):
        click.echo(f"the server of v{version} was started again {'once' if count == 1 else f'{count} times'}")
    for why, count in found.why_lost.most_common(3):
        click.echo(f"lost: {counted(count, 'time')} {why}")
