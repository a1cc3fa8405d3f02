"""The reader of `jobs` and of the steps in them, with permissions, containers, matrix and concurrency; and of actions.

An `action.yml` follows https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax; JavaScript and
container actions are read for their inputs and outputs only. As on the runner, an action and its inputs may have keys
that nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mlops_lab.ci.nodes import Node, read_yaml
from mlops_lab.ci.reader import Reader
from mlops_lab.ci.workflow import Action, Concurrency, Input, Job, Step, Strategy, levels_of

_COMMON = ("name", "id", "if", "continue-on-error", "timeout-minutes", "env", "background")
_RUN = (*_COMMON, "run", "shell", "working-directory")
_USES = (*_COMMON, "uses", "with")
_OTHER = {"wait": "wait", "wait-all": "wait-all", "cancel": "cancel", "parallel": "parallel"}
_REMOTE = re.compile(r"[^/@$.][^/@]*/[^/@]+(?:/[^@]*)?@[^@]+")
_MAX_STEPS = 1000


def read_steps(
    reader: Reader, node: Node | None, *, place: str = "step", needs_shell: bool = False
) -> tuple[Step, ...]:
    """The steps of a sequence; `needs_shell` for composite actions, where `run` has no default shell."""
    nodes = reader.sequence(node)
    if len(nodes) > _MAX_STEPS:
        reader.problem(nodes[_MAX_STEPS], f"A job may have at most {_MAX_STEPS} steps")
    steps: list[Step] = []
    taken: dict[str, int] = {}  # an id, and for one made up the last number
    for item in nodes[:_MAX_STEPS]:
        if item.kind != "mapping":
            reader.unexpected(item)
            continue
        steps.append(_step(reader, item, place, taken, needs_shell))
    return tuple(steps)


def _step(reader: Reader, node: Node, place: str, taken: dict[str, int], needs_shell: bool) -> Step:
    keys = {key.word for key, _ in node.pairs()}
    special = next((name for name in _OTHER if name in keys), "")
    if special:
        found = reader.mapping(node, ("name", "id", "continue-on-error", special))
    else:
        kind = reader.kind(node, {"run": _RUN, "uses": _USES})
        found = reader.mapping(
            node, {"run": _RUN, "uses": _USES}.get(kind, (*_RUN, *_USES)), required=(kind,) * bool(kind)
        )
    if needs_shell and "run" in found and "shell" not in found:
        reader.problem(node, "Required property is missing: shell")
    uses = reader.word(found.get("uses"))
    if uses is not None:
        check_uses(reader, found["uses"])
    background = reader.boolean(found.get("background"))
    return Step(
        id=_id(reader, found, taken, uses),
        line=node.line,
        column=node.column,
        name=reader.scalar(found.get("name"), place),
        condition=reader.condition(found.get("if"), f"{place}-if"),
        run=reader.scalar(found.get("run"), place),
        uses=uses.strip() if uses is not None else None,  # a block text ends with a newline
        shell=_shell(reader, found.get("shell"), place),
        working_directory=reader.scalar(found.get("working-directory"), place),
        arguments=reader.scalars(found.get("with"), place, computed=True),
        env=reader.scalars(found.get("env"), place, computed=True),
        continue_on_error=reader.scalar(found.get("continue-on-error"), place, kind="boolean"),
        timeout_minutes=reader.scalar(found.get("timeout-minutes"), place, kind="number"),
        unmodelled=special or ("background" if background else ""),
    )


def _shell(reader: Reader, node: Node | None, place: str) -> Node | None:
    """Only an action's steps may compute it: for a job's, GitHub knows no context there."""
    if place != "step":
        return reader.scalar(node, place, empty=False)
    return node if reader.word(node) is not None else None


def _id(reader: Reader, found: Mapping[str, Node], taken: dict[str, int], uses: str | None) -> str:
    written = found.get("id")
    name = reader.identifier(written) if written is not None and reader.word(written) is not None else None
    if name is not None and written is not None:
        if name.lower() in taken:
            reader.problem(written, f"The identifier '{name}' may not be used more than once within the same scope.")
        taken[name.lower()] = 1
        return name
    base = "__" + (re.sub(r"[^A-Za-z0-9_-]+", "_", uses.split("@")[0].strip("./$")) if uses else "run")
    number, made = taken.get(base.lower(), 1), base
    while made.lower() in taken:
        number += 1
        made = f"{base}_{number}"
    taken[made.lower()] = 1
    taken[base.lower()] = number
    return made


def check_uses(reader: Reader, node: Node) -> None:
    """Is a step's `uses` of a form that GitHub knows?"""
    uses = node.word
    if uses.startswith(("./", "$/", "docker://")) or _REMOTE.fullmatch(uses):
        return
    reader.problem(node, f"Expected format {{org}}/{{repo}}[/path]@ref. Actual '{uses}'")


