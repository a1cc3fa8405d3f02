"""The matrix panel: the jobs that a matrix makes, and what one that fails does to the others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mlops_lab.ci import Workflow, WorkflowRun, expand_matrix, parse_workflow, simulate
from mlops_lab.teaching.drawing import draw_workflow
from mlops_lab.teaching.panels import svg
from mlops_lab.teaching.panels.controls import choice, switch
from mlops_lab.teaching.panels.panel import Panel, State
from mlops_lab.teaching.panels.view import View

_NONE = "none"


class MatrixPanel(Panel):
    """Switch the entries of `exclude` and `include` on and off, let a job fail, and see the jobs.

    Every picture is a `simulate` of a workflow with that matrix.

    Args:
        vectors: name to values; all combinations are jobs.
        exclude: entries, each with a switch.
        include: entries, each with a switch.

    >>> panel = MatrixPanel(
    ...     {"model": ["logistic", "boosted"], "airport": ["EWR", "LGA"]},
    ...     exclude=[{"airport": "LGA"}], include=[{"airport": "JFK"}],
    ... )
    >>> panel
    The matrix: ✓ 4 jobs: logistic EWR, logistic LGA, boosted EWR, boosted LGA
    >>> panel.set(exclude_1=True, include_1=True)
    >>> panel.view.line
    '3 jobs: logistic EWR, boosted EWR, JFK'
    >>> panel.set(fails="boosted EWR")
    >>> [job.conclusion for job in panel.run.jobs]
    ['cancelled', 'failure', 'cancelled']
    """

    title: ClassVar[str] = "The matrix"

    def __init__(
        self,
        vectors: Mapping[str, Sequence[str]],
        *,
        exclude: Sequence[Mapping[str, str]] = (),
        include: Sequence[Mapping[str, str]] = (),
    ) -> None:
        self._vectors = {name: list(values) for name, values in vectors.items()}
        self._entries = {"exclude": list(exclude), "include": list(include)}
        entries = {
            f"{kind}_{number}": switch(f"{kind} {', '.join(f'{name}: {value}' for name, value in entry.items())}")
            for kind, each in self._entries.items()
            for number, entry in enumerate(each, start=1)
        }
        every: dict[str, Any] = {**self._vectors, "include": [dict(entry) for entry in include]}
        both: tuple[dict[str, Any], ...] = (dict(self._vectors), every)
        jobs = dict.fromkeys(_title(job) for matrix in both for job in expand_matrix(matrix))
        super().__init__(
            {
                **entries,
                "fails": choice("the job that fails", [_NONE, *jobs], _NONE),
                "fail_fast": switch("fail-fast: true", value=True),
            }
        )

    @property
    def run(self) -> WorkflowRun:
        """The run for the controls as they are."""
        return self.run_for(self.state)

    def matrix_for(self, state: State) -> dict[str, Any]:
        """The matrix, with the entries that are switched on."""
        chosen = {
            kind: [dict(entry) for number, entry in enumerate(entries, start=1) if state[f"{kind}_{number}"]]
            for kind, entries in self._entries.items()
        }
        return {**self._vectors, **{kind: entries for kind, entries in chosen.items() if entries}}

    def run_for(self, state: State) -> WorkflowRun:
        """What becomes of a job with that matrix."""
        workflow = self._workflow(state)
        names = {_title(job.matrix): job.name for job in simulate(workflow).jobs}
        failing = names.get(str(state["fails"]))
        return simulate(workflow, outcomes={f"{failing}/judge": "failure"} if failing else {})

    def _workflow(self, state: State) -> Workflow:
        strategy = {"fail-fast": bool(state["fail_fast"]), "matrix": self.matrix_for(state)}
        job = {"runs-on": "ubuntu-24.04", "strategy": strategy, "steps": [{"id": "judge", "run": "judge"}]}
        return parse_workflow(json.dumps({"on": "push", "jobs": {"judge": job}}), file="matrix.yml")

    def render(self, state: State) -> View:
        """The jobs with what became of them, and the matrix in words."""
        run, matrix = self.run_for(state), self.matrix_for(state)
        jobs = [_title(job) for job in expand_matrix(matrix)]
        words = [*(f"{name}: {json.dumps(value)}" for name, value in matrix.items()), "", run.outline()]
        drawing = draw_workflow(self._workflow(state), run)
        line, mark = f"{len(jobs)} jobs: {', '.join(jobs)}", run.conclusion or run.status
        if state["fails"] not in (_NONE, *jobs):
            line, mark = f"this matrix makes no job {state['fails']}, so nothing fails; it makes {line}", "skipped"
        return View(line, mark, svg.drawn(drawing), "\n".join(words))


def _title(job: Mapping[str, Any]) -> str:
    return " ".join(map(str, job.values()))
