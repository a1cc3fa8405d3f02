"""The exercises of notebook 06: conditions, a check that nobody gets around, a matrix, and a file with holes."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.ci import (
    Environment,
    Outcome,
    Review,
    Trigger,
    Workflow,
    WorkflowRun,
    evaluate,
    execute,
    expand_matrix,
    parse_workflow,
    simulate,
)
from mlops_lab.teaching.checks.exercise import NotYet, expect, is_number, mapped, read_exercises

_SUMMARY = """
on: push
jobs:
  lint: {{runs-on: ubuntu-24.04, if: {lint}, steps: [{{run: ruff check}}]}}
  test: {{runs-on: ubuntu-24.04, if: {test}, steps: [{{id: pytest, run: pytest}}]}}
  passed:
    runs-on: ubuntu-24.04
    needs: [lint, test]
    if: {job}
    steps:
      - {{id: refuse, if: {step}, run: exit 1}}
"""


def summarise(conditions: Any) -> None:
    """Let a job with these conditions sum up what became of two others."""
    conditions = mapped(conditions, 'give a dict with the two conditions, "job" and "step".')
    for place in ("job", "step"):
        expect(isinstance(conditions.get(place), str), f"the condition of the {place} is a text, like 'failure()'.")
    for lint, test in (
        ("success", "success"),
        ("success", "failure"),
        ("failure", "success"),
        ("success", "cancelled"),
        ("skipped", "success"),
    ):
        told = f"when lint is {lint} and test is {test}, passed"
        concluded = _summary_of(conditions, lint=lint, test=test)
        expect(concluded != "skipped", f"{told} is skipped, and GitHub lets a skipped check through.")
        wanted = "success" if (lint, test) == ("success", "success") else "failure"
        expect(concluded == wanted, f"{told} ends as {concluded}; it should be {wanted}.")
    stopped = _summary_of(conditions, lint="success", test="success", cancel=True)
    said = "when somebody cancels the run while test is at work, passed is skipped, and a skipped check is let through."
    expect(stopped != "skipped", said)


def _summary_of(conditions: dict[str, str], *, lint: str, test: str, cancel: bool = False) -> str:
    """What becomes of the job that sums up; the conditions go in as quoted YAML, whatever is in them."""
    quoted = {place: "'" + conditions[place].replace("'", "''") + "'" for place in ("job", "step")}
    runs = {"lint": str(lint != "skipped").lower(), "test": str(test != "skipped").lower()}
    told: dict[str, Outcome | str] = {
        job: word for job, word in (("lint", lint), ("test", test)) if word not in ("success", "skipped")
    }
    if cancel:
        told["test/pytest"] = Outcome(seconds=60)
    try:
        workflow = parse_workflow(_SUMMARY.format(**runs, **quoted), root="/nowhere")
        told["passed/refuse"] = "failure"
        run = simulate(workflow, outcomes=told, cancel_after=timedelta(seconds=30) if cancel else None)
    except MlopsLabError as error:
        tip = " Inside a condition, texts stand in single quotes." if '"' in "".join(conditions.values()) else ""
        raise NotYet(f"GitHub would not take that: {_without_place(error)}{tip}") from None
    return str(run.job("passed").conclusion)


def _without_place(error: MlopsLabError) -> str:
    """The places are of the text around the learner's answer."""
    return str(getattr(error, "reason", error))


HOLES = """\
name: release
on: [pull_request, workflow_dispatch]
jobs:
  gate:
    runs-on: ubuntu-24.04
    continue-on-error: true
    steps:
      - uses: actions/checkout@v7
      - run: bash gate.sh | tee report.txt
      - run: echo "judged ${{ github.event.pull_request.title }}"
  deploy:
    runs-on: ubuntu-24.04
    needs: gate
    if: ${{ !cancelled() }} && needs.gate.result == 'success'
    environment: preview
    steps:
      - run: ./deploy --to production
"""
_STEPS_WITHOUT_TITLE = 2  # checkout and gate.sh: who takes the line with the title out has closed that hole too
_TITLES = ('tidy up"; echo hacked > hacked.txt; echo "', "tidy up'; echo hacked > hacked.txt; echo '")
_PRODUCTION = {"production": Environment("production", reviewers=("grace",))}


def repair(repairs: Any) -> None:
    """Put the repaired lines in, then let the gate say no and yes, in front of a hostile title and a reviewer."""
    repairs = mapped(repairs, "give a dict: number of a line to the line as it should be.")
    lines = HOLES.splitlines()
    for number, text in repairs.items():
        counts = isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= len(lines)
        expect(counts, f"there is no line {number!r}; the lines are 1 to {len(lines)}.")
        expect(text is None or isinstance(text, str), f"line {number} is a text, or None where it should go.")
        lines[number - 1] = text or ""
    try:
        _try_out("\n".join(lines) + "\n")
    except MlopsLabError as error:
        braces = any("{" in text.replace("${{", "").replace("}}", "") for text in lines if "${{" in text)
        tip = (
            " Between { and }, a value that holds ${{ }} stands in quotes." if braces and "Broken" in str(error) else ""
        )
        raise NotYet(f"GitHub would not take that: {error}{tip}") from None


