"""How is a step really run?

`run:` steps in a scratch copy of the repository, by the shell's own command line, with the files GitHub gives a step.
The script is what the expressions made of it: whoever puts `${{ github.event.… }}` into a script lets that text run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import InvalidData, MlopsLabError
from mlops_lab.ci.copying import copy_repository
from mlops_lab.ci.expressions.values import to_text
from mlops_lab.ci.file_commands import parse_assignments, parse_lines
from mlops_lab.ci.log_commands import LogReader, Masks
from mlops_lab.ci.performing import Outcome, StepRequest
from mlops_lab.ci.shells import command_line, suffix
from mlops_lab.ci.stand_ins import StandIn, StandInCall, find_stand_in

__all__ = ["RealSteps"]

_FILES = ("output", "env", "path", "step_summary", "state")
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "COMSPEC", "PATHEXT")  # of this machine's environment
_TRACKING = "RUNNER_TRACKING_ID"
_SYSTEMS = {"win32": "Windows", "darwin": "macOS"}
_GRACE = 300.0  # seconds a step has that still runs when the time of its job is over
_FORBIDDEN = ("NODE_OPTIONS",)  # GitHub does not let a step set it for the steps after it
_FROM_GITHUB = [
    "actor",
    "api_url",
    "base_ref",
    "event_name",
    "graphql_url",
    "head_ref",
    "job",
    "ref",
    "ref_name",
    "ref_type",
    "repository",
    "repository_owner",
    "run_attempt",
    "run_id",
    "run_number",
    "server_url",
    "sha",
    "triggering_actor",
    "workflow",
    "workflow_ref",
]


class RealSteps:
    """Runs steps in folders under `scratch`, one workspace a job; nothing of the caller's environment but the path."""

    real = True

    def __init__(
        self, root: Path, scratch: Path, *, secrets: Sequence[str], actions: Mapping[str, StandIn],
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

    def workspace(self, leg: str) -> Path:
        """The folder a job works in: empty until it checks the repository out, as on GitHub."""
        if leg not in self.workspaces:
            self.workspaces[leg] = self.scratch / "work" / f"job{len(self.workspaces) + 1}"
            self.workspaces[leg].mkdir(parents=True)
        return self.workspaces[leg]

    def places(self, leg: str, repository: str) -> tuple[str, str]:  # noqa: ARG002 (a path of this machine)
        """Where the job's own folder is, and the one for what is thrown away."""
        return str(self.workspace(leg)), str(self.scratch / "temp")

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

    def perform(self, request: StepRequest) -> Outcome:
        """Run the step, or have its stand-in do it."""
        for secret in request.secrets.values():
            self.masks.add(secret)
        if request.run is not None:
            return self._run(request)
        uses = request.step.uses or ""
        stand_in = find_stand_in(uses, self.actions)
        if stand_in is None:
            self.notes.append(f"{request.leg}: {uses} was not run; it is a stub that succeeds and has no outputs")
            return Outcome(stubbed=True)
        known = {**self._github(request), **request.env}
        call = StandInCall(uses, request.arguments, known, self.workspace(request.leg), self.repository, self.artifacts)
        try:
            self._copy()
            answer = stand_in(call)
        except (OSError, ValueError, NotImplementedError, MlopsLabError) as error:
            return Outcome("failure", reason=f"the stand-in for {uses} failed: {error}")
        if isinstance(answer, Outcome):
            if answer.stubbed:
                self.notes.append(f"{request.leg}: {uses}: {answer.reason}")
            return answer
        return Outcome(outputs={name: str(value) for name, value in (answer or {}).items()})

    def _run(self, request: StepRequest) -> Outcome:
        self.count += 1
        system = request.contexts.get("runner")
        asked = system.get("os") if isinstance(system, Mapping) else "Linux"
        if asked != _SYSTEMS.get(sys.platform, "Linux"):
            self.notes.append(
                f"{request.leg}: asks for {request.runs_on} ({asked}); its steps ran on this machine's system"
            )
        workspace = self.workspace(request.leg)
        files = {name: self.scratch / "temp" / f"{name}_{self.count}" for name in _FILES}
        for path in files.values():
            path.touch()
        script = self.scratch / "temp" / f"step_{self.count}{suffix(request.shell)}"
        folder = workspace / (request.working_directory or "")
        try:
            script.write_text(request.run or "", encoding="utf-8", errors="surrogateescape")
            command = command_line(request.shell, str(script))
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
        self.paths[request.leg] = parse_lines(_read(files["path"]))[::-1] + self.paths.get(request.leg, [])
        self.summary += self.masks.hide(_read(files["step_summary"]))
        reason = "" if code == 0 else f"Process completed with exit code {code}."
        if code is None and self.left[request.leg] <= 0:
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
        left = self.left.setdefault(request.leg, request.job_seconds)
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
        self.left[request.leg] = left - (self.clock.now() - begun).total_seconds()
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
        return {f"GITHUB_{name.upper()}": to_text(known[name]) for name in _FROM_GITHUB if name in known}

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
        workspace = self.workspace(request.leg)
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
            "RUNNER_ARCH": "X64",
            _TRACKING: f"{self.scratch}-{request.leg}",
            "PATH": os.pathsep.join([*self.paths.get(request.leg, []), path]),
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
