"""Everything that a home folder keeps about its models, held against everything else it keeps about them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_lab.base.display import counted
from mlops_lab.base.errors import IntegrityError, InvalidData, NotAllowed, UnknownName
from mlops_lab.models.registry.evidence import check_bound
from mlops_lab.models.registry.records import Event, GateReport, ModelVersion, is_somebody, same_person

if TYPE_CHECKING:
    from mlops_lab.models.registry.registry import Registry
    from mlops_lab.models.tracking import Run, Tracker


@dataclass(frozen=True)
class Verified:
    """How much was read and found as it was written.

    Attributes: `events`, `reports`, `approvals`, `artifacts`, `runs`, `training_sets` (counts), `head` (the hash that
    the history ends in).
    """

    events: int
    reports: int
    approvals: int
    artifacts: int
    runs: int
    training_sets: int
    head: str

    def __str__(self) -> str:
        names = ("events", "reports", "approvals", "artifacts", "runs", "training_sets")
        told = [counted(getattr(self, name), name.replace("_", " ").removesuffix("s")) for name in names]
        return ", ".join([*told, f"head {self.head}"])


def verify_home(registry: Registry, tracker: Tracker, *, head: str | None = None) -> Verified:
    """Verify the history, its gate reports and approvals, every version's artifact and run, and the training data.

    Args:
        registry: whose home.
        tracker: the runs of the same home.
        head: a hash noted earlier, which the history must still hold.

    Raises:
        IntegrityError: with the first thing that is missing, was changed or does not fit the others.
        InvalidData: the head is no hash.
    """
    events = registry.verify(head=head)
    versions = {(each.name, each.version): each for each in registry.search()}
    runs = {version.run_id: _run_of(version, tracker) for version in versions.values()}
    artifacts, training = {version.artifact for version in versions.values()}, set()
    for version in versions.values():
        _check_bytes(registry, version.artifact, f"the artifact of {version.name} v{version.version}")
        rows = runs[version.run_id].inputs.get("training_rows")
        if rows is not None and rows not in training:
            training.add(rows)
            _check_bytes(registry, rows, f"the training set of {version.name} v{version.version}")
    asked: dict[tuple[str, int | None], str] = {}
    found = Counter[str]()
    for event in registry.history():
        found[event.action] += 1
        if event.action == "request_approval":
            asked[event.name, event.version] = event.actor
        elif event.action in ("record_gate_report", "approve") and event.version is not None:
            version = versions[event.name, event.version]
            if event.action == "approve":
                _check_answer(event, version, runs[version.run_id], asked.get((event.name, event.version)))
            else:
                _check_report(event, version, runs[version.run_id])
    return Verified(
        events, found["record_gate_report"], found["approve"], len(artifacts), len(runs), len(training), registry.head()
    )


def _run_of(version: ModelVersion, tracker: Tracker) -> Run:
    what = f"the run of {version.name} v{version.version}"
    try:
        run = tracker.get_run(version.run_id)
    except UnknownName:
        raise IntegrityError(what, expected=f"run {version.run_id}", found="no such run") from None
    if run.artifact != version.artifact:
        raise IntegrityError(what, expected=version.artifact, found=str(run.artifact))
    return run


def _check_bytes(registry: Registry, fingerprint: str, what: str) -> None:
    try:
        registry.artifacts.get_bytes(fingerprint)
    except UnknownName:
        raise IntegrityError(what, expected=fingerprint, found="nothing") from None


def _check_report(event: Event, version: ModelVersion, run: Run) -> None:
    what = f"event {event.seq} of the history"
    try:
        report = GateReport.from_dict(event.details["report"])
        if report.passed and report.metrics:  # one without is of an earlier version of this package
            check_bound(report, version, run, "")
    except (InvalidData, NotAllowed) as error:
        raise IntegrityError(
            what, expected="a report of the version's own figures", found=str(error).rstrip(".")
        ) from None
    if report.fingerprint != event.details["fingerprint"]:
        raise IntegrityError(what, expected=event.details["fingerprint"], found=report.fingerprint)


def _check_answer(event: Event, version: ModelVersion, run: Run, asked_by: str | None) -> None:
    if not is_somebody(event.actor) or same_person(event.actor, [version.author, run.author, asked_by]):
        what = f"event {event.seq} of the history"
        raise IntegrityError(what, expected="an approval by somebody else", found=ascii(event.actor))
