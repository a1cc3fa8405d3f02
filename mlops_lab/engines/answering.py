"""What becomes of a run that asks for an approval on another engine, when people answer it there?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_lab.clock import parse_utc
from mlops_lab.dag import DAG, from_dict, to_dict
from mlops_lab.engines.asking import ask
from mlops_lab.engines.running import ENGINES

__all__ = ["Stood", "run_and_answer"]


@dataclass(frozen=True)
class Stood:
    """How a run stood after somebody had answered.

    >>> Stood("grace", "success", {"approve": "success"})
    Stood(after grace: success)
    """

    by: str
    state: str
    states: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Stood(after {self.by}: {self.state})"


def run_and_answer(
    engine: str,
    dag: DAG,
    answers: Sequence[tuple[str, bool]],
    *,
    logical_date: str,
    params: Mapping[str, Any],
    home: str | Path,
    timeout: float = 600,
) -> tuple[Stood, ...]:
    """Run a DAG on an engine, and let people answer when it asks for an approval.

    On Airflow a scheduler, a triggerer and its API run for the while, and the people log in there; after each answer
    but the last the task that asked is cleared. On Prefect the flow is run once for each answer.

    Args:
        engine: `airflow` or `prefect`.
        dag: what to run; its schedule is left out.
        answers: who answers, one after the other, and whether it is a yes.
        logical_date: the moment that the run is for.
        params: values for the params of the DAG.
        home: the home folder that its tasks get; afterwards its registry says who agreed.
        timeout: seconds that the engine may take for all of it.

    >>> run_and_answer("airflow", DAG("nobody_asks"), (), logical_date="2013-10-01", params={}, home="home")
    ()

    Raises:
        MissingExtra: the engine is not installed. MlopsLabError: it gave no answer, or asked nobody.
    """
    if not answers:
        return ()
    job = {
        "text": ENGINES[engine](_unscheduled(dag)),
        "dag_id": dag.dag_id,
        "logical_date": parse_utc(logical_date).isoformat(),
        "params": dict(params),
        "home": str(home),
        "answers": [{"by": by, "approved": yes, "comment": f"said {by}"} for by, yes in answers],
    }
    found = ask(engine, {"runs": [job]}, timeout=timeout)["runs"][0]["stood"]
    return tuple(Stood(by, each["state"], each["states"]) for (by, _), each in zip(answers, found, strict=True))


def _unscheduled(dag: DAG) -> DAG:
    """The same DAG without its dates, so that a scheduler runs what it is asked for and nothing else."""
    written = {key: value for key, value in to_dict(dag).items() if key not in ("schedule", "start_date", "catchup")}
    modules = [sys.modules[each.function.__module__] for each in dag.tasks.values() if each.function is not None]
    return from_dict(written, modules=modules)
