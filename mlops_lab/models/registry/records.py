"""What does the registry hand out and take in? Frozen records, each a value of its own.

The words are MLflow's (https://mlflow.org/docs/latest/ml/model-registry) where it has them: registered model, model
version, stage, alias. An approval is what GitHub calls a required review of an environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["STAGES", "Approval", "Event", "ModelVersion", "Promotion"]

STAGES = ("None", "Staging", "Production", "Archived")


@dataclass(frozen=True, repr=False)
class ModelVersion:
    """One numbered version of a registered model. `artefact` is its bytes' fingerprint, `created` is in UTC.

    >>> from mlops_lab.base.clock import parse_utc
    >>> ModelVersion(name="late", version=2, run_id="1f", artefact="sha256:" + "0" * 64, stage="Production",
    ...              aliases=("champion",), tags={}, author="ada", created=parse_utc("2014-01-01"), description="")
    ModelVersion(late v2, Production, aliases: champion)
    """

    name: str
    version: int
    run_id: str
    artefact: str
    stage: str
    aliases: tuple[str, ...]
    tags: dict[str, str]
    author: str
    created: datetime
    description: str

    def __repr__(self) -> str:
        aliases = f", aliases: {', '.join(self.aliases)}" if self.aliases else ""
        return f"ModelVersion({self.name} v{self.version}, {self.stage}{aliases})"


@dataclass(frozen=True, repr=False)
class Approval:
    """A request to let one version into Production, and what became of it. Times are UTC.

    It is bound to the version's artefact and gate report: another report is another question. `state` is `pending`,
    `approved`, `rejected`, `expired` (nobody answered, or nobody used the answer, in time) or `outdated`.

    >>> from mlops_lab.base.clock import parse_utc
    >>> Approval(name="late", version=2, artefact="sha256:0", report="sha256:1", state="pending", requested_by="ada",
    ...          requested_at=parse_utc("2014-01-01"), expires_at=parse_utc("2014-01-31"), why="better on snow days")
    Approval(late v2: pending, asked by ada)
    """

    name: str
    version: int
    artefact: str
    report: str
    state: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    why: str
    decided_by: str | None = None
    decided_at: datetime | None = None
    comment: str = ""

    def __repr__(self) -> str:
        answer = f", answered by {self.decided_by}" if self.decided_by else ""
        return f"Approval({self.name} v{self.version}: {self.state}, asked by {self.requested_by}{answer})"


@dataclass(frozen=True, repr=False)
class Promotion:
    """A version that has just become the Production version, by promotion or by rollback.

    `archived_version` is the one it replaced, None if there was none; `event` is the number of its line in the history.

    >>> from mlops_lab.base.clock import parse_utc
    >>> Promotion(name="late", version=2, artefact="sha256:0", archived_version=1, actor="ada", why="better",
    ...           at=parse_utc("2014-01-01"), event=9)
    Promotion(late v2 in Production, v1 archived)
    """

    name: str
    version: int
    artefact: str
    archived_version: int | None
    actor: str
    why: str
    at: datetime
    event: int

    def __repr__(self) -> str:
        former = f", v{self.archived_version} archived" if self.archived_version is not None else ""
        return f"Promotion({self.name} v{self.version} in Production{former})"


@dataclass(frozen=True, repr=False)
class Event:
    """One line of the history: who did what, when, why, from where to where. `hash` covers all of it and `prev_hash`.

    `str(event)` is the line for people.

    >>> from mlops_lab.base.clock import parse_utc
    >>> event = Event(seq=3, at=parse_utc("2014-01-01"), actor="ada", action="transition_stage", name="late",
    ...     version=2, source="None", target="Staging", why="ready", details={}, prev_hash="sha256:0", hash="sha256:1")
    >>> event
    Event(3, transition_stage late v2)
    >>> print(event)
    3  2014-01-01T00:00:00Z  late v2  transition_stage  None → Staging  by ada: ready
    """

    seq: int
    at: datetime
    actor: str
    action: str
    name: str
    version: int | None
    source: str | None
    target: str | None
    why: str
    details: dict[str, Any] = field(default_factory=dict)
    prev_hash: str = ""
    hash: str = ""

    def __repr__(self) -> str:
        return f"Event({self.seq}, {self.action} {self._subject})"

    def __str__(self) -> str:
        move = f"  {self.source or '-'} → {self.target or '-'}" if self.source or self.target else ""
        why = f": {' '.join(self.why.split())}" if self.why.strip() else ""
        moment = self.at.isoformat().replace("+00:00", "Z")
        return f"{self.seq}  {moment}  {self._subject}  {self.action}{move}  by {self.actor}{why}"

    @property
    def _subject(self) -> str:
        return self.name if self.version is None else f"{self.name} v{self.version}"

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON values, `hash` left out: this is what the hash is made of."""
        return {key: value for key, value in vars(self).items() if key != "hash"} | {"at": self.at.isoformat()}