def read_action(text: str, path: Path, root: Path) -> Action:
    """The action of a file of the repository.

    Raises:
        WorkflowError: what is wrong, with file, line and column.
    """
    file = path.resolve().relative_to(root).as_posix()
    reader = Reader(file)
    node, reader.problems = read_yaml(text, file=file)
    found = reader.loosely(node)
    if "runs" not in found and not reader.problems:
        reader.problem(node, "Required property is missing: runs")
    runs = {key.word: value for key, value in found["runs"].pairs()} if "runs" in found else {}
    using = (reader.word(runs.get("using")) if "using" in runs else None) or ""
    if "runs" in found and not using:
        reader.problem(found["runs"], "Required property is missing: using")
    composite = using.lower() == "composite"
    if composite:
        reader.mapping(found["runs"], ("using", "steps"), required=("steps",))
    name = found.get("name")
    action = Action(
        file=file,
        folder=path.parent,
        name=name.word if name is not None else file,
        using=using.lower(),
        inputs=_inputs(reader, found.get("inputs")),
        outputs=_outputs(reader, found.get("outputs"), composite=composite),
        steps=read_steps(reader, runs.get("steps"), place="action-step", needs_shell=True) if composite else (),
    )
    reader.finish()
    return action


def _inputs(reader: Reader, node: Node | None) -> dict[str, Input]:
    inputs = {}
    for key, value in reader.named(node) if node is not None and node.kind != "null" else []:
        entry = {} if value.kind == "null" else reader.loosely(value)
        required = entry.get("required")
        inputs[key.word] = Input(
            key.word,
            required=required is not None and required.word == "true",
            default=reader.scalar(entry.get("default"), "action-default"),
        )
    return inputs


def _outputs(reader: Reader, node: Node | None, *, composite: bool) -> dict[str, Node | None]:
    outputs: dict[str, Node | None] = {}
    for key, value in reader.named(node) if node is not None and node.kind != "null" else []:
        required = ("value",) if composite else ()
        entry = {} if value.kind == "null" else reader.mapping(value, ("description", "value"), required=required)
        outputs[key.word] = reader.scalar(entry.get("value"), "action-output")
    return outputs


_ANY = ("read", "write", "none")
_SCOPES = (
    "actions artifact-metadata attestations checks code-quality contents deployments discussions drives issues "
    "packages pages pull-requests repository-projects security-events statuses"
)
SCOPES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_SCOPES.split(), _ANY),
    "copilot-requests": ("write", "none"),
    "id-token": ("write", "none"),
    "models": ("read", "none"),
    "vulnerability-alerts": ("read", "none"),
}
_RANK = {"none": 0, "read": 1, "write": 2}


def read_permissions(reader: Reader, node: Node | None) -> dict[str, str] | None:
    """Scope to `read`, `write` or `none`; None when nothing is said, an empty mapping when nothing is granted."""
    if node is None:
        return None
    if node.kind != "mapping":
        level = reader.word(node, options=("read-all", "write-all"))
        order = ("write", "read", "none") if level == "write-all" else ("read", "none")
        return {scope: next(word for word in order if word in levels) for scope, levels in SCOPES.items()}
    found = reader.mapping(node, SCOPES)
    read = {scope: reader.word(value, options=SCOPES[scope]) for scope, value in found.items()}
    return {scope: level for scope, level in read.items() if level is not None}


