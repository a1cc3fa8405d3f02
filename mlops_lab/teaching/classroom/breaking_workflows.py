"""Workflows that let something through: a condition that is always true, an action that may change."""

from __future__ import annotations

import re
from pathlib import Path

from mlops_lab.base.clock import FakeClock
from mlops_lab.ci import Outcome, Trigger, Workflow, load_workflow, simulate
from mlops_lab.teaching.classroom.fault import Fault, Sight
from mlops_lab.teaching.drawing import draw_workflow

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
