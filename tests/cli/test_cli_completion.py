"""Tab completion, and questions about what is not there."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from mlops_lab.cli.program import program
from mlops_lab.pipeline.flights import OUTCOMES


@pytest.mark.parametrize(
    ("words", "at", "wanted"),
    [
        ("mlops-lab ", 1, "features"),
        ("mlops-lab features ", 2, "rebuild"),
        ("mlops-lab nope ", 2, ""),
        ("mlops-lab export air", 2, "plain,airflow-factory"),
        ("mlops-lab break lea", 2, "plain,leak"),
    ],
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


def test_the_shell_completes_the_name_of_every_file_and_folder():
    """A parameter that is called FILE, DIR and so on asks the shell; click alone would offer nothing there."""
    names = {"FILE": "file", "PROBLEM": "file", "PATH": "file", "DIR": "dir", "FOLDER": "dir"}
    seen = {}

    def look(command: click.Command, context: click.Context) -> None:
        for param in command.params:
            if kind := names.get((param.metavar or "").strip("[].").split(" ")[0]):
                found = param.shell_complete(context, "x")
                seen[context.command_path, param.name] = [(each.type, each.value) for each in found] == [(kind, "x")]
        for name in getattr(command, "commands", ()):
            inner = command.get_command(context, name)
            look(inner, click.Context(inner, info_name=name, parent=context))

    look(program, click.Context(program, info_name="mlops-lab"))

    assert len(seen) > 60
    assert [place for place, good in seen.items() if not good] == []


def test_the_runs_of_a_dag_that_is_not_there_are_an_error(empty):
    answer = empty("dag", "list", "--dag", "nope")

    assert answer.code == 1
    assert "no DAG 'nope'" in answer.line


def test_every_outcome_that_is_not_the_same_has_a_code_of_its_own():
    assert OUTCOMES == {"promoted": 0, "failed": 1, "refused": 2, "waiting": 3, "rolled back": 5}
