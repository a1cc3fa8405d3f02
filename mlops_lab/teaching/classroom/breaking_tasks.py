"""Nights and workflows that break: a task that fails too long, tasks in a circle, a condition that is always true."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.base.display import counted
from mlops_lab.base.errors import CycleError
from mlops_lab.ci import Outcome, Trigger, Workflow, load_workflow, simulate
from mlops_lab.pipeline.dag import DAG, Task, from_yaml, list_runs, run_dag, to_yaml
from mlops_lab.teaching.classroom.fault import Fault, Sight, read, write
from mlops_lab.teaching.drawing import draw_dag, draw_workflow

_NIGHT = parse_utc("2013-10-01T04:00Z")
_STEPS = ("fetch_weather", "train", "gate", "promote")


def _run_night(home: Path) -> None:
    """A real run: the weather service is down for as many attempts as the scene says."""
    failures = int(read(home, "outage")["failures"])
    tried: list[int] = []

    def fetch_weather() -> int:
        tried.append(1)
        if len(tried) <= failures:
            raise ConnectionError("the weather service does not answer")
        return len(tried)

    dag, wait = DAG("night"), timedelta(minutes=5)
    dag.add(Task(_STEPS[0], fetch_weather, retries=2, retry_delay=wait, retry_exponential_backoff=True), upstream=[])
    for before, name in pairwise(_STEPS):
        dag.add(Task(name, _done), upstream=[before])
    run_dag(dag, logical_date=_NIGHT + timedelta(days=failures), clock=FakeClock(_NIGHT), home=home)


def _done() -> None:
    """What comes after the weather is not what this scene is about."""


def _quiet_night(home: Path) -> None:
    write(home, "outage", {"failures": 2})
    _run_night(home)


def _long_night(home: Path) -> None:
    write(home, "outage", {"failures": 5})
    _run_night(home)


def _look_at_night(home: Path) -> Sight:
    run = list_runs(home, dag_id="night")[-1]
    first = run.task(_STEPS[0])
    told = "\n".join(
        [f"attempt {each.number}: {each.state}{': ' if each.why else ''}{each.why}" for each in first.attempts]
        + [f"{task_id}: {state}" for task_id, state in run.states.items()]
    )
    dag = DAG("night")
    for number, name in enumerate(_STEPS):
        dag.add(Task(name, _done), upstream=list(_STEPS[max(number - 1, 0) : number]))
    good = run.state == "success"
    times = f"{len(first.attempts)} attempt{'s' * (len(first.attempts) != 1)}"
    line = f"{_STEPS[0]} {first.state} after {times}; the run {'succeeded' if good else 'failed'}"
    return Sight(good, line, told, draw_dag(dag, run))


FLAKY_TASK = Fault(
    name="flaky-task",
    title="A service stays away for longer than the retries wait",
    notebook="05",
    damage="the weather service fails five times in a row, not twice; the task has two retries",
    lesson="Retries bridge a hiccup, not an outage: what depends on it does not run, and the trace says why.",
    prepare=_quiet_night,
    harm=_long_night,
    look=_look_at_night,
)


def _straight(home: Path) -> None:
    dag = DAG("flights", description="five tasks of a night")
    before: list[str] = []
    for name in ("fetch", "train", "gate", "promote", "roll_out"):
        dag.add(Task(name), upstream=before)
        before = [name]
    (home / "dag.yml").write_text(to_yaml(dag), encoding="utf-8")


def _in_a_circle(home: Path) -> None:
    """Somebody wants training to start from what the gate found: an edge from `gate` back to `train`."""
    path = home / "dag.yml"
    lines = path.read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip() == "- fetch")
    lines.insert(at + 1, lines[at].replace("fetch", "gate"))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _look_at_order(home: Path) -> Sight:
    text = (home / "dag.yml").read_text(encoding="utf-8")
    try:
        dag = from_yaml(text)
    except CycleError as error:
        return Sight(False, str(error), "dag.yml is refused when it is read, before anything runs:\n" + text)
    order = " → ".join(dag.topological_order())
    return Sight(True, f"{counted(len(dag.tasks), 'task')}, each after what it needs", order, draw_dag(dag))


CYCLE = Fault(
    name="cycle",
    title="Two tasks wait for each other",
    notebook="05",
    damage="dag.yml gets one more edge: train also waits for gate",
    lesson="An order exists or it does not: a cycle is found at definition, as a path, and not at four in the morning.",
    prepare=_straight,
    harm=_in_a_circle,
    look=_look_at_order,
)


_MORNING = "2013-10-01T06:00Z"
_PIN = "3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
_WORKFLOW = f"""\
name: train
on: workflow_dispatch
permissions: {{}}
jobs:
  train:
    name: train and gate
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@{_PIN}
        with:
          persist-credentials: false
      - id: pipeline
        name: Train, judge
        run: python -m mlops_lab run
  promote:
    name: promote
    needs: train
    runs-on: ubuntu-24.04
    steps:
      - name: Put it into Production
        run: python -m mlops_lab registry promote late_flights latest
