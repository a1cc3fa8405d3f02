"""What the registry's file holds, and what an event changes in it.

`events` is the truth and is never changed; every other table but `head` can be made again from it, and `verify` does
so. `head` remembers how long the history was, so that a missing end is noticed. The tables are changed nowhere else
than here, when something happens and when the history is told again, so that tables and history cannot differ by
accident.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from mlops_lab.base.errors import IntegrityError
from mlops_lab.models.registry.records import Event

__all__ = [
    "ACTIONS",
    "APPLICATION_ID",
    "MIGRATIONS",
    "MOVES",
    "POLICY",
    "SCHEMA",
    "STATE",
    "STATE_TABLES",
    "VERSION",
    "apply",
    "way_back",
]

APPLICATION_ID = 0x4D4C5247
VERSION = 2

STATE = """
CREATE TABLE models (
  name TEXT PRIMARY KEY, requires_approval INTEGER NOT NULL DEFAULT 0, separate_promoter INTEGER NOT NULL DEFAULT 0,
  gate_policy TEXT NOT NULL DEFAULT '');
CREATE TABLE versions (
  name TEXT NOT NULL REFERENCES models, version INTEGER NOT NULL CHECK (version > 0), run_id TEXT NOT NULL,
  artefact TEXT NOT NULL,
  stage TEXT NOT NULL CHECK (stage IN ('None', 'Staging', 'Production', 'Archived')),
  author TEXT NOT NULL, created TEXT NOT NULL, description TEXT NOT NULL,
  report_seq INTEGER, report TEXT, report_passed INTEGER, report_champion INTEGER, verdict INTEGER,
  PRIMARY KEY (name, version), UNIQUE (name, run_id));
CREATE UNIQUE INDEX one_production ON versions (name) WHERE stage = 'Production';
CREATE TABLE tags (
  name TEXT NOT NULL, version INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (name, version, key), FOREIGN KEY (name, version) REFERENCES versions);
CREATE TABLE aliases (
  name TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (name, alias), FOREIGN KEY (name, version) REFERENCES versions);
CREATE TABLE approvals (
  name TEXT NOT NULL, version INTEGER NOT NULL, artefact TEXT NOT NULL, report TEXT NOT NULL, state TEXT NOT NULL,
  requested_by TEXT NOT NULL, requested_at TEXT NOT NULL, expires_at TEXT NOT NULL, why TEXT NOT NULL,
  decided_by TEXT, decided_at TEXT, comment TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (name, version), FOREIGN KEY (name, version) REFERENCES versions);
CREATE TABLE reigns (seq INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL,
  FOREIGN KEY (name, version) REFERENCES versions);
CREATE INDEX reigns_by_name ON reigns (name, seq);
"""
"""`reigns` is the stack of Production versions of each model; a rollback takes the top off.

`report…` is the report that stands, and is empty after a second chance; `verdict` is the last one that was given.
"""

MIGRATIONS = {
    1: """
ALTER TABLE models ADD COLUMN separate_promoter INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN gate_policy TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN verdict INTEGER;
UPDATE versions SET verdict = (
  SELECT json_extract(details, '$.report.passed') FROM events
  WHERE events.name = versions.name AND events.version = versions.version AND action = 'record_gate_report'
  ORDER BY seq DESC LIMIT 1);
"""
}

STATE_TABLES = ("models", "versions", "tags", "aliases", "approvals", "reigns")

_HISTORY = """
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, name TEXT NOT NULL,
  version INTEGER, source TEXT, target TEXT, why TEXT NOT NULL, details TEXT NOT NULL, prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL);
CREATE INDEX events_by_name ON events (name, seq);
CREATE TRIGGER events_stay BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the history is never changed'); END;
CREATE TRIGGER events_are_kept BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the history is never shortened'); END;
CREATE TRIGGER events_follow BEFORE INSERT ON events
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM events)
BEGIN SELECT RAISE(ABORT, 'the history grows at its end'); END;
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), events INTEGER NOT NULL, hash TEXT NOT NULL);
"""

SCHEMA = STATE + _HISTORY

MOVES = {
    "None": ("Staging", "Archived"),
    "Staging": ("Production", "Archived"),
    "Production": ("Archived",),
    "Archived": ("Staging",),
}
"""From each stage, where a version may go. Out of the archive leads only the way through Staging and the gate."""


POLICY = ("requires_approval", "separate_promoter", "gate_policy")
"""What a policy may demand of the versions of a model."""


def apply(connection: sqlite3.Connection, event: Event) -> None:
    """Change the tables as the event says; an action of a rollout changes nothing here.

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
    connection.execute("INSERT INTO models (name) VALUES (?) ON CONFLICT DO NOTHING", (event.name,))
    for column in POLICY:
        if column in event.details:
            change = f"UPDATE models SET {column} = ? WHERE name = ?"  # noqa: S608  a column of ours
            connection.execute(change, (event.details[column], event.name))


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
        "UPDATE versions SET report_seq = :seq, report = :report, report_passed = :passed, report_champion = :champion,"
        " verdict = :passed WHERE name = :name AND version = :version",
        {
            "seq": event.seq,
            "report": event.details["fingerprint"],
            "passed": int(event.details["report"]["passed"]),
            "champion": event.details["report"]["champion"],
            "name": event.name,
            "version": event.version,
        },
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
        "SELECT stage, report_passed, verdict FROM versions WHERE name = ? AND version = ?", subject
    ).fetchone()
    stage, passed, verdict = tuple(row) if row is not None else (None, None, None)
    serving = event.details.get("serving")  # None in a history that an earlier version of this package has written
    returns = event.action == "rollback" and event.target == "Production"
    legal = event.target in MOVES.get(event.source or "", ()) and (event.target != "Production" or passed == 1)
    if returns:
        legal = passed != 0 if serving is None else verdict == 1
    if stage != event.source or not legal:
        raise IntegrityError(
            f"event {event.seq} of the history", expected=f"a legal move from {stage}", found=f"{event!s}"
        )
    connection.execute("UPDATE versions SET stage = ? WHERE name = ? AND version = ?", (event.target, *subject))
    top = connection.execute(_REIGNS, (event.name,)).fetchone()
    if event.target == "Production":
        # Coming back to where it already was on top is no new reign.
        if event.action != "rollback" and (top is None or top[1] != event.version):
            connection.execute("INSERT INTO reigns VALUES (?, ?, ?)", (event.seq, *subject))
        _point(connection, event.name, serving or "champion", event.version)
    if event.source == "Production":
        if serving != "stays":
            _point(connection, event.name, "champion", None)
        if serving is not None:
            _unpoint_challenger(connection, event)
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


def _finish(connection: sqlite3.Connection, event: Event) -> None:
    """The end of a rollout: the version is the champion now. Before, an event of a rollout changed nothing."""
    reigning = connection.execute(
        "SELECT 1 FROM versions WHERE name = ? AND version = ? AND stage = 'Production'", (event.name, event.version)
    ).fetchone()
    if event.details.get("serving") == "champion" and reigning:
        _point(connection, event.name, "champion", event.version)
        _unpoint_challenger(connection, event)


def _unpoint_challenger(connection: sqlite3.Connection, event: Event) -> None:
    connection.execute(
        "DELETE FROM aliases WHERE name = ? AND alias = 'challenger' AND version = ?", (event.name, event.version)
    )


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
    "rollout_finished": _finish,
}

ACTIONS = tuple(name for name in _CHANGES if not name.startswith("rollout_"))
