"""A registry that is cheated: other bytes, another past, a yes to oneself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import IntegrityError, NotAllowed
from mlops_lab.models.gates import Floor, GatePolicy, Measured, evaluate_gates
from mlops_lab.models.registry import Registry
from mlops_lab.pipeline.flights import MODEL_NAME
from mlops_lab.teaching.classroom.fault import AUTHOR, COLLEAGUE, Fault, Sight, copied, read, register, reign, write

_DAY = "2013-10-01T06:00Z"


def _two_versions(home: Path) -> None:
    clock = FakeClock(_DAY)
    with closing(Registry(home, clock=clock)) as registry:
        for _ in range(2):
            reign(registry, register(home, clock=clock))


def _verify(home: Path) -> Sight:
    """What `mlops-lab registry verify` looks at: the chain of events, and the bytes of every version."""
    with closing(Registry(home, clock=FakeClock(_DAY))) as registry:
        history = "\n".join(str(event) for event in registry.history(MODEL_NAME))
        try:
            events = registry.verify()
            versions = registry.search(name=MODEL_NAME)
            for version in versions:
                registry.artefacts.get_bytes(version.artefact)
        except IntegrityError as error:
            return Sight(False, str(error), history)
    return Sight(True, f"verified: {events} events, {len(versions)} artefacts", history)


def _swap_bytes(home: Path) -> None:
    with closing(Registry(home, clock=FakeClock(_DAY))) as registry:
        version = registry.get_production(MODEL_NAME)
        assert version is not None  # noqa: S101  the scene has just promoted one
        path = registry.artefacts.path(version.artefact)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))


TAMPERED_ARTEFACT = Fault(
    name="tampered-artefact",
    title="The model on disk is no longer the model that was judged",
    notebook="04",
    damage="one bit of the file of the model in Production is turned",
    lesson="A version names its bytes by their fingerprint, and nothing is loaded that does not match it.",
    prepare=_two_versions,
    harm=_swap_bytes,
    look=_verify,
    closer=("registry verify --home HOME", 1),
)


def _edit_history(home: Path) -> None:
    """What somebody does who has the file and a reason: switch the guard off, write, switch it on again."""
    with closing(sqlite3.connect(home / "registry.db")) as connection, connection:
        (guard,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'events_stay'").fetchone()
        connection.execute("DROP TRIGGER events_stay")
        connection.execute("UPDATE events SET actor = 'nobody' WHERE seq = (SELECT max(seq) - 1 FROM events)")
        connection.execute(guard)


EDITED_HISTORY = Fault(
    name="edited-history",
    title="Somebody writes the history anew",
    notebook="04",
    damage="one event in registry.db gets another name, behind the registry's back",
    lesson="Every event carries the hash of the one before, so a change in the past does not fit its future.",
    prepare=_two_versions,
    harm=_edit_history,
    look=_verify,
    closer=("registry verify --home HOME", 1),
)


def _waiting(home: Path) -> None:
    clock = FakeClock(_DAY)
    with closing(Registry(home, clock=clock)) as registry:
        reign(registry, register(home, clock=clock))
        registry.set_policy(MODEL_NAME, requires_approval=True, actor=COLLEAGUE, why="passengers are rebooked")
        version = register(home, clock=clock)
        policy, measured = GatePolicy([Floor("served.roc_auc", 0.66)]), Measured({"served.roc_auc": 0.74})
        champion = registry.get_production(MODEL_NAME)
        registry.record_gate_report(
            evaluate_gates(version, champion, policy, measured=measured, at=registry.clock.now())
        )
        registry.request_approval(MODEL_NAME, version.version, requested_by=AUTHOR, why="the gate passed")
    write(home, "answer", {"by": COLLEAGUE})


def _ask(home: Path) -> Sight:
    """Approve and promote on a copy: the request itself stays open."""
    who = str(read(home, "answer")["by"])
    with copied(home) as place, closing(Registry(place, clock=FakeClock(_DAY))) as registry:
        waits = registry.pending_approvals(MODEL_NAME)[0]
        told = f"{MODEL_NAME} v{waits.version} by {AUTHOR} passed the gate and waits; {who} answers yes"
        try:
            registry.approve(MODEL_NAME, waits.version, by=who, comment="agreed")
            report = registry.get_gate_report(MODEL_NAME, waits.version)
            assert report is not None  # noqa: S101  recorded when the scene was set up
            promotion = registry.promote(report, actor=who, why="agreed")
        except NotAllowed as refusal:
            return Sight(False, f"refused: {refusal}", told)
    return Sight(True, f"{who} agrees, and v{promotion.version} goes into Production", told)


SELF_APPROVAL = Fault(
    name="self-approval",
    title="The author approves her own model",
    notebook="04",
    damage=f"the answer to {AUTHOR}'s request is given by {AUTHOR}, not by {COLLEAGUE}",
    lesson="Four eyes are two people: whoever made the version cannot be the one who agrees to it.",
    prepare=_waiting,
    harm=lambda home: write(home, "answer", {"by": AUTHOR}),
    look=_ask,
    closer=(f"registry approve {MODEL_NAME} 2 --by {AUTHOR} --home HOME", 1),
)
