"""What becomes of a run that asks for an approval on another engine, when people answer it there?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_lab.adapters.engines.asking import ask
from mlops_lab.adapters.engines.running import ENGINES
from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import UnknownName
from mlops_lab.pipeline.dag import DAG, from_dict, to_dict

__all__ = ["Answered", "run_and_answer"]


@dataclass(frozen=True)
class Answered:
    """How a run ended whose questions people answered, and what it asked them, one after the other.

    >>> Answered("success", {"approve": "success"}, ("late v1 waits for an approval.",))
    Answered(success, asked 1 time)
    """

    state: str
    states: Mapping[str, str]
    questions: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Answered({self.state}, asked {len(self.questions)} time{'s' * (len(self.questions) != 1)})"


def run_and_answer(
    engine: str,
    dag: DAG,
    answers: Sequence[tuple[str, bool]],
    *,
    logical_date: str,
    params: Mapping[str, Any],
    home: str | Path,
    timeout: float = 600,
) -> Answered:
    """Run a DAG on an engine, and let people answer when it asks for an approval.

    On Airflow a scheduler, a triggerer and its API run for the while, and the people log in there. On Prefect they
    resume the flow over its server's API, and say who they are.

    Args:
        engine: `airflow` or `prefect`.
        dag: what to run; its schedule is left out.
        answers: who answers, one after the other, and whether it is a yes; the last must be one that counts.
        logical_date: the moment that the run is for.
        params: values for the params of the DAG.
        home: the home folder that its tasks get; afterwards its registry says who agreed.
        timeout: seconds that the engine may take for all of it.

    >>> run_and_answer("nowhere", DAG("a"), [], logical_date="2013-10-01", params={}, home="home")
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no engine 'nowhere'; there is: airflow, prefect.

    Raises:
        MissingExtra: the engine is not installed. MlopsLabError: it gave no answer.
    """
    if ENGINES.get(engine) is None:
        raise UnknownName("engine", engine, [name for name, write in ENGINES.items() if write])
    job = {
        "text": ENGINES[engine](_unscheduled(dag)),
        "dag_id": dag.dag_id,
        "logical_date": parse_utc(logical_date).isoformat(),
        "params": dict(params),
        "home": str(home),
        "answers": [{"by": by, "approved": yes, "comment": f"said {by}"} for by, yes in answers],
    }
    found = ask(engine, {"runs": [job]}, timeout=timeout)["runs"][0]
    return Answered(found["state"], found["states"], tuple(found["questions"]))


def _unscheduled(dag: DAG) -> DAG:
    """The same DAG without its dates, so that a scheduler runs what it is asked for and nothing else."""
    written = {key: value for key, value in to_dict(dag).items() if key not in ("schedule", "start_date", "catchup")}
    modules = [sys.modules[each.function.__module__] for each in dag.tasks.values() if each.function is not None]
    return from_dict(written, modules=modules)
