"""The `run:` steps of a workflow, really run in a scratch copy of the repository.

The copy holds what git would show a person: tracked files as they are now, and new ones that nothing ignores; where
there is no git, all but what tools leave behind. Never `.git`: what a step does to it could reach the original. The
script is what the expressions made of it: whoever puts `${{ github.event.… }}` into a script lets that text run.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock, FakeClock, SystemClock
from mlops_lab.base.errors import InvalidData, MlopsLabError
from mlops_lab.ci.expressions.values import Value, to_text
from mlops_lab.ci.results import WorkflowRun
from mlops_lab.ci.run_state import Environment, Review, environments_from
from mlops_lab.ci.runner_commands import LogReader, Masks, command_line, parse_assignments, parse_lines, suffix
from mlops_lab.ci.simulating import Circumstances, run_workflow
from mlops_lab.ci.step_runner import Outcome, StepRequest, StepRunner
from mlops_lab.ci.stubs import ActionCall, ActionStub, find_stub
from mlops_lab.ci.trigger import Trigger
from mlops_lab.ci.workflow import Workflow

_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis",
    ".ipynb_checkpoints", ".tox", ".nox",
)  # fmt: skip
_MADE_BY_TOOLS = ("pyvenv.cfg", "CACHEDIR.TAG")  # a folder with one of these can be made again
_SECONDS = 60
_GIT = ("git", "-c", "core.fsmonitor=false", "ls-files", "-z", "--cached", "--others", "--exclude-standard")


def copy_repository(source: Path, target: Path, *, without: Path | None = None) -> None:
    """Copy a repository's files.

    Args:
        source: the repository, or a folder in one.
        target: where the copy goes.
        without: a folder that is left out, for the copy may lie inside the repository.

    Raises:
        OSError: a file cannot be read or written.
    """
    target.mkdir(parents=True, exist_ok=True)
    names = _known_to_git(source)
    if names is None:
        _copy_folder(source, target, without)
        return
    for name in names:
        old, new = source / name, target / name
        if without is not None and old.is_relative_to(without):
            continue
        if old.is_dir() and not old.is_symlink():  # another repository inside this one
            _copy_folder(old, new, without)
        elif os.path.lexists(old):  # git still knows a file that was deleted
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(old, new, follow_symlinks=False)


def _known_to_git(source: Path) -> list[str] | None:
    """The paths that git tracks or would offer to; None where there is no git, or it knows nothing here."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(_GIT, cwd=source, capture_output=True, env=env, timeout=_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    names = sorted({os.fsdecode(name) for name in done.stdout.split(b"\0") if name})
    return names if done.returncode == 0 and names else None


def _copy_folder(source: Path, target: Path, without: Path | None) -> None:
    def left_out(folder: str, names: list[str]) -> set[str]:
        own = {name for name in names if without is not None and Path(folder, name) == without}
        made = {name for name in names if any(Path(folder, name, mark).is_file() for mark in _MADE_BY_TOOLS)}
        return own | made | set(_LEFT_OUT(folder, names))

    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=left_out)


_FILES = ("output", "env", "path", "step_summary", "state")
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "COMSPEC", "PATHEXT")  # of this machine's environment
_TRACKING = "RUNNER_TRACKING_ID"
_SYSTEMS = {"win32": "Windows", "darwin": "macOS"}
_GRACE = 300.0  # seconds a step has that still runs when the time of its job is over
_FORBIDDEN = ("NODE_OPTIONS",)  # GitHub does not let a step set it for the steps after it
_FROM_GITHUB = (
    "actor api_url base_ref event_name graphql_url head_ref job ref ref_name ref_type repository repository_owner "
    "run_attempt run_id run_number server_url sha triggering_actor workflow workflow_ref"
)


