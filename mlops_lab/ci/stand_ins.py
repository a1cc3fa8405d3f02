"""What stands in for actions of other repositories, which cannot be fetched here?

A stand-in is a function of a `StandInCall`; it returns the step's outputs, or an `Outcome`. Those below stand for the
actions nearly every workflow uses; everything else is a stub that succeeds without doing anything, and is marked so.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mlops_lab.ci.performing import Outcome

__all__ = ["STAND_INS", "StandIn", "StandInCall", "find_stand_in"]


@dataclass(frozen=True)
class StandInCall:
    r"""What a stand-in gets: the `with` values, where the job works, the repository's copy, the run's artifacts.

    >>> from mlops_lab.ci import execute, parse_workflow
    >>> text = "on: push\njobs: {a: {runs-on: x, steps: [{uses: my/deploy@v1, with: {to: prod}}]}}"
    >>> def deploy(call):
    ...     return {"url": f"https://{call.argument('to')}"}
    >>> run = execute(parse_workflow(text, root="/nonexistent"), actions={"my/deploy": deploy})
    >>> run.job("a").steps[0].outputs
    {'url': 'https://prod'}
    """

    uses: str
    arguments: Mapping[str, str]
    env: Mapping[str, str]
    workspace: Path
    repository: Path
    artifacts: Path

    def argument(self, name: str, default: str = "") -> str:
        """A `with` value, whatever the case of its name."""
        return next((value for key, value in self.arguments.items() if key.lower() == name.lower()), "") or default


StandIn: TypeAlias = Callable[[StandInCall], "Outcome | Mapping[str, str] | None"]


def _inside(folder: Path, name: str) -> Path | None:
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) else None


def _checkout(call: StandInCall) -> Outcome | None:
    target = _inside(call.workspace, call.argument("path"))
    if target is None:
        return Outcome("failure", reason=f"Repository path '{call.argument('path')}' is not under '{call.workspace}'")
    if call.repository.is_dir():
        shutil.copytree(call.repository, target, symlinks=True, dirs_exist_ok=True)
    return None


def _upload(call: StandInCall) -> Outcome | Mapping[str, str]:
    patterns = [line.strip() for line in call.argument("path").splitlines() if line.strip()]
    files: dict[str, Path] = {}
    for pattern in patterns:
        relative = pattern.removeprefix("./").rstrip("/")
        found = [call.workspace / relative] if (call.workspace / relative).exists() else []
        for path in found or sorted(call.workspace.glob(relative)):
            inner = sorted(path.rglob("*")) if path.is_dir() else [path]
            base = path if path.is_dir() else path.parent
            files.update({str(file.relative_to(base)): file for file in inner if file.is_file()})
    if not files:
        missing = f"No files were found with the provided path: {', '.join(patterns)}. No artifacts will be uploaded."
        failing = call.argument("if-no-files-found", "warn") == "error"
        return Outcome("failure" if failing else "success", reason=missing if failing else "", log=missing)
    name = call.argument("name", "artifact")
    target = _inside(call.artifacts, name)
    if target is None or (target.exists() and call.argument("overwrite") != "true"):
        return Outcome("failure", reason=f"an artifact with this name already exists on the workflow run: {name}")
    digest = hashlib.sha256()
    for relative, file in sorted(files.items()):
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / relative)
        digest.update(relative.encode() + b"\0" + file.read_bytes())
    return {"artifact-id": str(len(list(call.artifacts.iterdir()))), "artifact-digest": digest.hexdigest()}


def _download(call: StandInCall) -> Outcome | Mapping[str, str]:
    name = call.argument("name")
    target = _inside(call.workspace, call.argument("path"))
    if target is None:
        return Outcome("failure", reason="the path to download to is outside the workspace")
    if name:
        source = _inside(call.artifacts, name)
        if source is None or not source.is_dir():
            return Outcome("failure", reason=f"Unable to download artifact(s): Artifact not found for name: {name}")
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copytree(call.artifacts, target, dirs_exist_ok=True)
    return {"download-path": str(target)}


def _python(call: StandInCall) -> Mapping[str, str]:
    return {"python-version": call.argument("python-version"), "cache-hit": "false"}


def _cache(_: StandInCall) -> Mapping[str, str]:
    return {"cache-hit": ""}


STAND_INS: Mapping[str, StandIn] = {
    "actions/checkout": _checkout,
    "actions/upload-artifact": _upload,
    "actions/download-artifact": _download,
    "actions/setup-python": _python,
    "actions/cache": _cache,
}


def find_stand_in(uses: str, more: Mapping[str, StandIn]) -> StandIn | None:
    """The stand-in for a `uses`: by its whole text, or without what follows the `@`."""
    path = uses.partition("@")[0]
    for key in (uses, path, path.lower()):
        if key in more:
            return more[key]
    return STAND_INS.get(path.lower())
