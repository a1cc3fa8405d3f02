"""The retries panel: what retries cost, when they are not enough, and what the run is called then."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import zip_longest
from typing import ClassVar

from mlops_lab.base.clock import Clock, FakeClock, parse_utc
from mlops_lab.pipeline.dag import DAG, DagRun, Task, run_dag
from mlops_lab.teaching.drawing.plots.timeline import span
from mlops_lab.teaching.drawing.style import state_look
from mlops_lab.teaching.panels import svg
from mlops_lab.teaching.panels.controls import RangeInput, choice, switch
from mlops_lab.teaching.panels.panel import Panel, State
from mlops_lab.teaching.panels.view import View

_START = parse_utc("2013-09-01T06:00Z")
_WORK = 20.0  # seconds a try takes, on a clock that nobody waits for
_DELAYS = (10, 30, 60, 120, 300)
_LAST = ("all_success", "all_done")
_LEFT, _PLOT, _RIGHT, _ROW = 90, 600, 190, 44


class RetriesPanel(Panel):
    """Let a task fail, give it retries and a delay, and see its tries, its waits and what becomes of the others.

    Every picture is a real `run_dag` of three tasks on a `FakeClock`: what takes minutes there takes none here. The
    state of a run is that of its last tasks, as in Airflow, so the trigger rule of `report` decides what a run with a
    failed task is called (https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dag-run.html).

    >>> panel = RetriesPanel()
    >>> panel
    Retries: ✓ the run succeeded: fetch needed 3 tries and 3 min, 2 min of it waiting
    >>> panel.set(retries=1)
    >>> panel.run.states["train"]
    'upstream_failed'
    >>> panel.set(report="all_done")
    >>> print(panel.view.line[:95])
    the run succeeded, although train never ran: report, its last task, ran (all_done) and counts.
    >>> panel.set(failures=0)
    >>> panel.view.line
    'the run succeeded: fetch needed 1 try and 20 s, 0 s of it waiting'
    """

    title: ClassVar[str] = "Retries"

    def __init__(self) -> None:
        super().__init__(
            {
                "failures": RangeInput(label="tries that fail", high=6, value=2, decimals=0),
                "retries": RangeInput(label="retries", high=6, value=3, decimals=0),
                "retry_delay": RangeInput(label="retry_delay", value=2, names=[f"{each} s" for each in _DELAYS]),
                "backoff": switch("retry_exponential_backoff"),
                "report": choice("rule of report", list(_LAST), _LAST[0]),
            }
        )

    @property
    def run(self) -> DagRun:
        """The run for the controls as they are."""
        return self.run_for(self.state)

    def run_for(self, state: State) -> DagRun:
        """A run in which the first so many tries of `fetch` fail."""
        failures = int(state["failures"])

        def fetch(clock: Clock, attempt: int) -> None:
            clock.sleep(_WORK)
            if attempt <= failures:
                raise ConnectionError("the weather service does not answer")

        def work(clock: Clock) -> None:
            clock.sleep(_WORK)

        dag = DAG("nightly")
        dag.add(
            Task(
                "fetch",
                fetch,
                retries=int(state["retries"]),
                retry_delay=timedelta(seconds=_DELAYS[int(state["retry_delay"])]),
                retry_exponential_backoff=bool(state["backoff"]),
            )
        )
        dag.add(Task("train", work), upstream=["fetch"])
        dag.add(Task("report", work, trigger_rule=str(state["report"])), upstream=["train"])
        return run_dag(dag, logical_date=_START, clock=FakeClock(_START))

    def render(self, state: State) -> View:
        """Tries and waits of every task on one line of time, and the run's own table."""
        run = self.run_for(state)
        fetch = run.task("fetch")
        took = timedelta(seconds=_at(fetch.attempts[-1].ended) - _at(fetch.attempts[0].started))
        waited = took - timedelta(seconds=sum(_at(one.ended) - _at(one.started) for one in fetch.attempts))
        tries = f"{len(fetch.attempts)} {'try' if len(fetch.attempts) == 1 else 'tries'}"
        did = "needed" if fetch.state == "success" else "failed for good after"
        said = f"fetch {did} {tries} and {span(took)}, {span(waited)} of it waiting"
        line = f"the run {'succeeded' if run.state == 'success' else 'failed'}: {said}"
        if fetch.state != "success":
            line += "; train and report are upstream_failed"
        if fetch.state != "success" and run.state == "success":
            line = "the run succeeded, although train never ran: report, its last task, ran (all_done) and counts. "
            line += said
        words = [run.trace(), "", "fetch, seconds after the start:"]
        words += [
            f"  try {one.number}: {_at(one.started):.0f} to {_at(one.ended):.0f}, {one.state}" for one in fetch.attempts
        ]
        return View(line, run.state, _picture(run, name=line), "\n".join(words))


def _picture(run: DagRun, *, name: str) -> str:
    end = max((_at(each.ended) for each in run.task_instances if each.attempts), default=_WORK)
    scale = _PLOT / max(end, 1.0)
    height = 24 + _ROW * len(run.task_instances)
    parts = []
    for number, each in enumerate(run.task_instances):
        y = 12 + _ROW * number
        parts.append(svg.text(12, y + 20, each.task_id, bold=True))
        for one, after in zip_longest(each.attempts, each.attempts[1:]):
            left, right = _LEFT + scale * _at(one.started), _LEFT + scale * _at(one.ended)
            look = state_look(one.state)
            name_ = look.mark if right - left < 24 else f"{look.mark} {one.number}"
            parts.append(
                svg.box(left, y + 2, width=max(right - left, 8), height=26, look=look, name=name_, kind="attempt")
            )
            if after is not None:
                until = _LEFT + scale * _at(after.started)
                parts.append(svg.line([(max(right, left + 8), y + 15), (until, y + 15)], dashes="4 3"))
                waits = f"{_at(after.started) - _at(one.ended):.0f} s"
                if until - right > 7 * len(waits) + 6:
                    parts.append(svg.text((right + until) / 2, y + 11, waits, anchor="middle"))
        look = state_look(each.state)
        parts.append(svg.text(_LEFT + _PLOT + 16, y + 20, f"{look.mark} {each.state}"))
    parts.append(svg.line([(_LEFT, height), (_LEFT + _PLOT, height)], width=1))
    for share in (0.0, 0.5, 1.0):
        words = span(timedelta(seconds=round(end * share)))
        parts.append(svg.text(_LEFT + _PLOT * share, height + 18, words, anchor="middle"))
    return svg.card("".join(parts), width=_LEFT + _PLOT + _RIGHT, height=height + 30, name=name)


def _at(moment: datetime | None) -> float:
    """Seconds after the start of the run."""
    return (moment - _START).total_seconds() if moment is not None else 0.0
