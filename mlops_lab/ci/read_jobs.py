"""The reader of `jobs`, with permissions, containers, matrix and concurrency."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlops_lab.ci.nodes import Node
from mlops_lab.ci.read_steps import read_steps
from mlops_lab.ci.reader import Reader
from mlops_lab.ci.workflow import Concurrency, Job, Strategy, levels_of

__all__ = ["SCOPES", "check_containers", "excess", "read_concurrency", "read_defaults", "read_jobs", "read_permissions"]


_ANY = ("read", "write", "none")
SCOPES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        [
            "actions",
            "artifact-metadata",
            "attestations",
            "checks",
            "code-quality",
            "contents",
            "deployments",
            "discussions",
            "drives",
            "issues",
            "packages",
            "pages",
            "pull-requests",
            "repository-projects",
            "security-events",
            "statuses",
        ],
        _ANY,
    ),
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
