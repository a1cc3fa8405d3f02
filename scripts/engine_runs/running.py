"""What do the same runs look like on our executor and on another engine, in one form that can be compared?"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from engine_runs.asking import ask
from mlops_lab.adapters.exports import to_airflow, to_prefect
from mlops_lab.base.clock import SystemClock, parse_utc
from mlops_lab.base.display import counted
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.pipeline.dag import DAG, DagRun, Schedule, from_dict, run_dag, to_dict
from mlops_lab.pipeline.problem import load_problem, remember_problem

__all__ = ["ENGINES", "Answer", "Asked", "Record", "Verdict", "run_all"]

#: The engines, and what writes the DAG for each; ours needs no file.
ENGINES: Mapping[str, Any] = {"ours": None, "airflow": to_airflow, "prefect": to_prefect}


@dataclass(frozen=True)
class Asked:
    """One run that every engine is asked for.

    The home folder remembers the `problem`, a Python file; without one it is the flights'. A `brief` one is only timed,
    because asking an engine what became of a thousand tasks may take longer than they did. `home` is the folder that
    its tasks get, in place of one that is gone afterwards.

    `answers` say who answers when it asks for an approval on another engine, one after the other, and whether that is a
    yes; the last must be one that counts. On Airflow a scheduler, a triggerer and its API run for the while, and people
    log in there; on Prefect they resume the flow over its server's API. The DAG's schedule is left out then.

    >>> Asked(DAG("nights"), "2013-10-01")
    Asked(nights, 2013-10-01)
    """

    dag: DAG
    logical_date: str
    params: Mapping[str, Any] = field(default_factory=dict)
    runner: str = ""
    brief: bool = False
    problem: Path | None = None
    home: Path | None = None
    answers: Sequence[tuple[str, bool]] = ()

    def __repr__(self) -> str:
        return f"Asked({self.dag.dag_id}, {self.logical_date})"


@dataclass(frozen=True)
class Verdict:
    """What the registry of a run's home folder says afterwards: the model's fingerprint, the gate, the stage.

    >>> Verdict("sha256:1", True, "Production").stage
    'Production'
    """

    artifact: str
    passed: bool | None
    stage: str


@dataclass(frozen=True)
class Record:
    """What one engine did with one run. `refused` is its sentence when it would not begin, and the rest is empty.

    `attempts` counts the tries of each task, 0 where it was not run; `waits` are the seconds between tries; `questions`
    are what people were asked.

    >>> Record("ours", state="success", order=("a", "b"))
    Record(ours, success, 2 tasks ran)
    """

    engine: str
    state: str = ""
    tasks: tuple[str, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    order: tuple[str, ...] = ()
    states: Mapping[str, str] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    waits: Mapping[str, Sequence[float]] = field(default_factory=dict)
    questions: Sequence[str] = ()
    verdict: Verdict | None = None
    refused: str = ""
    seconds: float = 0.0

    def __repr__(self) -> str:
        told = f"refused: {self.refused}" if self.refused else f"{self.state}, {len(self.order)} tasks ran"
        return f"Record({self.engine}, {told})"


@dataclass(frozen=True)
class Answer:
    """What one engine answered: its version, one record a run, the dates of each schedule, and what it would make up.

    >>> Answer("ours", "0.1.0", (), ())
    Answer(ours 0.1.0, 0 runs)
    """

    engine: str
    version: str
    runs: tuple[Record, ...]
    dates: tuple[tuple[str, ...], ...]
    missed: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Answer({self.engine} {self.version}, {counted(len(self.runs), 'run')})"


def run_all(
    engine: str,
    runs: Sequence[Asked] = (),
    *,
    dates: Sequence[tuple[str, str, str, int]] = (),
    missed: tuple[str, str] | None = None,
    timeout: float = 900,
) -> Answer:
    """The runs, one after the other, each with a home folder of its own; in one process of the engine.

    Args:
        engine: a name of `ENGINES`.
        runs: what to run.
        dates: (cron, time zone, from, how many): the first dates of that schedule.
        missed: (cron, from): how many runs are made up for when a scheduler comes up now.
        timeout: seconds that the engine may take for all of it.

    >>> from engine_runs.planted import echo_dag
    >>> run_all("ours", [Asked(echo_dag(), "2013-10-01"), Asked(echo_dag(), "2013-10-01", {"size": 99})]).runs
    (Record(ours, success, 1 tasks ran),
     Record(ours, refused: InvalidData: param size must be at least 1 and at most 9, not 99.))

    Raises:
        MissingExtra: the engine is not installed. MlopsLabError: it gave no answer, or could not read its file.
    """
    with tempfile.TemporaryDirectory() as folder:
        homes = [each.home or Path(folder, str(number)) for number, each in enumerate(runs)]
        for home, each in zip(homes, runs, strict=True):
            home.mkdir(exist_ok=True)
            if each.problem is not None:
                remember_problem(home, load_problem(each.problem), file=each.problem)
        if engine == "ours":
            return _ours(runs, homes, dates, missed)
        written = [
            {
                "text": ENGINES[engine](_unscheduled(each.dag) if each.answers else each.dag),
                "dag_id": each.dag.dag_id,
                "logical_date": parse_utc(each.logical_date).isoformat(),
                "params": dict(each.params),
                "home": str(home),
                "runner": each.runner,
                "brief": each.brief,
                "answers": [{"by": by, "approved": yes, "comment": f"said {by}"} for by, yes in each.answers],
            }
            for each, home in zip(runs, homes, strict=True)
        ]
        job = {"runs": written, "dates": list(dates), **({"missed": missed} if missed else {})}
        answer = ask(engine, job, timeout=timeout)
        records = tuple(_record(engine, found, home) for found, home in zip(answer["runs"], homes, strict=True))
    found_dates = tuple(tuple(each) for each in answer["dates"])
    return Answer(engine, answer["version"], records, found_dates, answer.get("missed", {}))


def _unscheduled(dag: DAG) -> DAG:
    """The same DAG without its dates, so that a scheduler runs what it is asked for and nothing else."""
    written = {key: value for key, value in to_dict(dag).items() if key not in ("schedule", "start_date", "catchup")}
    modules = [sys.modules[each.function.__module__] for each in dag.tasks.values() if each.function is not None]
    return from_dict(written, modules=modules)


def _record(engine: str, found: Mapping[str, Any], home: Path) -> Record:
    if "import_errors" in found:
        raise MlopsLabError(f"{engine} cannot read the file: {found['import_errors'][0]}")
    if "refused" in found:
        return Record(engine, refused=found["refused"])
    return Record(
        engine,
        state=found["state"],
        tasks=tuple(found.get("tasks", ())),
        edges=tuple((up, down) for up, down in found.get("edges", ())),
        order=tuple(found.get("order", ())),
        states=found.get("states", {}),
        attempts=found.get("attempts", {}),
        waits=found.get("waits", {}),
        questions=tuple(found.get("questions", ())),
        verdict=_verdict(home),
        seconds=round(found["seconds"], 3),
    )


def _ours(
    runs: Sequence[Asked],
    homes: Sequence[Path],
    dates: Sequence[tuple[str, str, str, int]],
    missed: tuple[str, str] | None,
) -> Answer:
    import mlops_lab

    records = tuple(_our_record(each, home) for each, home in zip(runs, homes, strict=True))
    found = []
    for cron, zone, start, count in dates:
        schedule = Schedule(cron, zone)
        moments = [schedule.at_or_after(start)]
        while len(moments) < count:
            moments.append(schedule.next(moments[-1]))
        found.append(tuple(each.isoformat() for each in moments))
    counts = {}
    if missed:
        now = SystemClock().now()
        due = {each: Schedule(missed[0]).due(now, start=missed[1], catchup=each) for each in (True, False)}
        counts = {str(each): len(moments) for each, moments in due.items()}
    return Answer("ours", mlops_lab.__version__, records, tuple(found), counts)


def _our_record(asked: Asked, home: Path) -> Record:
    began = time.monotonic()
    try:
        run = run_dag(asked.dag, params=asked.params, logical_date=asked.logical_date, clock=SystemClock(), home=home)
    except MlopsLabError as error:
        return Record("ours", refused=f"{type(error).__name__}: {error}")
    seconds = time.monotonic() - began
    return Record(
        "ours",
        state=run.state,
        tasks=tuple(asked.dag.topological_order()),
        edges=tuple(sorted(asked.dag.edges)),
        order=tuple(each.task_id for each in run.task_instances if each.attempts),
        states=dict(run.states),
        attempts={each.task_id: len(each.attempts) for each in run.task_instances},
        waits=_our_waits(run),
        verdict=_verdict(home),
        seconds=round(seconds, 3),
    )


def _our_waits(run: DagRun) -> dict[str, list[float]]:
    found = {}
    for each in run.task_instances:
        gaps = [
            round((after.started - before.ended).total_seconds(), 1)
            for before, after in pairwise(each.attempts)
            if after.started and before.ended
        ]
        if gaps:
            found[each.task_id] = gaps
    return found


def _verdict(home: Path) -> Verdict | None:
    if not (home / "registry.db").is_file():
        return None
    from mlops_lab.models.registry import Registry

    registry = Registry(home, clock=SystemClock())
    if (name := next(iter(registry.list_models()), None)) is None:
        return None
    version, report = registry.get_model_version(name, 1), registry.get_gate_report(name, 1)
    return Verdict(version.artifact, None if report is None else report.passed, str(version.stage))
