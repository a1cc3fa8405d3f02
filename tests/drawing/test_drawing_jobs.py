"""Jobs stand in columns by what they need, and a matrix tells its legs."""

from __future__ import annotations

from mlops_lab.ci import parse_workflow, simulate
from mlops_lab.teaching.drawing import draw_workflow

JOB = "runs-on: x, steps: [{run: work}]"


def test_jobs_stand_one_column_after_the_last_job_they_need() -> None:
    needs = {"lint": "", "test": "needs: lint,", "docs": "", "ship": "needs: [docs, test],"}
    jobs = "\n".join(f"  {name}: {{{before} {JOB}}}" for name, before in needs.items())

    dot = draw_workflow(parse_workflow(f"on: push\njobs:\n{jobs}\n")).dot

    columns = [part.split("}")[0].split() for part in dot.split("rank=same]")[1:]]
    assert columns == [['"job-lint"', '"job-docs"'], ['"job-test"'], ['"job-ship"']]


def test_the_legs_of_a_matrix_are_told_one_by_one() -> None:
    legs = ", ".join(f"'3.{minor}'" for minor in range(1, 21))
    workflow = parse_workflow(
        f"name: ci\non: push\njobs:\n  test: {{strategy: {{matrix: {{python: [{legs}]}}}}, {JOB}}}\n"
    )

    drawing = draw_workflow(workflow, simulate(workflow))

    assert drawing.outline.splitlines()[2:5] == ["", "✓ success  test", "    ✓ 3.1 (success)"]
    assert drawing.outline.count("(success)") == 20
    assert "… and 9 more" in drawing.svg
    assert draw_workflow(workflow).outline.endswith("○ 3.20")