"""


def _write_workflow(home: Path) -> None:
    (home / "train.yml").write_text(_WORKFLOW, encoding="utf-8", newline="\n")


def _replace(home: Path, old: str, new: str) -> None:
    path = home / "train.yml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8", newline="\n")


def _refused(home: Path) -> Sight:
    """What GitHub would do with the file on a day on which the gate refuses."""
    workflow = load_workflow(home / "train.yml")
    refusal = Outcome("failure", reason="Process completed with exit code 2.")
    run = simulate(
        workflow,
        Trigger("workflow_dispatch", actor="ada"),
        outcomes={"train/pipeline": refusal},
        clock=FakeClock(_MORNING),
    )
    promote = run.job("promote")
    drawing = draw_workflow(workflow, run)
    if promote.conclusion == "skipped":
        return Sight(True, "the gate refused, and promote was skipped", drawing.outline, drawing)
    line = f"the gate refused, and promote ran all the same: {promote.conclusion}"
    return Sight(False, line, drawing.outline, drawing)


SKIPPED_GATE = Fault(
    name="skipped-gate",
    title="A condition that lets promote run after a refusal",
    notebook="06",
    damage="the job promote gets `if: always()`, to make it run more reliably",
    lesson="`always()` takes the place of success(): a job that must not run after a failure has no such condition.",
    prepare=_write_workflow,
    harm=lambda home: _replace(home, "    needs: train\n", "    needs: train\n    if: always()\n"),
    look=_refused,
    closer=("workflow simulate HOME/train.yml --outcome train/pipeline=failure", 1),
)


def _unpinned(workflow: Workflow) -> list[str]:
    """Everything of other people's that the workflow runs by a name which may come to mean something else."""
    asked = [(job.id, step.uses) for job in workflow.jobs.values() for step in job.steps if step.uses]
    pinned = re.compile(r"\.{1,2}/.*|docker://.+@sha256:[0-9a-f]{64}|.+@[0-9a-f]{40}")
    return [f"{job}: {uses} is a name that its owner can move" for job, uses in asked if not pinned.fullmatch(uses)]


def _pins(home: Path) -> Sight:
    workflow = load_workflow(home / "train.yml")
    found = _unpinned(workflow)
    if not found:
        return Sight(True, "every action is pinned to a commit", _lines_with_uses(home), draw_workflow(workflow))
    line = f"{len(found)} action not pinned to a commit: {found[0]}"
    return Sight(False, line, _lines_with_uses(home), draw_workflow(workflow))


def _lines_with_uses(home: Path) -> str:
    lines = (home / "train.yml").read_text(encoding="utf-8").splitlines()
    return "\n".join(f"line {number}: {line.strip()}" for number, line in enumerate(lines, 1) if "uses:" in line)


UNPINNED_ACTION = Fault(
    name="unpinned-action",
    title="An action that may be another one tomorrow",
    notebook="06",
    damage="the commit behind `uses: actions/checkout@` gives way to the tag v7",
    lesson="A tag moves, a commit does not: pin what runs with your rights, and let Dependabot raise the pin.",
    prepare=_write_workflow,
    harm=lambda home: _replace(home, f"@{_PIN}", "@v7"),
    look=_pins,
)
