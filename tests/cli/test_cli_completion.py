"""Tab completion, and questions about what is not there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mlops_lab.pipeline.flights import OUTCOMES


@pytest.mark.parametrize(
    ("words", "at", "wanted"),
    [("mlops-lab ", 1, "features"), ("mlops-lab features ", 2, "rebuild"), ("mlops-lab nope ", 2, "")],
)
def test_completion_offers_words_and_nothing_else(words, at, wanted):
    code = "import sys; from mlops_lab.cli import main; sys.exit(main([]))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "_MLOPS_LAB_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert "Usage" not in done.stdout
    assert wanted in done.stdout


def test_the_runs_of_a_dag_that_is_not_there_are_an_error(empty):
    answer = empty("dag", "list", "--dag", "nope")

    assert answer.code == 1
    assert "no DAG 'nope'" in answer.line


def test_every_outcome_that_is_not_the_same_has_a_code_of_its_own():
    assert OUTCOMES == {"promoted": 0, "failed": 1, "refused": 2, "waiting": 3, "rolled back": 5}
