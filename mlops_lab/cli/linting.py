"""What is wrong with workflow files, by line and column: our own rules and those of other linters, also as SARIF."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import click

from mlops_lab.base.display import counted
from mlops_lab.base.errors import InvalidData, MlopsLabError
from mlops_lab.base.storage import write_atomically
from mlops_lab.ci import WorkflowError, load_workflow
from mlops_lab.ci.loading import load_action, suspicions
from mlops_lab.cli.answers import Stopped, answer
from mlops_lab.cli.options import json_option
from mlops_lab.teaching.drawing.words import plain

#: Linters that are asked where they are installed; both write SARIF, and none of them reaches for the network.
_LINTERS = {
    "jactionlint": ("--format", "sarif"),
    "zizmor": ("--offline", "--no-progress", "--format", "sarif", "--no-exit-codes"),
}
_SECONDS = 120
_MOST_RESULTS = 5000  # of one run that GitHub shows; it keeps those of the highest severity
_RULES = {
    "refused": "GitHub refuses the file.",
    "always-true": "A condition mixes text with an expression, and so is always true.",
    "missing-local": "A local action is not in this repository.",
    "impossible-matrix": "A matrix that GitHub refuses when its job starts.",
}
_HELP = "https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax"
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong in a file, and who says so."""

    file: str
    line: int
    column: int
    by: str
    rule: str
    message: str
    level: str = field(default="error", compare=False)

    def __str__(self) -> str:
        rule = f" [{self.rule}]" if self.rule else ""
        return f"{self.file}:{self.line}:{self.column}: {self.by}: {self.message}{rule}"


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--ours-only", is_flag=True, help="Do not ask other linters, even where they are installed.")
@click.option("--sarif", metavar="FILE", help="Also write what was found as SARIF, for GitHub's code scanning.")
@json_option
def lint(files: tuple[str, ...], ours_only: bool, sarif: str | None, as_json: bool) -> int:
    r"""Say what is wrong with files of workflows and actions, by line and column.

    What GitHub would refuse, conditions that mean something else than they seem to, local actions that are not there,
    and what jactionlint and zizmor find where they are installed.

    \b
    Examples:
      mlops-lab workflow lint .github/workflows/*.yml .github/actions/*/action.yml
      mlops-lab workflow lint ci.yml --ours-only --json
      mlops-lab workflow lint .github/workflows/*.yml --sarif lint.sarif
    \b
    Exit codes: 0 nothing is wrong, 1 something is
    """
    found = [finding for file in files for finding in _ours(file)]
    drivers: dict[str, dict[str, Any]] = {"mlops-lab": _our_driver()}
    for name in [] if ours_only else [name for name in _LINTERS if _program(name)]:
        theirs, drivers[name] = _theirs(name, files)
        found += theirs
    found = sorted(set(found))
    if sarif is not None:
        text = json.dumps(_as_sarif(found, drivers), indent=2)
        write_atomically(Path(sarif), text.encode())
    told = {"exit_code": int(bool(found)), "linters": list(drivers), "findings": found}
    if not as_json:
        for finding in found:
            click.echo(plain(str(finding)))
    if found:
        raise Stopped(f"{counted(len(found), 'finding')} by {', '.join(drivers)}.", code=1, kind="Findings", told=told)
    return answer(as_json, told, f"nothing is wrong, say {', '.join(drivers)}.")


def _ours(file: str) -> list[Finding]:
    if "\0" in file:
        raise InvalidData(f"the workflow file {file!r} cannot be read: it holds a null byte.")
    try:
        load = load_action if Path(file).name in ("action.yml", "action.yaml") else load_workflow
        workflow = load(file)
    except WorkflowError as error:
        return _refused(error, file)
    return [
        Finding(
            file if each.file == workflow.file else str(workflow.root / each.file),
            each.line, each.column, "mlops-lab", each.rule, each.message,
        )
        for each in suspicions(workflow)
    ]  # fmt: skip


def _refused(error: WorkflowError, file: str) -> list[Finding]:
    own = Path(error.file).name == Path(file).name
    shown = file if own else error.file
    return [
        Finding(shown, each.line, each.column, "mlops-lab", "", str(each).partition(": ")[2]) for each in error.problems
    ]


