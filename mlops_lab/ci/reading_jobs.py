"""Which jobs does the workflow have, and what does each say?"""

from __future__ import annotations

from mlops_lab.base.errors import closest
from mlops_lab.ci.graph import levels_of, way
from mlops_lab.ci.nodes import Node
from mlops_lab.ci.permissions import read_permissions
from mlops_lab.ci.reader import Reader
from mlops_lab.ci.reading_containers import check_containers
from mlops_lab.ci.reading_steps import read_steps
from mlops_lab.ci.workflow import Concurrency, Defaults, Job, Strategy

__all__ = ["read_concurrency", "read_defaults", "read_jobs"]

_BOTH = ("name", "needs", "if", "permissions", "concurrency", "strategy")
_OWN = (
    *_BOTH, "runs-on", "timeout-minutes", "cancel-timeout-minutes", "continue-on-error", "container", "services", "env",
    "environment", "outputs", "defaults", "steps", "snapshot",
)  # fmt: skip
_CALL = (*_BOTH, "uses", "with", "secrets")
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
    needs = {job.id: job.needs for job in jobs.values()}
    for (job, needed), node in places.items():
        if needed not in jobs:
            others = [name for name in jobs if name != job]
            reader.problem(node, f"Job '{job}' depends on unknown job '{needed}'.", meant=closest(needed, others))
    cycles = {}
    known = {name: [needed for needed in wanted if needed in jobs] for name, wanted in needs.items()}
    sound = {name for names in levels_of(known) for name in names}
    for (job, needed), node in places.items():
        if needed in jobs and job not in sound and (back := way(needs, needed, job)) is not None:
            cycles[job, needed] = (node, " → ".join([job, *back]))
    if cycles and all(job.needs for job in jobs.values()):
        first = next(iter(jobs.values()))
        _, path = next(iter(cycles.values()))
        reason = f"The workflow must contain at least one job with no dependencies. There is a cycle: {path}"
        reader.problem(Node("string", first.id, first.line, first.column), reason)
        return
    for (job, needed), (node, path) in cycles.items():
        reason = (
            f"Job '{job}' depends on job '{needed}' which creates a cycle in the dependency graph. The cycle: {path}"
        )
        reader.problem(node, reason)


def _job(reader: Reader, key: Node, node: Node) -> tuple[Job, list[Node]]:
    kind = reader.kind(node, {"uses": _CALL, "runs-on": _OWN})
    calls = kind == "uses"
    found = reader.mapping(node, _CALL if calls else _OWN, required=(kind,) if kind else ())
    needs = reader.sequence(found.get("needs"), or_one=True)
    names = dict.fromkeys(name for need in needs if (name := reader.word(need)) is not None)
    environment, url = _environment(reader, found.get("environment"))
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
        environment=environment,
        environment_url=url,
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


def _environment(reader: Reader, node: Node | None) -> tuple[Node | None, Node | None]:
    if node is None or node.kind != "mapping":
        return reader.scalar(node, "job"), None
    found = reader.mapping(node, ("name", "url", "deployment"), required=("name",))
    reader.scalar(found.get("deployment"), "job", kind="boolean")
    return reader.scalar(found.get("name"), "job"), reader.scalar(found.get("url"), "environment-url")


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


def read_defaults(reader: Reader, node: Node | None, place: str) -> Defaults:
    """`defaults.run`: shell and working directory."""
    given = reader.mapping(node, ("run",)).get("run")
    if given is not None and reader.is_expression(given):
        reader.whole(given)
        return Defaults()
    run = reader.mapping(given, ("shell", "working-directory"))
    shell, folder = run.get("shell"), run.get("working-directory")
    if place == "nothing":
        reader.word(shell)
        reader.word(folder)
        return Defaults(shell, folder)
    return Defaults(reader.scalar(shell, place, empty=False), reader.scalar(folder, place, empty=False))
