"""A workflow file once it is read: plain values, frozen, and the graph that its jobs form.

Plain values, frozen. A field that may hold `${{ }}` is a `Node`, which knows its line and column; the rest is text,
numbers and tuples. Nothing is evaluated here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlops_lab.ci.nodes import Node


def levels_of(needs: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Names by level: the length of the longest way to a name that needs nothing; those in a cycle are left out.

    >>> levels_of({"a": [], "c": ["a", "b"], "b": ["a"], "loop": ["loop"]})
    (('a',), ('b',), ('c',))
    """
    needed_by: dict[str, list[str]] = {name: [] for name in needs}
    open_needs = {name: len(set(needed)) for name, needed in needs.items()}
    for name, needed in needs.items():
        for one in set(needed):
            needed_by.setdefault(one, []).append(name)
    level = {name: 0 for name, count in open_needs.items() if count == 0}
    queue = deque(level)
    while queue:
        here = queue.popleft()
        for name in needed_by[here]:
            level[name] = max(level.get(name, 0), level[here] + 1)
            open_needs[name] -= 1
            if open_needs[name] == 0:
                queue.append(name)
    found: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in needs:
        if name in level and open_needs[name] == 0:
            found[level[name]].append(name)
    return tuple(map(tuple, found))


@dataclass(frozen=True)
class Input:
    """An input of `workflow_dispatch`, `workflow_call` or an action."""

    name: str
    kind: str = "string"  # string, boolean, number, choice or environment
    required: bool = False
    default: Node | None = None
    options: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Event:
    """One trigger under `on`, with its filters."""

    name: str
    line: int
    column: int
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # branches, tags-ignore, types, …
    schedules: tuple[tuple[str, str], ...] = ()  # cron, time zone
    inputs: Mapping[str, Input] = field(default_factory=dict)
    secrets: Mapping[str, bool] = field(default_factory=dict)  # name to required
    outputs: Mapping[str, Node] = field(default_factory=dict)


@dataclass(frozen=True)
class Concurrency:
    """`concurrency`: a group in which one runs at a time."""

    group: Node
    cancel_in_progress: Node | None = None
    queue: Node | None = None


@dataclass(frozen=True)
class Strategy:
    """`strategy`: the matrix, and what one failing job does to the others."""

    matrix: Node | None = None
    fail_fast: Node | None = None
    max_parallel: Node | None = None
    whole: bool = False  # `matrix` is an expression for all of it


@dataclass(frozen=True)
class Step:
    """One step: `run` or `uses`; `id` is the one written, or one made up as GitHub does."""

    id: str
    line: int
    column: int
    name: Node | None = None
    condition: Node | None = None
    run: Node | None = None
    uses: str | None = None
    shell: Node | None = None
    working_directory: Node | None = None
    arguments: Mapping[str, Node] = field(default_factory=dict)  # `with`
    env: Mapping[str, Node] = field(default_factory=dict)
    continue_on_error: Node | None = None
    timeout_minutes: Node | None = None
    unmodelled: str = ""  # a kind of step that is read and not simulated: background, wait, parallel …

    @property
    def title(self) -> str:
        """What the log of GitHub calls the step (before expressions are filled in)."""
        if self.name is not None:
            return self.name.word
        first = (self.run.word.strip().splitlines() or [""])[0] if self.run is not None else ""
        return f"Run {self.uses or first}" if self.uses or self.run is not None else self.unmodelled


@dataclass(frozen=True)
class Job:
    """One job: its steps, or the workflow it calls."""

    id: str
    line: int
    column: int
    name: Node | None = None
    needs: tuple[str, ...] = ()
    condition: Node | None = None
    runs_on: Node | None = None
    strategy: Strategy = Strategy()
    continue_on_error: Node | None = None
    timeout_minutes: Node | None = None
    environment: Node | None = None  # its name
    concurrency: Concurrency | None = None
    permissions: Mapping[str, str] | None = None
    env: Mapping[str, Node] = field(default_factory=dict)
    defaults: Mapping[str, Node] = field(default_factory=dict)  # of `run`: shell and working-directory
    outputs: Mapping[str, Node] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    uses: str | None = None
    arguments: Mapping[str, Node] = field(default_factory=dict)  # `with` of a called workflow
    secrets: Mapping[str, Node] = field(default_factory=dict)
    inherits_secrets: bool = False
    unmodelled: tuple[str, ...] = ()  # keys that are read and not simulated: container, services, snapshot


@dataclass(frozen=True)
class Action:
    """An `action.yml`: a composite action's steps; of other actions, inputs and outputs only."""

    file: str
    folder: Path
    name: str
    using: str
    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: Mapping[str, Node | None] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Workflow:
    """A workflow file that GitHub would accept.

    >>> import tempfile
    >>> from mlops_lab.ci import load_workflow
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "ci.yml")
    ...     _ = path.write_text('''
    ... on: push
    ... jobs:
    ...   lint: {runs-on: ubuntu-24.04, steps: [{run: ruff check}]}
    ...   test: {runs-on: ubuntu-24.04, needs: lint, steps: [{run: pytest}]}
    ... ''')
    ...     workflow = load_workflow(path)
    >>> workflow
    Workflow('ci.yml', on push: lint, test)
    >>> workflow.levels(), workflow.edges
    ((('lint',), ('test',)), (('lint', 'test'),))
    """

    file: str
    root: Path
    name: str
    events: Mapping[str, Event]
    jobs: Mapping[str, Job]
    run_name: Node | None = None
    env: Mapping[str, Node] = field(default_factory=dict)
    defaults: Mapping[str, Node] = field(default_factory=dict)  # of `run`: shell and working-directory
    permissions: Mapping[str, str] | None = None
    concurrency: Concurrency | None = None
    called: Mapping[str, Workflow] = field(default_factory=dict)  # by the text of `uses`
    actions: Mapping[str, Action] = field(default_factory=dict)  # local actions, by the text of `uses`

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Which job waits for which: (needed, needing), in the order of the file."""
        return tuple((needed, job.id) for job in self.jobs.values() for needed in job.needs)

    def levels(self) -> tuple[tuple[str, ...], ...]:
        """The jobs by level: the length of the longest way to a job that needs nothing."""
        return levels_of({job.id: job.needs for job in self.jobs.values()})

    def __repr__(self) -> str:
        return f"Workflow({self.file!r}, on {', '.join(self.events)}: {', '.join(self.jobs)})"