def _program(name: str) -> str | None:
    """Where a linter is: beside this Python, as in an environment that is not activated, or on the path."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(name, path=beside) or shutil.which(name)


def _theirs(name: str, files: tuple[str, ...]) -> tuple[list[Finding], dict[str, Any]]:
    """What a linter finds, and what it says of itself and of its rules.

    Raises:
        MlopsLabError: it broke, or said something that nobody can read.
    """
    beside = str(Path(sys.executable).parent)  # where jactionlint finds shellcheck
    env = {**os.environ, "PATH": beside + os.pathsep + os.environ.get("PATH", "")}
    command = [str(_program(name)), *_LINTERS[name], *(str(Path(file).resolve()) for file in files)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False, env=env)  # noqa: S603
        (run,) = json.loads(done.stdout)["runs"]
        return [_finding(name, result, files) for result in run.get("results", ())], run["tool"]["driver"]
    except (OSError, ValueError, LookupError, TypeError, subprocess.TimeoutExpired) as error:
        raise MlopsLabError(f"{name} could not lint: {type(error).__name__}: {error}. See: --ours-only") from None


def _finding(name: str, result: dict[str, Any], files: tuple[str, ...]) -> Finding:
    place = result["locations"][0]["physicalLocation"]
    path = unquote(place["artifactLocation"]["uri"].removeprefix("file://"))
    shown = next((file for file in files if Path(file).resolve() == Path(path).resolve()), None)
    same = [file for file in files if Path(file).resolve().as_posix().endswith(path.lstrip("./"))]
    shown = shown or next(iter(same), path)
    region = place.get("region", {})
    message = " ".join(result["message"]["text"].split())
    return Finding(
        shown, region.get("startLine", 1), region.get("startColumn", 1), name,
        result.get("ruleId", "").removeprefix(f"{name}/"), message, result.get("level", "warning"),
    )  # fmt: skip


# -- SARIF ------------------------------------------------------------------------------------------------------------


def _our_driver() -> dict[str, Any]:
    rules = [
        {
            "id": rule,
            "shortDescription": {"text": words},
            "fullDescription": {"text": words},
            "help": {"text": words},
            "helpUri": _HELP,
            "defaultConfiguration": {"level": "error"},
        }
        for rule, words in _RULES.items()
    ]
    return {"name": "mlops-lab", "version": version("mlops-lab"), "rules": rules}


def _as_sarif(found: Sequence[Finding], drivers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One run a linter, in the part of SARIF 2.1.0 that GitHub reads.

    Paths are those below the repository, each result has a rule and a fingerprint that outlives a moved line. See
    https://docs.github.com/code-security/reference/code-scanning/sarif-support-for-code-scanning.
    """
    runs = []
    seen: dict[tuple[str, ...], int] = {}
    for name, driver in drivers.items():
        mine = [finding for finding in found if finding.by == name][:_MOST_RESULTS]
        results = [_result(finding, seen) for finding in mine]
        rules = [{**rule, "id": rule["id"].removeprefix(f"{name}/")} for rule in driver.get("rules", ())]
        known = {rule["id"] for rule in rules}
        for rule in dict.fromkeys(result["ruleId"] for result in results if result["ruleId"] not in known):
            rules.append({"id": rule, "shortDescription": {"text": rule}})
        runs.append(
            {
                "tool": {"driver": {**driver, "rules": rules}},
                "automationDetails": {"id": f"workflow-lint/{name}/"},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        )
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}


def _result(finding: Finding, seen: dict[tuple[str, ...], int]) -> dict[str, Any]:
    rule, path = finding.rule or "refused", _below_repository(finding.file)
    try:
        lines = Path(finding.file).read_text("utf-8-sig", errors="replace").splitlines()
    except OSError:
        lines = []
    text = lines[finding.line - 1].strip() if finding.line <= len(lines) else ""
    same = (finding.by, rule, path, text)
    seen[same] = seen.get(same, 0) + 1
    digest = hashlib.sha256("\0".join(same).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return {
        "ruleId": rule,
        "level": finding.level,
        "message": {"text": finding.message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(path), "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": max(1, finding.line), "startColumn": max(1, finding.column)},
                }
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": f"{digest}:{seen[same]}"},
    }


def _below_repository(file: str) -> str:
    """The path from the folder that holds `.git` or `.github`; for a file of no repository, from this folder."""
    path = Path(file).resolve()
    root = next((folder for folder in path.parents if (folder / ".git").exists()), None)
    root = root or next((folder.parent for folder in path.parents if folder.name == ".github"), Path.cwd())
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
