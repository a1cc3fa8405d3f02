"""A file becomes a workflow, with the workflows it calls and the actions it uses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops_lab.base.errors import InvalidData
from mlops_lab.ci.expressions.template import is_mixed
from mlops_lab.ci.matrix import expand_matrix
from mlops_lab.ci.nodes import Node, Problem, WorkflowError, read_yaml
from mlops_lab.ci.read_jobs import excess, read_action, read_concurrency, read_defaults, read_jobs, read_permissions
from mlops_lab.ci.read_triggers import read_triggers
from mlops_lab.ci.reader import Reader
from mlops_lab.ci.workflow import Action, Event, Job, Step, Workflow, levels_of


def is_local(uses: str) -> bool:
    """Is it of the same repository: `./path`, or `$/path`, which GitHub recommends since July 2026?"""
    return uses.startswith(("./", "$/"))


def local_path(root: Path, uses: str) -> Path | None:
    """The file or folder a local `uses` names; None when it is not local or would leave the repository."""
    if not is_local(uses):
        return None
    path = (root / uses[2:]).resolve()
    return path if path.is_relative_to(root) else None


def check_uses_of_job(reader: Reader, uses: str, node: Node) -> bool:
    """Is a job's `uses` well-formed? True when it is of this repository, and so can be read."""
    if is_local(uses):
        parts = uses[2:].split("/")
        if parts[:2] != [".github", "workflows"] or len(parts) != 3 or ".." in parts:
            reason = "invalid value workflow reference: references to workflows must be rooted in '.github/workflows'"
            reader.problem(node, reason)
            return False
        if "@" in uses:
            reader.problem(
                node, "invalid value workflow reference: cannot specify version when calling local workflows"
            )
            return False
        return True
    path, at, ref = uses.partition("@")
    if not at:
        reader.problem(node, "invalid value workflow reference: no version specified")
    elif not ref or path.count("/") < 4 or "/.github/workflows/" not in path:
        reader.problem(node, f"Expected format {{org}}/{{repo}}/.github/workflows/{{file}}@ref. Actual '{uses}'")
    return False


def check_call(reader: Reader, caller: Workflow, job: Job, callee: Workflow, node: Node) -> None:
    """Inputs, secrets and permissions of one call, in GitHub's words."""
    event = callee.events.get("workflow_call")
    if event is None:
        reason = f"workflow is not reusable as it is missing a `on.workflow_call` trigger: '{callee.file}'"
        reader.problem(node, reason)
        return
    _check_inputs(reader, job, event, node)
    _check_secrets(reader, job, event, node)
    place = Node("string", job.id, job.line, job.column)
    allowed = job.permissions if job.permissions is not None else caller.permissions
    if over := excess(callee.permissions, allowed):
        reason = f"The workflow '{job.uses}' is requesting '{over[0]}', but is only allowed '{over[1]}'."
        reader.problem(place, f"Error calling workflow '{job.uses}'. {reason}")
    for inner in callee.jobs.values():
        if over := excess(inner.permissions, allowed):
            name = inner.name.word if inner.name else inner.id
            reason = f"The nested job '{name}' is requesting '{over[0]}', but is only allowed '{over[1]}'."
            reader.problem(place, f"Error calling workflow '{job.uses}'. {reason}")


def _check_inputs(reader: Reader, job: Job, event: Event, node: Node) -> None:
    known = {name.lower(): entry for name, entry in event.inputs.items()}
    for name, value in job.arguments.items():
        entry = known.get(name.lower())
        if entry and entry.kind in ("boolean", "number") and value.kind != entry.kind and "${{" not in value.word:
            reader.problem(value, f"Unexpected value '{value.word}'")
    required = [name for name, entry in event.inputs.items() if entry.required and entry.default is None]
    _check_names(reader, "input", job.arguments, event.inputs, required, node)


def _check_secrets(reader: Reader, job: Job, event: Event, node: Node) -> None:
    if not job.inherits_secrets:
        required = [name for name, needed in event.secrets.items() if needed]
        _check_names(reader, "secret", job.secrets, event.secrets, required, node, also="github_token")


def _check_names(
    reader: Reader, what: str, given: Mapping[str, Node], known: Collection[str], required: Sequence[str], node: Node,
    *, also: str = "",
) -> None:  # fmt: skip
    """Names that the called workflow does not have, and those it needs; their case does not count."""
    for name, value in given.items():
        if name.lower() not in {one.lower() for one in known} | {also}:
            reason = f"Invalid {what}, {name} is not defined in the referenced workflow."
            reader.problem(value, reason, meant=reader.meant(name, known))
    for name in required:
        if name.lower() not in {one.lower() for one in given}:
            reader.problem(node, f"{what.title()} {name} is required, but not provided while calling.")


