"""What is wrong with workflow files, by line and column: our own rules and those of other linters."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops_lab.base.errors import InvalidData, MlopsLabError
from mlops_lab.cli.answers import Stopped, print_json

if TYPE_CHECKING:
    from mlops_lab.ci import Workflow

__all__ = ["Finding", "lint"]

#: Linters that are asked where they are installed; both write SARIF, and none of them reaches for the network.
_LINTERS = {
    "jactionlint": ("--format", "sarif"),
    "zizmor": ("--offline", "--no-progress", "--format", "sarif", "--no-exit-codes"),
}
_SECONDS = 120


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong in a file, and who says so."""

    file: str
    line: int
    column: int
    by: str
    rule: str
    message: str

    def __str__(self) -> str:
        rule = f" [{self.rule}]" if self.rule else ""
        return f"{self.file}:{self.line}:{self.column}: {self.by}: {self.message}{rule}"


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--ours-only", is_flag=True, help="Do not ask other linters, even where they are installed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def lint(files: tuple[str, ...], ours_only: bool, as_json: bool) -> int:
    r"""Say what is wrong with workflow files, by line and column.

    What GitHub would refuse, conditions that mean something else than they seem to, and what jactionlint and zizmor
    find where they are installed.

    \b
    Examples:
      mlops-lab workflow lint .github/workflows/*.yml
      mlops-lab workflow lint ci.yml --ours-only --json
    \b
    Exit codes: 0 nothing is wrong, 1 something is
    """
    from mlops_lab.teaching.drawing.words import plain

    found = [finding for file in files for finding in _ours(file)]
    asked = [] if ours_only else [name for name in _LINTERS if _program(name)]
    for name in asked:
        found += _theirs(name, files)
    found = sorted(set(found))
    told = {"exit_code": int(bool(found)), "linters": ["mlops-lab", *asked], "findings": found}
    if not as_json:
        for finding in found:
            click.echo(plain(str(finding)))
    if found:
        many = "1 finding" if len(found) == 1 else f"{len(found)} findings"
        raise Stopped(f"{many} by {', '.join(['mlops-lab', *asked])}.", code=1, kind="Findings", told=told)
    if as_json:
        print_json(told)
    else:
        click.echo(f"nothing is wrong, say {', '.join(['mlops-lab', *asked])}.")
    return 0


def _ours(file: str) -> list[Finding]:
    from mlops_lab.ci import WorkflowError, load_workflow
    from mlops_lab.ci.loading import always_true

    if "\0" in file:
        raise InvalidData(f"the workflow file {file!r} cannot be read: it holds a null byte.")
    try:
        workflow = load_workflow(file)
    except WorkflowError as error:
        own = Path(error.file).name == Path(file).name
        shown = file if own else error.file
        return [Finding(shown, each.line, each.column, "mlops-lab", "", _reason(each)) for each in error.problems]
    found = []
    for trap in always_true(workflow):
        shown = file if trap.file == workflow.file else str(workflow.root / trap.file)
        found.append(Finding(shown, trap.line, trap.column, "mlops-lab", "always-true", str(trap)))
    return found + _impossible_matrices(file, workflow)


def _impossible_matrices(file: str, workflow: Workflow) -> list[Finding]:
    """Matrices that are written out and that GitHub would refuse when the job starts, after others have run."""
    from mlops_lab.ci import expand_matrix

    found = []
    for job in workflow.jobs.values():
        node = job.strategy.matrix
        matrix = node.plain() if node is not None else None
        if node is None or not isinstance(matrix, dict) or "${{" in str(matrix):
            continue
        try:
            expand_matrix(matrix)
        except InvalidData as error:
            found.append(Finding(file, node.line, node.column, "mlops-lab", "impossible-matrix", f"{job.id}: {error}"))
    return found


def _reason(problem: Any) -> str:
    return str(problem).partition(": ")[2]


def _program(name: str) -> str | None:
    """Where a linter is: beside this Python, as in an environment that is not activated, or on the path."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(name, path=beside) or shutil.which(name)


def _theirs(name: str, files: tuple[str, ...]) -> list[Finding]:
    """What a linter finds.

    Raises:
        MlopsLabError: it broke, or said something that nobody can read.
    """
    beside = str(Path(sys.executable).parent)  # where jactionlint finds shellcheck
    env = {**os.environ, "PATH": beside + os.pathsep + os.environ.get("PATH", "")}
    command = [str(_program(name)), *_LINTERS[name], *(str(Path(file).resolve()) for file in files)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False, env=env)  # noqa: S603
        runs = json.loads(done.stdout)["runs"]
        return [_finding(name, result, files) for run in runs for result in run.get("results", ())]
    except (OSError, ValueError, LookupError, TypeError, subprocess.TimeoutExpired) as error:
        raise MlopsLabError(f"{name} could not lint: {type(error).__name__}: {error}. See: --ours-only") from None


def _finding(name: str, result: dict[str, Any], files: tuple[str, ...]) -> Finding:
    place = result["locations"][0]["physicalLocation"]
    uri = place["artifactLocation"]["uri"]
    shown = next((file for file in files if Path(file).name == uri.rpartition("/")[2]), uri)
    region = place.get("region", {})
    message = " ".join(result["message"]["text"].split())
    return Finding(
        shown, region.get("startLine", 1), region.get("startColumn", 1), name, result.get("ruleId", ""), message
    )
