"""How does a file become a workflow, with the workflows it calls and the actions it uses?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlops_lab.base.errors import InvalidData
from mlops_lab.ci.calls import check_call, check_uses_of_job, local_path
from mlops_lab.ci.errors import Problem, WorkflowError
from mlops_lab.ci.nodes import Node, read_yaml
from mlops_lab.ci.permissions import read_permissions
from mlops_lab.ci.reader import Reader
from mlops_lab.ci.reading_action import read_action
from mlops_lab.ci.reading_jobs import read_concurrency, read_defaults, read_jobs
from mlops_lab.ci.reading_triggers import read_triggers
from mlops_lab.ci.workflow import Action, Step, Workflow

__all__ = ["MAX_NESTING", "load_workflow", "parse_workflow"]

MAX_NESTING = 10  # levels of workflows, the first included; GitHub raised it from 4
_KEYS = ("name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs", "description")


def load_workflow(path: str | Path, *, root: str | Path | None = None) -> Workflow:
    r"""Read a workflow file, the local workflows it calls and the local actions it uses. Nothing is executed.

    Follows https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "ci.yml")
    ...     _ = file.write_text("on: push\njobs:\n  a:\n    needs: b\n    runs-on: x\n  bb:\n    runs-on: x\n")
    ...     load_workflow(file)
    Traceback (most recent call last):
    mlops_lab.ci.errors.WorkflowError: ci.yml:4:12: Job 'a' depends on unknown job 'b'. Did you mean 'bb'?

    Args:
        path: the file.
        root: the repository; when not given, the folder that holds the file's `.github`, else the file's own folder.

    Raises:
        WorkflowError: what is wrong, with file, line and column.
        InvalidData: the file cannot be read at all.
    """
    path = Path(path)
    resolved = path.resolve()
    inside = resolved.parent.name == "workflows" and resolved.parent.parent.name == ".github"
    base = Path(root).resolve() if root is not None else resolved.parents[2] if inside else resolved.parent
    shown = resolved.relative_to(base).as_posix() if resolved.is_relative_to(base) else path.name
    return _Loader(base).workflow(_text(path), shown, chain=(shown,))


def parse_workflow(text: str, *, file: str = "workflow.yml", root: str | Path = ".") -> Workflow:
    r"""Read a workflow from its text.

    >>> parse_workflow("on: [push]\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}")
    Workflow('workflow.yml', on push: a)

    Args:
        text: the YAML.
        file: the name that errors show.
        root: the repository, for the local workflows and actions that the text names.

    Raises:
        WorkflowError: what is wrong, with line and column.
    """
    return _Loader(Path(root).resolve()).workflow(text, file, chain=(file,))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise WorkflowError(path.name, [Problem(1, 1, f"The file is not UTF-8 text (byte {error.start})")]) from None
    except OSError as error:
        raise InvalidData(f"the workflow file {path} cannot be read: {error.strerror}.") from None


@dataclass
class _Loader:
    """Reads files of one repository, each once."""

    root: Path
    actions: dict[str, Action | None] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)

    def workflow(self, text: str, file: str, *, chain: tuple[str, ...]) -> Workflow:
        reader = Reader(file)
        node, reader.problems = read_yaml(text, file=file)
        if node.kind != "mapping":
            reader.unexpected(node)
            reader.finish()
        found = reader.mapping(node, _KEYS, required=("on", "jobs"))
        name = found.get("name")
        if name is not None:
            reader.word(name, empty=True)
        parts = {
            "events": read_triggers(reader, found["on"]) if "on" in found else {},
            "jobs": read_jobs(reader, found["jobs"]) if "jobs" in found else {},
            "run_name": reader.scalar(found.get("run-name"), "run-name"),
            "env": reader.scalars(found.get("env"), "env", computed=True),
            "defaults": read_defaults(reader, found.get("defaults"), "nothing"),
            "permissions": read_permissions(reader, found.get("permissions")),
            "concurrency": read_concurrency(reader, found.get("concurrency"), "concurrency"),
        }
        workflow = Workflow(file=file, root=self.root, name=name.word if name else file, **parts)  # type: ignore[arg-type]
        places = _places(found.get("jobs"))
        called = self._called(reader, workflow, places, chain) if not reader.problems else {}
        reader.finish()
        steps = [step for job in workflow.jobs.values() for step in job.steps]
        actions = {step.uses: action for step in steps if step.uses and (action := self._action(step))}
        for inner in list(actions.values()):
            self._nested_actions(inner, actions, depth=1)
        return Workflow(**{**workflow.__dict__, "called": called, "actions": actions})

    def _called(
        self, reader: Reader, workflow: Workflow, places: Mapping[str, Node], chain: tuple[str, ...]
    ) -> dict[str, Workflow]:
        found: dict[str, Workflow] = {}
        for job in workflow.jobs.values():
            if job.uses is None or not check_uses_of_job(reader, job.uses, places[job.id]):
                continue
            path = local_path(self.root, job.uses)
            if path is None or not path.is_file():
                reader.problem(places[job.id], f"failed to fetch workflow: workflow was not found: '{job.uses}'")
                continue
            inner = path.relative_to(self.root).as_posix()
            if inner in chain:
                reader.problem(places[job.id], f"A workflow calls itself: {' → '.join((*chain, inner))}")
            elif len(chain) >= MAX_NESTING:
                reader.problem(places[job.id], f"Nested reusable workflow depth exceeded {MAX_NESTING}.")
            else:
                callee = self.workflow(_text(path), inner, chain=(*chain, inner))
                check_call(reader, workflow, job, callee, places[job.id])
                found[job.uses] = callee
        return found

    def _action(self, step: Step) -> Action | None:
        uses = step.uses or ""
        if uses not in self.actions:
            folder = local_path(self.root, uses)
            names = ("action.yml", "action.yaml")
            file = next((folder / name for name in names if (folder / name).is_file()), None) if folder else None
            self.actions[uses] = read_action(_text(file), file, self.root) if file else None
        return self.actions[uses]

    def _nested_actions(self, action: Action, found: dict[str, Action], depth: int) -> None:
        if depth > MAX_NESTING:
            raise WorkflowError(action.file, [Problem(1, 1, f"Composite actions nested more than {MAX_NESTING} deep")])
        for step in action.steps:
            if step.uses and step.uses not in found and (inner := self._action(step)):
                found[step.uses] = inner
                self._nested_actions(inner, found, depth + 1)


def _places(node: Node | None) -> dict[str, Node]:
    """Where each job's `uses` stands."""
    return {
        job.word: value
        for job, body in (node.pairs() if node else ())
        for key, value in body.pairs()
        if key.word == "uses"
    }