MAX_NESTING = 10  # levels of workflows, the first included; GitHub raised it from 4
_MAX_INNER_STEPS = 5000  # of one composite action, with those it uses
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
    mlops_lab.ci.nodes.WorkflowError: ci.yml:4:12: Job 'a' depends on unknown job 'b'. Did you mean 'bb'?

    Args:
        path: the file.
        root: the repository; when not given, the folder that holds the file's `.github`, else the file's own folder.

    Raises:
        WorkflowError: what is wrong, with file, line and column.
        InvalidData: the file cannot be read at all.
    """
    path = Path(path)
    base, shown = _placed(path, root)
    return _Loader(base).workflow(_text(path), shown, chain=(shown,))


def load_action(path: str | Path) -> Workflow:
    """Read an `action.yml` and the local actions it uses: a workflow without jobs, whose first action it is.

    Raises:
        WorkflowError: what is wrong, with file, line and column.
        InvalidData: the file cannot be read at all.
    """
    path = Path(path).resolve()
    base, shown = _placed(path, None)
    loader = _Loader(base)
    action = read_action(_text(path), path, base)
    found = {shown: action}
    loader.nested_actions(found)
    return Workflow(file=shown, root=base, name=action.name, events={}, jobs={}, actions=found)


def _placed(path: Path, root: str | Path | None) -> tuple[Path, str]:
    """The repository, and the file's path in it: what holds its `.github`, else its own folder."""
    resolved = path.resolve()
    above = next((folder.parent for folder in resolved.parents if folder.name == ".github"), resolved.parent)
    base = Path(root).resolve() if root is not None else above
    return base, resolved.relative_to(base).as_posix() if resolved.is_relative_to(base) else path.name


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
        self.nested_actions(actions)
        return replace(workflow, called=called, actions=actions)

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

    def nested_actions(self, found: dict[str, Action]) -> None:
        """Add the local actions that these use, and those that they use in turn."""
        waiting = list(found.values())
        for action in waiting:
            for step in action.steps:
                if step.uses and step.uses not in found and (inner := self._action(step)):
                    found[step.uses] = inner
                    waiting.append(inner)
        _check_nesting(found)


def _check_nesting(actions: Mapping[str, Action]) -> None:
    """Raise for actions that use themselves, are nested too deep, or multiply.

    Raises:
        WorkflowError: which one, in GitHub's words.
    """
    inner = {uses: [step.uses for step in each.steps if step.uses in actions] for uses, each in actions.items()}
    levels = levels_of(inner)  # type: ignore[arg-type]
    sound = [uses for names in levels for uses in names]
    endless = next(
        (uses for uses in actions if uses not in sound), levels[MAX_NESTING][0] if len(levels) > MAX_NESTING else ""
    )
    if endless:
        reason = f"Composite actions nested more than {MAX_NESTING} deep"
        raise WorkflowError(actions[endless].file, [Problem(1, 1, reason)])
    count: dict[str, int] = {}
    for uses in sound:
        count[uses] = sum(1 + count.get(step.uses or "", 0) for step in actions[uses].steps)
        if count[uses] > _MAX_INNER_STEPS:
            reason = f"The action makes more than {_MAX_INNER_STEPS} steps"
            raise WorkflowError(actions[uses].file, [Problem(1, 1, reason)])


def _places(node: Node | None) -> dict[str, Node]:
    """Where each job's `uses` stands."""
    return {
        job.word: value
        for job, body in (node.pairs() if node else ())
        for key, value in body.pairs()
        if key.word == "uses"
    }


@dataclass(frozen=True)
class Suspicion:
    """What GitHub reads without a word and what then does not do what it seems to: where, and what it is."""

    file: str
    line: int
    column: int
    rule: str  # always-true, missing-local or impossible-matrix
    message: str

    def __str__(self) -> str:
        return self.message


def suspicions(workflow: Workflow) -> Iterator[Suspicion]:
    """Conditions that are always true, local actions that are not there, matrices that no job can have."""
    scopes = [(workflow.file, job.id, job.steps) for job in workflow.jobs.values()]
    scopes += [(action.file, action.name, action.steps) for action in workflow.actions.values()]
    for job in workflow.jobs.values():
        yield from _always_true(workflow.file, f"job {job.id}", job.condition)
        yield from _impossible_matrix(workflow.file, job)
    for file, where, steps in scopes:
        for number, step in enumerate(steps):
            yield from _always_true(file, f"{where}: {step.title}", step.condition)
            if step.uses and is_local(step.uses) and not _is_there(workflow, step.uses, steps[:number]):
                message = f"{where}: {step.uses} is not in this repository"
                yield Suspicion(file, step.line, step.column, "missing-local", message)


def _always_true(file: str, where: str, condition: Node | None) -> Iterator[Suspicion]:
    """A text with an expression inside it is a text, and so true."""
    if condition is not None and is_mixed(condition.word):
        place = f"{file}:{condition.line}:{condition.column}"
        message = f"{where}: the `if` at {place} mixes text with an expression, and so is always true"
        yield Suspicion(file, condition.line, condition.column, "always-true", message)


def _is_there(workflow: Workflow, uses: str, before: Sequence[Step]) -> bool:
    """Is the action in the repository, or may a step before have brought it from another one, or put it beside it?"""
    folder = local_path(workflow.root, uses)
    if folder is None and uses.startswith("./"):
        return any(step.run is not None or is_local(step.uses or "") for step in before)
    if uses in workflow.actions or (folder is not None and (folder / "Dockerfile").is_file()):
        return True
    brought = [step.arguments["path"].word.strip("./") for step in before if "path" in step.arguments]
    return any(path and uses[2:].startswith(path) for path in brought)


def _impossible_matrix(file: str, job: Job) -> Iterator[Suspicion]:
    """A matrix that is written out and that GitHub would refuse when the job starts, after others have run."""
    node = job.strategy.matrix
    matrix = node.plain() if node is not None else None
    if node is None or not isinstance(matrix, dict) or "${{" in str(matrix):
        return
    try:
        expand_matrix(matrix)
    except InvalidData as error:
        yield Suspicion(file, node.line, node.column, "impossible-matrix", f"{job.id}: {error}")
