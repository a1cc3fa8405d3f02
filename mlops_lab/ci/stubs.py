"""Stubs of the actions nearly every workflow uses; all others succeed, do nothing, and are marked so.

A stub is a function of an `ActionCall`; it returns the step's outputs, or an `Outcome`. Those below stand for the
actions nearly every workflow uses; everything else is a stub that succeeds without doing anything, and is marked so.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mlops_lab.ci.globs import file_matches
from mlops_lab.ci.step_runner import Outcome


@dataclass(frozen=True)
class ActionCall:
    r"""What a stub gets: the `with` values, where the job works, the repository's copy, the run's artifacts.

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


ActionStub: TypeAlias = Callable[[ActionCall], "Outcome | Mapping[str, str] | None"]


def _inside(folder: Path, name: str) -> Path | None:
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) else None


def _checkout(call: ActionCall) -> Outcome | None:
    target = _inside(call.workspace, call.argument("path"))
    if target is None:
        return Outcome("failure", reason=f"Repository path '{call.argument('path')}' is not under '{call.workspace}'")
    own, asked = call.env.get("GITHUB_REPOSITORY", ""), call.argument("repository")
    if asked and asked.lower() != own.lower():
        return Outcome(
            stubbed=True, reason=f"{asked} is another repository: it is not here, and nothing was checked out"
        )
    if call.repository.is_dir():
        shutil.copytree(call.repository, target, symlinks=True, dirs_exist_ok=True)
    ref = call.argument("ref")
    return Outcome(stubbed=True, reason=f"the files as they are now, not those of {ref}") if ref else None


def _upload(call: ActionCall) -> Outcome | Mapping[str, str]:
    """As actions/upload-artifact: patterns, `!` takes away, no hidden files; below the least common ancestor."""
    lines = [line.strip() for line in call.argument("path").splitlines() if line.strip()]
    files, base = _found(lines, call.workspace, hidden=call.argument("include-hidden-files") == "true")
    if not files:
        missing = f"No files were found with the provided path: {', '.join(lines)}. No artifacts will be uploaded."
        failing = call.argument("if-no-files-found", "warn") == "error"
        said = missing if call.argument("if-no-files-found", "warn") != "ignore" else ""
        return Outcome("failure" if failing else "success", reason=missing if failing else "", log=said)
    name = call.argument("name", "artifact")
    target = _inside(call.artifacts, name)
    if target is None or target == call.artifacts.resolve() or set(name) & set('\\/":<>|*?\r\n'):
        return Outcome("failure", reason=f"The artifact name is not valid: {name}")
    if target.exists() and call.argument("overwrite") != "true":
        return Outcome("failure", reason=f"an artifact with this name already exists on the workflow run: {name}")
    shutil.rmtree(target, ignore_errors=True)
    digest = hashlib.sha256()
    for file in files:
        relative = file.relative_to(base)
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / relative)
        digest.update(relative.as_posix().encode() + b"\0" + file.read_bytes())
    return {"artifact-id": str(len(list(call.artifacts.iterdir()))), "artifact-digest": digest.hexdigest()}


