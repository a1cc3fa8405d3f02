"""Does the drawing of a workflow tell jobs, legs, called workflows and states, whatever the names are?"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mlops_lab.ci import Environment, load_workflow, parse_workflow, simulate
from mlops_lab.teaching.drawing import draw_workflow

WORKFLOWS = Path(__file__).resolve().parents[2] / ".github" / "workflows"


def small(jobs, **more):
    return parse_workflow("on: push\njobs:\n" + jobs, **more)


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.stem)
def test_every_workflow_of_this_repository_can_be_drawn_before_and_after(path):
    workflow = load_workflow(path)
    events = [event for event in workflow.events if not workflow.events[event].inputs]

    drawings = [draw_workflow(workflow), *(draw_workflow(workflow, simulate(workflow, event)) for event in events)]

    for drawing in drawings:
        assert all(f" {job}" in drawing.outline for job in workflow.jobs)


def test_the_jobs_of_a_called_workflow_stand_in_the_place_of_the_job_that_calls_it(tmp_path):
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    step = "runs-on: x, steps: [{run: x}]"
    (folder / "in.yml").write_text(
        f"on: workflow_call\njobs:\n  a: {{{step}}}\n  b: {{needs: a, {step}}}\n  c: {{{step}}}"
    )
    (folder / "out.yml").write_text(
        f"on: push\njobs:\n  first: {{{step}}}\n  call: {{needs: first, uses: ./.github/workflows/in.yml}}\n"
        f"  last: {{needs: call, {step}}}\n"
    )
    workflow = load_workflow(folder / "out.yml")

    drawings = [
        draw_workflow(workflow),
        draw_workflow(workflow, simulate(workflow)),
        draw_workflow(workflow, simulate(workflow, outcomes={"first": "failure"})),
    ]

    planned, done, refused = (
        [line[2:].replace("success", "").split() for line in drawing.outline.splitlines()[3:]] for drawing in drawings
    )
    assert planned == done
    assert [" ".join(words) for words in planned] == [
        "first",
        "call / a ← first",
        "call / b ← call / a",
        "call / c ← first",
        "last ← call / b, call / c",
    ]
    assert ["skipped", "call", "←", "first"] in refused


def test_a_matrix_that_an_expression_makes_is_not_guessed():
    workflow = small("  a: {runs-on: x, strategy: {matrix: {v: '${{ fromJSON(vars.V) }}'}}, steps: [{run: x}]}")

    planned = draw_workflow(workflow)
    done = draw_workflow(workflow, simulate(workflow, variables={"V": "[1, 2]"}))

    assert "a matrix, computed when it runs" in planned.outline
    assert "✓ 1 (success)\n    ✓ 2 (success)" in done.outline


def test_a_job_that_waits_says_for_whom():
    workflow = small("  a: {runs-on: x, environment: '${{ github.ref_name }}', steps: [{run: x}]}")

    drawing = draw_workflow(workflow, simulate(workflow, environments={"main": Environment("main", ("ada",))}))

    assert "‖ waiting  a\n    environment: main\n    main asks for a review by one of ada" in drawing.outline


def test_a_run_that_never_started_draws_the_plan():
    workflow = parse_workflow("on: {push: {branches: [x]}}\njobs: {a: {runs-on: x, steps: [{run: x}]}}")

    drawing = draw_workflow(workflow, simulate(workflow))

    assert drawing.outline == "workflow.yml\nworkflow.yml, on push: not triggered\n\n○ a"


def test_jobs_of_one_display_name_and_names_with_slashes_keep_their_own_boxes():
    jobs = {"a": "name: same / x", "b": "name: same", "c": "name: same, needs: b"}
    workflow = small("\n".join(f"  {job}: {{{words}, runs-on: x, steps: [{{run: x}}]}}" for job, words in jobs.items()))

    drawing = draw_workflow(workflow, simulate(workflow, outcomes={"a": "failure"}))

    assert drawing.outline.splitlines()[3:] == ["✗ failure  a", "✓ success  b", "✓ success  c  ← b"]


def test_the_largest_matrix_is_drawn_in_no_time():
    workflow = small(f"  a: {{runs-on: x, strategy: {{matrix: {{v: {list(range(256))}}}}}, steps: [{{run: x}}]}}")
    run = simulate(workflow)

    began = time.process_time()
    drawing = draw_workflow(workflow, run)

    assert drawing.outline.count("(success)") == 256
    assert time.process_time() - began < 5
