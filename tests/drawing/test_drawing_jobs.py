"""Jobs stand in columns by what they need, a matrix tells its legs, and what cannot be is refused."""

from __future__ import annotations

import pytest

from mlops_lab.base.errors import CycleError, DuplicateName, UnknownName
from mlops_lab.teaching.drawing import JobBox, draw_jobs


def test_jobs_stand_one_column_after_the_last_job_they_need() -> None:
    jobs = [JobBox("lint"), JobBox("test", needs=["lint"]), JobBox("docs"), JobBox("ship", needs=["docs", "test"])]

    dot = draw_jobs("ci", jobs).dot

    columns = [part.split("}")[0].split() for part in dot.split("rank=same]")[1:]]
    assert columns == [['"job-lint"', '"job-docs"'], ['"job-test"'], ['"job-ship"']]


def test_the_legs_of_a_matrix_are_told_one_by_one() -> None:
    legs: dict[str, str | None] = {f"3.{minor}": "success" for minor in range(1, 20)} | {"3.99": None}

    drawing = draw_jobs("ci", [JobBox("test", state="in_progress", legs=legs)], about=["on push"])

    assert drawing.outline.splitlines()[:5] == ["ci", "on push", "", "▸ in_progress  test", "    ✓ 3.1 (success)"]
    assert drawing.outline.count("(success)") == 19
    assert drawing.outline.endswith("○ 3.99")
    assert "… and 9 more" in drawing.svg


def test_jobs_that_need_each_other_or_nobody_or_share_a_name_are_refused() -> None:
    one, two = JobBox("a", needs=["b"]), JobBox("b", needs=["a"])

    with pytest.raises(CycleError, match="a cycle:"):
        draw_jobs("ci", [one, two])
    with pytest.raises(UnknownName, match="no job 'b' in the needs of 'a'"):
        draw_jobs("ci", [one])
    with pytest.raises(DuplicateName):
        draw_jobs("ci", [JobBox("a"), JobBox("a")])
