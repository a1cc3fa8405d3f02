"""What does an event change?

The registry changes its tables nowhere else. Because the same function is used when something happens and when
`verify` or `production_at` tells the history again, tables and history cannot say different things by accident.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from mlops_lab.base.errors import IntegrityError
from mlops_lab.models.registry.records import Event

__all__ = ["ACTIONS", "MOVES", "apply", "way_back"]

MOVES = {
    "None": ("Staging", "Archived"),
    "Staging": ("Production", "Archived"),
    "Production": ("Archived",),
    "Archived": ("Staging",),
}
"""From each stage, where a version may go. Out of the archive leads only the way through Staging and the gate."""


def apply(connection: sqlite3.Connection, event: Event) -> None:
    """Change the tables as the event says; an action of another room changes nothing here.

    Raises:
        IntegrityError: the event does not fit the tables.
    """
    change = _CHANGES.get(event.action)
    if change is not None:
        change(connection, event)


def _register(connection: sqlite3.Connection, event: Event) -> None:
    connection.execute("INSERT INTO models (name) VALUES (?) ON CONFLICT DO NOTHING", (event.name,))
    details = event.details
    connection.execute(
        "INSERT INTO versions (name, version, run_id, artefact, stage, author, created, description)"
        " VALUES (?, ?, ?, ?, 'None', ?, ?, ?)",
        (
            event.name,
            event.version,
            details["run_id"],
            details["artefact"],
            details["author"],
            event.at.isoformat(),
            details["description"],
        ),
    )
    rows = [(event.name, event.version, key, value) for key, value in details["tags"].items()]
    connection.executemany("INSERT INTO tags VALUES (?, ?, ?, ?)", rows)


def _set_policy(connection: sqlite3.Connection, event: Event) -> None:
    connection.execute(
        "INSERT INTO models VALUES (?, ?) ON CONFLICT DO UPDATE SET requires_approval = excluded.requires_approval",
        (event.name, int(event.details["requires_approval"])),
    )


def _set_tag(connection: sqlite3.Connection, event: Event) -> None:
    connection.execute(
        "INSERT INTO tags VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        (event.name, event.version, event.details["key"], event.target),
    )


def _set_alias(connection: sqlite3.Connection, event: Event) -> None:
    _point(connection, event.name, event.details["alias"], event.version)


def _delete_alias(connection: sqlite3.Connection, event: Event) -> None:
    _point(connection, event.name, event.details["alias"], None)


def _record_report(connection: sqlite3.Connection, event: Event) -> None:
    connection.execute(
        "UPDATE versions SET report_seq = ?, report = ?, report_passed = ?, report_champion = ?"
        " WHERE name = ? AND version = ?",
        (
            event.seq,
            event.details["fingerprint"],
            int(event.details["report"]["passed"]),
            event.details["report"]["champion"],
            event.name,
            event.version,
        ),
    )


def _request(connection: sqlite3.Connection, event: Event) -> None:
    details = event.details
    connection.execute("DELETE FROM approvals WHERE name = ? AND version = ?", (event.name, event.version))
    connection.execute(
        "INSERT INTO approvals (name, version, artefact, report, state, requested_by, requested_at, expires_at, why)"
        " VALUES (?, ?, ?, ?, 'pending', ?, ?, ?, ?)",
        (
            event.name,
            event.version,
            details["artefact"],
            details["report"],
            event.actor,
            event.at.isoformat(),
            details["expires_at"],
            event.why,
        ),
    )


def _decide(connection: sqlite3.Connection, event: Event) -> None:
    connection.execute(
        "UPDATE approvals SET state = ?, decided_by = ?, decided_at = ?, comment = ? WHERE name = ? AND version = ?",
        (event.target, event.actor, event.at.isoformat(), event.why, event.name, event.version),
    )


def _move(connection: sqlite3.Connection, event: Event) -> None:
    subject = (event.name, event.version)
    row = connection.execute(
        "SELECT stage, report_passed FROM versions WHERE name = ? AND version = ?", subject
    ).fetchone()
    stage, passed = (row[0], row[1]) if row is not None else (None, None)
    returns = event.action == "rollback" and event.target == "Production" and passed != 0
    legal = event.target in MOVES.get(event.source or "", ()) and (event.target != "Production" or passed == 1)
    if stage != event.source or not (legal or returns):
        raise IntegrityError(
            f"event {event.seq} of the history", expected=f"a legal move from {stage}", found=f"{event!s}"
        )
    connection.execute("UPDATE versions SET stage = ? WHERE name = ? AND version = ?", (event.target, *subject))
    top = connection.execute(_REIGNS, (event.name,)).fetchone()
    if event.target == "Production":
        # Coming back to where it already was on top is no new reign.
        if event.action != "rollback" and (top is None or top[1] != event.version):
            connection.execute("INSERT INTO reigns VALUES (?, ?, ?)", (event.seq, *subject))
        _point(connection, event.name, "champion", event.version)
    if event.source == "Production":
        _point(connection, event.name, "champion", None)
        if event.details.get("rolled_back"):
            connection.execute("DELETE FROM reigns WHERE seq = ?", (top[0],))
    if (event.source, event.target) == ("Archived", "Staging"):
        # A second chance starts anew: what was measured and agreed before its time in the archive does not count.
        connection.execute(
            "UPDATE versions SET report_seq = NULL, report = NULL, report_passed = NULL, report_champion = NULL"
            " WHERE name = ? AND version = ?",
            subject,
        )
        connection.execute("DELETE FROM approvals WHERE name = ? AND version = ?", subject)
    _point(connection, event.name, "previous", way_back(connection, event.name))


def way_back(connection: sqlite3.Connection, name: str) -> int | None:
    """Which version would a rollback bring back? The reign below the present one, or the last one if none reigns."""
    reigns = [row[1] for row in connection.execute(_REIGNS, (name,)).fetchmany(2)]
    reigning = connection.execute("SELECT 1 FROM versions WHERE name = ? AND stage = 'Production'", (name,)).fetchone()
    below = reigns[1:] if reigning else reigns
    return below[0] if below else None


def _point(connection: sqlite3.Connection, name: str, alias: str, version: int | None) -> None:
    if version is None:
        connection.execute("DELETE FROM aliases WHERE name = ? AND alias = ?", (name, alias))
    else:
        connection.execute(
            "INSERT INTO aliases VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version",
            (name, alias, version),
        )


_REIGNS = "SELECT seq, version FROM reigns WHERE name = ? ORDER BY seq DESC"

_CHANGES: dict[str, Callable[[sqlite3.Connection, Event], None]] = {
    "register_model": _register,
    "set_policy": _set_policy,
    "set_tag": _set_tag,
    "set_alias": _set_alias,
    "delete_alias": _delete_alias,
    "record_gate_report": _record_report,
    "request_approval": _request,
    "approve": _decide,
    "reject": _decide,
    "transition_stage": _move,
    "rollback": _move,
}

ACTIONS = tuple(_CHANGES)