def _try_out(text: str) -> None:
    with tempfile.TemporaryDirectory(prefix="lab-holes-") as folder:
        repository = Path(folder, "repository")
        repository.mkdir()
        workflow = parse_workflow(text, file="release.yml", root=repository)
        expect({"gate", "deploy"} <= set(workflow.jobs), "keep both jobs, gate and deploy.")
        expect("pull_request" in workflow.events, "it no longer runs on pull requests: then nobody is asked at all.")
        _refuse(workflow, folder=Path(folder))
        _pass(workflow, folder=Path(folder))


def _refuse(workflow: Workflow, *, folder: Path) -> None:
    """The gate says no: everything has to see it."""
    step = next((step for step in workflow.jobs["gate"].steps if step.run and "gate.sh" in step.run.word), None)
    expect(step is not None, "a step of the job gate has to run gate.sh still.")
    told = simulate(workflow, "pull_request", outcomes={"gate": "failure"}, environments=_PRODUCTION)
    expect(told.job("gate").result == "failure", "the gate fails, and for the jobs after it that counts as a success.")
    after = told.job("deploy").conclusion
    expect(after == "skipped", "the gate fails, and deploy goes on all the same: look at what is inside ${{ }}.")
    real = _really(workflow, "echo refused; exit 2", folder=folder / "refused")
    expect(real.job("gate").conclusion == "failure", "gate.sh ends with 2, and nobody notices: who ends last there?")


def _pass(workflow: Workflow, *, folder: Path) -> None:
    """The gate says yes: somebody has to be asked, and then it has to go through."""
    for number, title in enumerate(_TITLES):
        real = _really(workflow, "echo passed > ran.txt", folder=folder / f"passed{number}", title=title)
        expect(not list(folder.rglob("hacked.txt")), "a pull request with a clever title ran a command of its own.")
        expect(real.job("gate").conclusion == "success", "gate.sh passes, and the job gate fails.")
        logs = [step.log for step in real.job("gate").steps]
        printed = any(title in log for log in logs) or len(logs) <= _STEPS_WITHOUT_TITLE
        expect(printed, "the title is no longer printed as it is.")
    deploys = 0
    for event in ("pull_request", "workflow_dispatch"):
        asked = simulate(workflow, event, environments=_PRODUCTION) if event in workflow.events else None
        if asked is None or asked.job("deploy").conclusion == "skipped":
            continue  # who deploys on one of the two only is more careful, not less
        deploys += 1
        expect(asked.status == "waiting", "production is reached, and its reviewers were never asked.")
        agreed = simulate(workflow, event, environments=_PRODUCTION, approvals=[Review("production", by="grace")])
        expect(agreed.job("deploy").conclusion == "success", "the gate passes and Grace approves, and deploy fails.")
    expect(deploys, "the gate passes, and deploy does not run.")


def _really(workflow: Workflow, script: str, *, folder: Path, title: str = _TITLES[0]) -> WorkflowRun:
    folder.mkdir()
    (workflow.root / "gate.sh").write_text(script + "\n", encoding="utf-8")
    trigger = Trigger("pull_request", payload={"pull_request": {"title": title}})
    return execute(workflow, trigger, scratch=folder, environments=_PRODUCTION, step_timeout=20)


_SURPRISES = {
    "'' == 0": "a text is made a number before it is compared with one, and the empty text is made 0.",
    "'Main' == 'main'": "GitHub compares texts without looking at capital letters.",
    "'false' && true": "'false' in quotes is a text that is not empty, so it counts as true.",
    "contains('refs/heads/main-2', 'main')": "in a text, contains looks for a part of it.",
    "contains(fromJSON('[\"main-2\"]'), 'main')": "in a list, contains looks for a whole entry.",
}


def _guess(guesses: Any) -> None:
    guesses = mapped(guesses, "give a dict: expression to True or False.")
    missing = [text for text in _SURPRISES if text not in guesses]
    expect(not missing, f"no guess yet for {', '.join(missing)}.")
    for text, why in _SURPRISES.items():
        guess, value = guesses[text], evaluate(text)
        expect(isinstance(guess, bool), f"for {text} say True or False.")
        expect(guess is value, f"{text} is {str(value).lower()}: {why}")


_MATRIX: dict[str, Any] = {
    "model": ["logistic", "boosted"],
    "airport": ["EWR", "JFK", "LGA"],
    "exclude": [{"model": "boosted", "airport": "LGA"}],
    "include": [
        {"model": "logistic", "penalty": "l1"},
        {"model": "baseline"},
    ],
}


def _count_matrix_jobs(jobs: Any) -> None:
    expect(is_number(jobs), "give a whole number.")
    expect(jobs != 8, "penalty contradicts nothing in the jobs of logistic, so it joins them and makes no new one.")
    expect(jobs != 7, "exclude takes one of the six away.")
    expect(jobs != 5, "there is no job with the model baseline, so that entry makes one of its own.")
    expect(jobs == len(expand_matrix(_MATRIX)), f"not {jobs}: write the six pairs down and strike one out.")


EXERCISES = read_exercises("nb06.toml", {"06.1": _guess, "06.2": summarise, "06.3": _count_matrix_jobs, "06.4": repair})