def _found(lines: Sequence[str], workspace: Path, *, hidden: bool) -> tuple[list[Path], Path]:
    """The files that patterns choose, in order, and the folder from which their names are told."""
    chosen: dict[Path, None] = {}
    roots: list[Path] = []
    for line in lines:
        pattern = Path(os.path.normpath(workspace / line.removeprefix("!"))).as_posix()
        if line.startswith("!"):
            chosen = {file: None for file in chosen if not file_matches(pattern, file.as_posix())}
            continue
        parts = pattern.split("/")
        fixed = next((number for number, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
        root = Path("/".join(parts[:fixed]) or "/")
        roots.append(root)
        inner = [root] if root.is_file() else sorted(root.rglob("*")) if root.is_dir() else []
        for file in inner:
            secret = any(part.startswith(".") for part in (root.name, *file.relative_to(root).parts))
            if file.is_file() and (hidden or not secret) and file_matches(pattern, file.as_posix()):
                chosen[file] = None
    base = Path(os.path.commonpath([str(root) for root in roots])) if roots else workspace
    return sorted(chosen), base.parent if base.is_file() else base


def _download(call: ActionCall) -> Outcome | Mapping[str, str]:
    """As actions/download-artifact: one by its name, or those of a pattern, each in a folder unless they are merged."""
    name, target = call.argument("name"), _inside(call.workspace, call.argument("path"))
    if target is None:
        return Outcome("failure", reason="the path to download to is outside the workspace")
    kept = {folder.name: folder for folder in sorted(call.artifacts.iterdir())}
    if name and name not in kept:
        return Outcome("failure", reason=f"Unable to download artifact(s): Artifact not found for name: {name}")
    chosen = [name] if name else [each for each in kept if file_matches(call.argument("pattern", "*"), each)]
    flat = bool(name) or call.argument("merge-multiple") == "true"
    for each in chosen:
        shutil.copytree(kept[each], target if flat else target / each, dirs_exist_ok=True)
    elsewhere = call.argument("run-id")
    if elsewhere and elsewhere != call.env.get("GITHUB_RUN_ID", elsewhere):
        return Outcome(outputs={"download-path": str(target)}, stubbed=True, reason=f"run {elsewhere} is not here")
    return {"download-path": str(target)}


def _python(call: ActionCall) -> Outcome | Mapping[str, str]:
    """The Python that was asked for, of several the last, where this machine has one; else this one, which is said."""
    here = ".".join(map(str, sys.version_info[:3]))
    lines = [line.strip() for line in call.argument("python-version").splitlines() if line.strip()]
    asked = lines[-1] if lines else call.argument("python-version-file")
    outputs = {"python-version": here, "cache-hit": "false"}
    wanted = asked.removesuffix("-dev").removesuffix(".x")
    if not asked or f"{here}.".startswith(f"{wanted}.") or _allows(wanted, here):
        return outputs
    path = call.env.get("PATH") or os.environ.get("PATH", "")
    program = shutil.which(f"python{'.'.join(wanted.split('.')[:2])}", path=path)
    found = _version_of(program) if program else ""
    if program is None or not f"{found}.".startswith(f"{wanted}."):
        reason = f"Python {asked} was asked for and is not here; steps use {here}"
        return Outcome(outputs=outputs, stubbed=True, reason=reason)
    folder = call.artifacts.parent / "python" / found
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3"):
        if not (folder / name).exists():
            (folder / name).symlink_to(program)
    return Outcome(outputs={**outputs, "python-version": found}, exported={"PATH": f"{folder}{os.pathsep}{path}"})


def _allows(wanted: str, here: str) -> bool:
    """Is it a range of versions that holds this one?"""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return here in SpecifierSet(",".join(wanted.split()))
    except InvalidSpecifier:  # one version, or a range in the words of npm
        return False


def _version_of(program: str) -> str:
    """What a Python says of itself; nothing where it does not start, such as a version manager's empty promise."""
    try:
        command = [program, "-c", "import sys; print('.'.join(map(str, sys.version_info[:3])))"]
        return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=20, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""


def _cache(call: ActionCall) -> Outcome | Mapping[str, str]:
    """Nothing is cached from run to run: it is a miss."""
    if call.argument("fail-on-cache-miss") == "true":
        key = call.argument("key")
        reason = f"Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: {key}"
        return Outcome("failure", reason=reason)
    return {"cache-hit": ""}


STUBS: Mapping[str, ActionStub] = {
    "actions/checkout": _checkout,
    "actions/upload-artifact": _upload,
    "actions/download-artifact": _download,
    "actions/setup-python": _python,
    "actions/cache": _cache,
    "actions/cache/restore": _cache,
}


def find_stub(uses: str, more: Mapping[str, ActionStub]) -> ActionStub | None:
    """The stub of a `uses`: by its whole text, or without what follows the `@`."""
    path = uses.partition("@")[0]
    for key in (uses, path, path.lower()):
        if key in more:
            return more[key]
    return STUBS.get(path.lower())