def excess(asked: Mapping[str, str] | None, allowed: Mapping[str, str] | None) -> tuple[str, str] | None:
    """What is asked beyond what is allowed, and what is allowed of it; None when it fits, or when nothing is said.

    >>> excess({"contents": "write", "checks": "read"}, {"contents": "read", "checks": "read"})
    ('contents: write', 'contents: read')
    """
    if asked is None or allowed is None:
        return None
    over = {scope: level for scope, level in asked.items() if _RANK[level] > _RANK[allowed.get(scope, "none")]}
    if not over:
        return None
    shown = [f"{scope}: {level}" for scope, level in over.items()]
    held = [f"{scope}: {allowed.get(scope, 'none')}" for scope in over]
    return ", ".join(shown), ", ".join(held)


_CONTAINER = ("image", "credentials", "env", "ports", "volumes", "options")
_SERVICE = (*_CONTAINER, "entrypoint", "command")


def check_containers(reader: Reader, found: dict[str, Node]) -> None:
    """What is not simulated is still read: a broken expression in it is broken."""
    if (node := found.get("container")) is not None:
        _container(reader, node, _CONTAINER)
    if (services := found.get("services")) is not None:
        if reader.is_expression(services):
            reader.template(services, "job")
        else:
            for _, value in reader.named(services):
                _container(reader, value, _SERVICE)
    if (snapshot := found.get("snapshot")) is not None:
        _snapshot(reader, snapshot)


def _container(reader: Reader, node: Node, keys: tuple[str, ...]) -> None:
    if node.kind != "mapping":
        reader.scalar(node, "job", empty=keys is _CONTAINER)
        return
    found = reader.mapping(node, keys)
    if "image" not in found:
        reader.problem(node, "Container image cannot be empty")
    for name in ("image", "options", "entrypoint", "command"):
        reader.scalar(found.get(name), "job", empty=name != "image")
    for name in ("ports", "volumes"):
        given = found.get(name)
        if given is not None and reader.is_expression(given):
            reader.template(given, "job")
        else:
            for item in reader.sequence(given):
                reader.scalar(item, "job", empty=False)
    _texts(reader, found.get("env"), "container-env")
    _texts(reader, found.get("credentials"), "container-credentials", keys=("username", "password"))


def _texts(reader: Reader, node: Node | None, place: str, *, keys: tuple[str, ...] = ()) -> None:
    """A mapping of texts, or an expression in place of it; those of known `keys` may not be empty."""
    if node is not None and reader.is_expression(node):
        reader.template(node, place if keys else "job")
    elif keys:
        for value in reader.mapping(node, keys).values():
            reader.scalar(value, place, empty=False)
    else:
        reader.scalars(node, place, computed=True)


def _snapshot(reader: Reader, node: Node) -> None:
    if node.kind != "mapping":
        reader.scalar(node, "job", empty=False)
        return
    found = reader.mapping(node, ("image-name", "if", "version"), required=("image-name",))
    reader.scalar(found.get("image-name"), "job", empty=False)
    reader.condition(found.get("if"), "step-if")
    version = reader.scalar(found.get("version"), "job", empty=False)
    if version is not None and "${{" not in version.word and not re.fullmatch(r"\d+\.\*", version.word):
        reader.problem(version, f"Expected format '{{major-version}}.*' Actual '{version.word}'")


_BOTH = ("name", "needs", "if", "permissions", "concurrency", "strategy")
_OWN = (
    *_BOTH, "runs-on", "timeout-minutes", "cancel-timeout-minutes", "continue-on-error", "container", "services", "env",
    "environment", "outputs", "defaults", "steps", "snapshot",
)  # fmt: skip
_CALL = (*_BOTH, "uses", "with", "secrets")
_SHOWN = 20  # jobs of a cycle
_UNMODELLED = ("container", "services", "snapshot", "cancel-timeout-minutes")


def read_jobs(reader: Reader, node: Node) -> dict[str, Job]:
    """The jobs, by id; their `needs` are known and without a cycle."""
    pairs = reader.named(node)
    if node.kind == "mapping" and not pairs and not reader.problems:
        reader.problem(node, "The workflow must contain at least one job with no dependencies.")
    jobs: dict[str, Job] = {}
    places: dict[tuple[str, str], Node] = {}
    for key, value in pairs:
        if reader.identifier(key) is None:
            continue
        job, needs = _job(reader, key, value)
        jobs[job.id] = job
        places.update({(job.id, need.word): need for need in needs})
    _check_graph(reader, jobs, places)
    return jobs