class LocalRunner(StepRunner):
    """Runs steps in folders under `scratch`, one workspace a job; nothing of the caller's environment but the path."""

    real = True

    def __init__(
        self, root: Path, scratch: Path, *, secrets: Sequence[str], actions: Mapping[str, ActionStub],
        inherit: Sequence[str] = (), seconds: float,
    ) -> None:  # fmt: skip
        self.scratch = scratch
        self.actions = actions
        self.masks = Masks(secrets)
        self.seconds = seconds
        self.environment = {name: os.environ[name] for name in (*_KEPT, *inherit) if name in os.environ}
        self.clock = SystemClock()
        self.left: dict[str, float] = {}  # seconds each job may still take
        self.paths: dict[str, list[str]] = {}
        self.workspaces: dict[str, Path] = {}
        self.notes: list[str] = []
        self.summary = ""
        self.count = 0
        self.root = root
        self.repository = scratch / "repository"
        self.artifacts = scratch / "artifacts"
        for folder in (self.artifacts, scratch / "home", scratch / "temp"):
            folder.mkdir(parents=True, exist_ok=True)

    def workspace(self, job_name: str) -> Path:
        """The folder a job works in: empty until it checks the repository out, as on GitHub."""
        if job_name not in self.workspaces:
            self.workspaces[job_name] = self.scratch / "work" / f"job{len(self.workspaces) + 1}"
            self.workspaces[job_name].mkdir(parents=True)
        return self.workspaces[job_name]

    def places(self, job_name: str, repository: str) -> tuple[str, str]:  # noqa: ARG002 (a path of this machine)
        """The job's own folder, and the one for what is thrown away."""
        return str(self.workspace(job_name)), str(self.scratch / "temp")

    def relocated(self, folder: Path) -> Path:
        """The folder in the scratch copy: an action's files may be read there, and changed."""
        self._copy()
        return self.repository / folder.relative_to(self.root) if folder.is_relative_to(self.root) else folder

    def _copy(self) -> None:
        """Copy the repository, once, when first somebody needs it."""
        if self.repository.exists() or not self.root.is_dir():
            return
        try:
            copy_repository(self.root, self.repository, without=self.scratch)
        except OSError as error:
            raise InvalidData(f"the repository {self.root} cannot be copied: {error}.") from None

    def conceals(self, value: str) -> bool:
        """Does the text hold a secret, or something a step asked to mask?"""
        return self.masks.reveals(value)

    def run(self, request: StepRequest) -> Outcome:
        """Run the step, or have its stub do it."""
        for secret in request.secrets.values():
            self.masks.add(secret)
        if request.run is not None:
            return self._run(request)
        uses = request.step.uses or ""
        stub = find_stub(uses, self.actions)
        if stub is None:
            self.notes.append(f"{request.job_name}: {uses} was not run; it is a stub that succeeds and has no outputs")
            return Outcome(stubbed=True)
        known = {**self._github(request), **request.env}
        call = ActionCall(
            uses, request.arguments, known, self.workspace(request.job_name), self.repository, self.artifacts
        )
        try:
            self._copy()
            answer = stub(call)
        except (OSError, ValueError, NotImplementedError, MlopsLabError) as error:
            return Outcome("failure", reason=f"the stub of {uses} failed: {error}")
        if isinstance(answer, Outcome):
            if answer.stubbed:
                self.notes.append(f"{request.job_name}: {uses}: {answer.reason}")
            return answer
        return Outcome(outputs={name: str(value) for name, value in (answer or {}).items()})

    def _run(self, request: StepRequest) -> Outcome:
        self.count += 1
        system = request.contexts.get("runner")
        asked = system.get("os") if isinstance(system, Mapping) else "Linux"
        shell = request.shell
        if asked == "Windows" and sys.platform != "win32" and not shell:  # its default shell is no bash
            if shutil.which("pwsh") is None:
                why = "Windows runs it in pwsh, which is not here"
                self.notes.append(f"{request.job_name}: {request.name} was not run: {why} ({request.runs_on})")
                return Outcome(stubbed=True, reason=why, knows_outputs=False)
            shell = "pwsh"
        if asked != _SYSTEMS.get(sys.platform, "Linux"):
            self.notes.append(
                f"{request.job_name}: asks for {request.runs_on} ({asked}); its steps ran on this machine's system"
            )
        workspace = self.workspace(request.job_name)
        files = {name: self.scratch / "temp" / f"{name}_{self.count}" for name in _FILES}
        for path in files.values():
            path.touch()
        script = self.scratch / "temp" / f"step_{self.count}{suffix(shell)}"
        folder = workspace / (request.working_directory or "")
        try:
            script.write_text(request.run or "", encoding="utf-8", errors="surrogateescape")
            command = command_line(shell, str(script))
            if not folder.is_dir():
                return Outcome(
                    "failure", reason=f"An error occurred trying to start process with working directory '{folder}'."
                )
            code, reader = self._process(command, folder, self._environment(request, files), request)
            outputs = {**reader.outputs, **parse_assignments(_read(files["output"]), kind="output")}
            exported = parse_assignments(_read(files["env"]), kind="env")
        except (OSError, ValueError, MlopsLabError) as error:
            return Outcome("failure", reason=self.masks.hide(str(error)))
        for name in _FORBIDDEN:
            if exported.pop(name, None) is not None:
                return Outcome(
                    "failure",
                    reason=f"Can't store {name} output parameter using '$GITHUB_ENV' command.",
                    log=reader.text,
                )
        self.paths[request.job_name] = parse_lines(_read(files["path"]))[::-1] + self.paths.get(request.job_name, [])
        self.summary += self.masks.hide(_read(files["step_summary"]))
        reason = "" if code == 0 else f"Process completed with exit code {code}."
        if code is None and self.left[request.job_name] <= 0:
            minutes = f"{request.job_seconds / 60:g}"
            reason = f"The job has exceeded the maximum execution time of {minutes} minutes."
            return Outcome("cancelled", reason=reason, log=reader.text)
        if code is None:
            limit = min(request.timeout_seconds or self.seconds, self.seconds)
            reason = f"The action '{request.name}' has timed out after {limit / 60:g} minutes."
        return Outcome(
            "success" if code == 0 else "failure", outputs, reason=reason, log=reader.text, exported=exported
        )

    def _process(
        self, command: list[str], folder: Path, env: dict[str, str], request: StepRequest
    ) -> tuple[int | None, LogReader]:
        """Exit code (None: it took too long) and log. The log goes through a file, so nothing can fill a pipe."""
        log = self.scratch / "temp" / f"log_{self.count}"
        left = self.left.setdefault(request.job_name, request.job_seconds)
        grace = left if left > 0 else _GRACE
        begun = self.clock.now()
        with log.open("wb") as file:
            process = subprocess.Popen(  # noqa: S603 (running it is the point)
                command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
            code: int | None
            try:
                code = process.wait(timeout=max(0.0, min(request.timeout_seconds or self.seconds, self.seconds, grace)))
            except subprocess.TimeoutExpired:
                code = None
            finally:
                _end(process)
        self.left[request.job_name] = left - (self.clock.now() - begun).total_seconds()
        reader = LogReader(self.masks)
        with log.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            for line in lines:
                reader.read(line.rstrip("\r\n"))
        return code, reader

    @staticmethod
    def _github(request: StepRequest) -> dict[str, str]:
        """`GITHUB_…`, which no `env` of a workflow can overwrite."""
        github = request.contexts.get("github")
        known = github if isinstance(github, Mapping) else {}
        return {f"GITHUB_{name.upper()}": to_text(known[name]) for name in _FROM_GITHUB.split() if name in known}

    def close(self) -> None:
        """End what the steps left running, found by the mark that each of them carries, as GitHub's runner does."""
        mark = f"{_TRACKING}={self.scratch}-".encode()
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in entry.read_bytes():
                    os.kill(int(entry.parent.name), signal.SIGKILL)
            except OSError:
                continue  # it ended by itself, or is somebody else's

    def _environment(self, request: StepRequest, files: Mapping[str, Path]) -> dict[str, str]:
        workspace = self.workspace(request.job_name)
        github = request.contexts.get("github")
        known = github if isinstance(github, Mapping) else {}
        event = self.scratch / "temp" / "event.json"
        event.write_text(json.dumps(known.get("event") or {}), encoding="utf-8")
        runner = request.contexts.get("runner")
        path = request.env.get("PATH") or self.environment.get("PATH", "")
        return {
            **self.environment,
            "HOME": str(self.scratch / "home"),
            "CI": "true",
            **{name: value for name, value in request.env.items() if name != "PATH"},
            "GITHUB_ACTIONS": "true",
            **self._github(request),
            "GITHUB_JOB": request.job.id,
            "GITHUB_ACTION": request.step.id,
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_EVENT_PATH": str(event),
            **({"GITHUB_ACTION_PATH": to_text(known["action_path"])} if "action_path" in known else {}),
            **{f"GITHUB_{name.upper()}": str(path) for name, path in files.items()},
            "RUNNER_TEMP": str(self.scratch / "temp"),
            "RUNNER_OS": to_text(runner.get("os")) if isinstance(runner, Mapping) else "Linux",
            "RUNNER_ARCH": to_text(runner.get("arch")) if isinstance(runner, Mapping) else "X64",
            _TRACKING: f"{self.scratch}-{request.job_name}",
            "PATH": os.pathsep.join([*self.paths.get(request.job_name, []), path]),
        }


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig", errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the step's whole group of processes: what it left in the background does not outlive it."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
    else:
        process.kill()
    process.wait()


def execute(
    workflow: Workflow,
    event: str | Trigger = "push",
    *,
    inputs: Mapping[str, Value] | None = None,
    actions: Mapping[str, ActionStub] | None = None,
    environments: Mapping[str, Environment | Mapping[str, Any]] | None = None,
    approvals: Sequence[Review] = (),
    clock: Clock | None = None,
    secrets: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    scratch: str | Path | None = None,
    inherit: Sequence[str] = (),
    step_timeout: float = 600.0,
) -> WorkflowRun:
    """Run a workflow and really execute its `run:` steps, here, as this user: only for files you trust.

    Jobs and steps come in the order of `simulate`, one at a time; each job has a workspace of its own under a scratch
    folder, empty until `actions/checkout` puts a copy of the repository there (without `.git`, so `git` commands that
    look at its history fail). The repository itself is not touched.
    Imitates https://github.com/actions/runner; containers, services and JavaScript actions are not run, and marked so.

    >>> from mlops_lab.ci import parse_workflow
    >>> workflow = parse_workflow('''
    ... on: push
    ... jobs:
    ...   a:
    ...     runs-on: ubuntu-24.04
    ...     outputs: {sum: '${{ steps.add.outputs.sum }}'}
    ...     steps: [{id: add, run: 'echo "sum=$((40 + 2))" >> "$GITHUB_OUTPUT"'}]
    ... ''', root="/nonexistent")
    >>> execute(workflow).job("a").outputs
    {'sum': '42'}

    Args:
        workflow: as read by `load_workflow`; its `root` is the repository that is copied.
        event: an event's name, or a `Trigger`.
        inputs: of `workflow_dispatch`.
        actions: stubs of actions of other repositories, by `owner/name` or the whole text of `uses`; each is a
            function of an `ActionCall` that gives outputs or an `Outcome`.
        environments: protection rules, as in `simulate`.
        approvals: reviews; a job that waits for one is not run.
        clock: what time it is in the run.
        secrets: of the repository; they show as `***` in logs.
        variables: the `vars` context.
        scratch: where to work; a temporary folder, removed afterwards, when not given.
        inherit: names of variables of this process that steps may see; of itself, only the path and the language.
        step_timeout: seconds after which any step is ended.

    Raises:
        UnknownName: an event or input that the workflow does not have.
        InvalidData: an input with a value it cannot have.
    """
    around = Circumstances(
        dict(inputs or {}), environments_from(environments or {}), tuple(approvals), clock or FakeClock(),
        dict(secrets or {}), dict(variables or {}),
    )  # fmt: skip
    with (
        nullcontext(scratch)
        if scratch is not None
        else tempfile.TemporaryDirectory(prefix="mlops-lab-", ignore_cleanup_errors=True) as folder
    ):
        runner = LocalRunner(
            workflow.root, Path(folder).resolve(), secrets=list(around.secrets.values()), actions=actions or {},
            inherit=inherit, seconds=step_timeout,
        )  # fmt: skip
        try:
            run = run_workflow(workflow, event, runner, around)
        finally:
            runner.close()
    return replace(run, notes=tuple(dict.fromkeys([*run.notes, *runner.notes])), summary=runner.summary)
