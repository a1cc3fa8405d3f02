"""Which small DAGs show an engine's manners: retries, skips, failures, trigger rules, params?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mlops_lab.pipeline.dag import DAG, FailTask, Param, SkipTask, Task, task

__all__ = ["echo_dag", "manners", "sequence"]


@task
def start(params: Mapping[str, Any], logical_date: datetime) -> dict[str, Any]:
    """What the run was given."""
    return {"size": params["size"], "day": params["day"], "date": logical_date.isoformat()}


@task(retries=2, retry_delay=timedelta(seconds=1), retry_exponential_backoff=True)
def flaky(start: dict[str, Any], attempt: int) -> dict[str, Any]:
    """Fails twice, then succeeds."""
    if attempt < 3:
        raise TimeoutError(f"no answer to attempt {attempt}")
    return {**start, "attempt": attempt}


@task
def skips() -> None:
    """Skips itself."""
    raise SkipTask("nothing to do on this day")


@task
def after_skip() -> None:
    """Is skipped with what it waits for."""


@task(trigger_rule="none_failed")
def anyway(flaky: dict[str, Any], skips: None) -> dict[str, Any]:
    """Runs although one upstream was skipped."""
    return {"attempt": flaky["attempt"], "skipped": skips}


@task(retries=3, retry_delay=timedelta(seconds=1))
def breaks() -> None:
    """Says that trying again cannot help."""
    raise FailTask("the contract with the source is broken")


@task
def after_break() -> None:
    """Is not run, for want of its upstream."""


@task(trigger_rule="one_failed")
def repair() -> str:
    """Runs because something failed."""
    return "repaired"


@task(trigger_rule="all_done")
def whatever(after_skip: None, after_break: None) -> list[None]:
    """Runs in any case."""
    return [after_skip, after_break]


@task
def nothing() -> None:
    """Does nothing: what it costs is the engine's."""


_PARAMS = {"size": Param(3, minimum=1, maximum=9), "day": Param("2013-09-01", type="date")}


def manners() -> DAG:
    """A DAG with a third-try success, a skip, a failure for good and four trigger rules.

    >>> manners()
    DAG(manners, 9 tasks)
    """
    with DAG("manners", params=_PARAMS, description="A failure that is cured, one that is not, and a skip") as dag:
        begun = start()
        tried, skipped, broken = flaky(begun), skips(), breaks()
        begun >> skipped
        begun >> broken
        anyway(tried, skipped)
        beside = skipped >> after_skip()
        below = broken >> after_break()
        broken >> repair()
        whatever(beside, below)
    return dag


def echo_dag() -> DAG:
    """One task that returns its params; for asking which params an engine refuses.

    >>> echo_dag()
    DAG(echo, 1 task)
    """
    with DAG("echo", params=_PARAMS) as dag:
        start()
    return dag


def sequence(count: int) -> DAG:
    """So many tasks that do nothing, one after the other.

    >>> sequence(100)
    DAG(sequence_100, 100 tasks)
    """
    dag = DAG(f"sequence_{count}")
    for at in range(count):
        dag.add(Task(f"t{at}", nothing.function, source=nothing.source), upstream=[f"t{at - 1}"] if at else [])
    return dag