def _check_graph(reader: Reader, jobs: dict[str, Job], places: dict[tuple[str, str], Node]) -> None:
    for (job, needed), node in places.items():
        if needed not in jobs:
            meant = reader.meant(needed, jobs.keys() - {job})
            reader.problem(node, f"Job '{job}' depends on unknown job '{needed}'.", meant=meant)
    known = {name: [needed for needed in job.needs if needed in jobs] for name, job in jobs.items()}
    sound = {name for names in levels_of(known) for name in names}
    open_needs = {name: [one for one in known[name] if one not in sound] for name in jobs if name not in sound}
    cycles = _cycles(open_needs)
    if cycles and all(job.needs for job in jobs.values()):
        first = next(iter(jobs.values()))
        job = next(iter(open_needs))
        path = _path(cycles[job], job, open_needs[job][0])
        reason = f"The workflow must contain at least one job with no dependencies. There is a cycle: {path}"
        reader.problem(Node("string", first.id, first.line, first.column), reason)
        return
    for (job, needed), node in places.items():
        if job in cycles and needed in cycles:
            reason = f"Job '{job}' depends on job '{needed}' which creates a cycle in the dependency graph."
            reader.problem(node, f"{reason} The cycle: {_path(cycles[needed], job, needed)}")


def _cycles(open_needs: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """For each job that can never start, the cycle to which its first such need leads."""
    found: dict[str, list[str]] = {}
    for name in open_needs:
        walk: dict[str, None] = {}
        while name not in found and name not in walk:
            walk[name] = None
            name = open_needs[name][0]
        names = list(walk)
        cycle = found[name] if name in found else names[names.index(name) :]
        found.update(dict.fromkeys(names, cycle))
    return found


def _path(cycle: list[str], job: str, needed: str) -> str:
    """The cycle as a way back to the job, or round itself where the job only needs somebody in it."""
    start = cycle.index(needed) if needed in cycle else 0
    ring = cycle[start:] + cycle[:start]
    path = [job, *ring[: ring.index(job) + 1]] if job in ring else [*ring, ring[0]]
    return " → ".join(path if len(path) <= _SHOWN else [*path[: _SHOWN - 1], "…", path[-1]])


def _job(reader: Reader, key: Node, node: Node) -> tuple[Job, list[Node]]:
    kind = reader.kind(node, {"uses": _CALL, "runs-on": _OWN})
    calls = kind == "uses"
    found = reader.mapping(node, _CALL if calls else _OWN, required=(kind,) if kind else ())
    needs = reader.sequence(found.get("needs"), or_one=True)
    names = dict.fromkeys(name for need in needs if (name := reader.word(need)) is not None)
    secrets = found.get("secrets")
    inherits = secrets is not None and secrets.kind == "string" and secrets.value == "inherit"
    if secrets is not None and secrets.kind == "string" and not inherits:
        reader.unexpected(secrets, ["inherit"])
    job = Job(
        id=key.word,
        line=key.line,
        column=key.column,
        name=reader.scalar(found.get("name"), "job"),
        needs=tuple(names),
        condition=reader.condition(found.get("if"), "job-if"),
        runs_on=_runs_on(reader, found.get("runs-on")),
        strategy=_strategy(reader, found.get("strategy")),
        continue_on_error=reader.scalar(found.get("continue-on-error"), "job", kind="boolean"),
        timeout_minutes=reader.scalar(found.get("timeout-minutes"), "job", kind="number"),
        environment=_environment(reader, found.get("environment")),
        concurrency=read_concurrency(reader, found.get("concurrency"), "job"),
        permissions=read_permissions(reader, found.get("permissions")),
        env=reader.scalars(found.get("env"), "job-env", computed=True),
        defaults=read_defaults(reader, found.get("defaults"), "job-defaults"),
        outputs=reader.scalars(found.get("outputs"), "job-outputs"),
        steps=read_steps(reader, found.get("steps")),
        uses=reader.word(found.get("uses")),
        arguments=reader.scalars(found.get("with"), "job-with") if calls else {},
        secrets=reader.scalars(secrets, "job-secrets") if secrets is not None and secrets.kind != "string" else {},
        inherits_secrets=inherits,
        unmodelled=tuple(name for name in _UNMODELLED if name in found),
    )
    check_containers(reader, found)
    reader.scalar(found.get("cancel-timeout-minutes"), "job", kind="number")
    return job, needs


def _runs_on(reader: Reader, node: Node | None) -> Node | None:
    if node is not None and node.kind == "mapping":
        found = reader.mapping(node, ("group", "labels"))
        _check_group(reader, reader.scalar(found.get("group"), "job", empty=False))
        _labels(reader, found.get("labels"))
        return node
    _labels(reader, node)
    return node


def _check_group(reader: Reader, node: Node | None) -> None:
    if node is None or "/" not in node.word or "${{" in node.word:
        return
    owner, _, name = node.word.partition("/")
    reason = f"Invalid runs-on group name '{node.word}'."
    if owner not in ("org", "organization", "ent", "enterprise") or "/" in name:
        hint = "Please use 'organization/' or 'enterprise/' prefix to target a single runner group."
        reader.problem(node, f"{reason} {hint}")
    elif not name:
        reader.problem(node, reason)


def _labels(reader: Reader, node: Node | None) -> None:
    for label in reader.sequence(node, or_one=True):
        reader.scalar(label, "job", empty=False)


def _strategy(reader: Reader, node: Node | None) -> Strategy:
    if node is not None and reader.is_expression(node):
        reader.template(node, "strategy")
        return Strategy(matrix=node, whole=True)
    found = reader.mapping(node, ("matrix", "fail-fast", "max-parallel"))
    matrix = found.get("matrix")
    if matrix is not None:
        if matrix.kind == "mapping":
            for key, value in reader.named(matrix, computed=True):
                if value.kind != "sequence" and not reader.is_expression(value):
                    reader.unexpected(value)
                elif key.word in ("include", "exclude"):
                    for entry in value.items():
                        if entry.kind != "mapping" and not reader.is_expression(entry):
                            reader.unexpected(entry)
                elif value.kind == "sequence" and not value.value:
                    reader.problem(value, f"Matrix vector '{key.word}' does not contain any values")
        elif not reader.is_expression(matrix):
            reader.unexpected(matrix)
        reader.anything(matrix, "strategy")
    return Strategy(
        matrix,
        reader.scalar(found.get("fail-fast"), "strategy", kind="boolean"),
        reader.scalar(found.get("max-parallel"), "strategy", kind="number"),
    )


def _environment(reader: Reader, node: Node | None) -> Node | None:
    if node is None or node.kind != "mapping":
        return reader.scalar(node, "job")
    found = reader.mapping(node, ("name", "url", "deployment"), required=("name",))
    reader.scalar(found.get("deployment"), "job", kind="boolean")
    reader.scalar(found.get("url"), "environment-url")
    return reader.scalar(found.get("name"), "job")


def read_concurrency(reader: Reader, node: Node | None, place: str) -> Concurrency | None:
    """`concurrency`, a word or a mapping."""
    if node is None:
        return None
    if node.kind != "mapping":
        group = reader.scalar(node, place, empty=False)
        return Concurrency(group) if group is not None else None
    found = reader.mapping(node, ("group", "cancel-in-progress", "queue"), required=("group",))
    group = reader.scalar(found.get("group"), place, empty=False)
    cancel = reader.scalar(found.get("cancel-in-progress"), place, kind="boolean")
    queue = found.get("queue")
    if queue is not None and reader.is_expression(queue):
        reader.template(queue, place)
    elif reader.word(queue, options=("single", "max")) == "max" and cancel is not None and cancel.value is not False:
        reader.problem(found["queue"], "'queue: max' cannot be combined with 'cancel-in-progress'")
    return Concurrency(group, cancel, queue) if group is not None else None


def read_defaults(reader: Reader, node: Node | None, place: str) -> dict[str, Node]:
    """`defaults.run`: shell and working directory; a job's may be one expression."""
    given = reader.mapping(node, ("run",)).get("run")
    if given is not None and reader.is_expression(given) and place != "nothing":
        return reader.scalars(given, place, computed=True)
    run = reader.mapping(given, ("shell", "working-directory"))
    if place == "nothing":
        return {name: value for name, value in run.items() if reader.word(value) is not None}
    return {name: value for name, value in run.items() if reader.scalar(value, place, empty=False) is not None}
