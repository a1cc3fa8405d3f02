"""The history: events chained by hash, and the tables that are made from them when it is told."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import IntegrityError, MlopsLabError
from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.base.storage import jsonable
from mlops_lab.models.registry.records import Event

APPLICATION_ID = 0x4D4C5247
VERSION = 2

#: Columns, and what is hashed, keep the spelling `artefact` of version 0.1: its homes must go on verifying.
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


def _values(event: Event) -> dict[str, Any]:
    """The event and its details, by name, as SQL asks for them; of one name, the event's own."""
    return {**event.details, **vars(event), "at": event.at.isoformat()}


def _register(connection: sqlite3.Connection, event: Event) -> None:
    connection.execute("INSERT INTO models (name) VALUES (?) ON CONFLICT DO NOTHING", (event.name,))
    connection.execute(
        "INSERT INTO versions (name, version, run_id, artefact, stage, author, created, description)"
        " VALUES (:name, :version, :run_id, :artefact, 'None', :author, :at, :description)",
        _values(event),
    )
    rows = [(event.name, event.version, key, value) for key, value in event.details["tags"].items()]
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
        "UPDATE versions SET report_seq = :seq, report = :fingerprint, report_passed = :passed, verdict = :passed,"
        " report_champion = :champion WHERE name = :name AND version = :version",
        _values(event) | {key: event.details["report"][key] for key in ("passed", "champion")},
    )


def _request(connection: sqlite3.Connection, event: Event) -> None:
    connection.execute("DELETE FROM approvals WHERE name = ? AND version = ?", (event.name, event.version))
    connection.execute(
        "INSERT INTO approvals (name, version, artefact, report, state, requested_by, requested_at, expires_at, why)"
        " VALUES (:name, :version, :artefact, :report, 'pending', :actor, :at, :expires_at, :why)",
        _values(event),
    )


def _decide(connection: sqlite3.Connection, event: Event) -> None:
    connection.execute(
        "UPDATE approvals SET state = :target, decided_by = :actor, decided_at = :at, comment = :why"
        " WHERE name = :name AND version = :version",
        _values(event),
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


_SET_BACK = timedelta(days=31)
BEGINNING = "sha256:" + "0" * 64  # what the first event calls the one before it


def append(connection: sqlite3.Connection, event: Event) -> Event:
    """Write the event at the end of the history and change the tables as it says.

    The event's number, hashes and, where the clock was set back a little, its time are filled in.

    Raises:
        IntegrityError: the present end is not the end that was remembered, so nothing is built on it.
    """
    last = connection.execute("SELECT seq, at, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    seq, at, end = (last[0], parse_utc(last[1]), last[2]) if last else (0, event.at, BEGINNING)
    _check_end(connection, seq, end)
    values = {**vars(event), "seq": seq + 1, "at": moment_after(at, event.at), "prev_hash": end}
    event = Event(**{**values, "details": jsonable(event.details, nan="text")})
    event = Event(**{**vars(event), "hash": fingerprint_json(event.to_dict())})
    body = event.to_dict()
    body["details"] = json.dumps(event.details, ensure_ascii=False, sort_keys=True)
    connection.execute(
        "INSERT INTO events VALUES (:seq, :at, :actor, :action, :name, :version, :source, :target, :why, :details,"
        " :prev_hash, :hash)",
        {**body, "hash": event.hash},
    )
    apply(connection, event)
    connection.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?)", (event.seq, event.hash))
    return event


def moment_after(last: datetime, now: datetime) -> datetime:
    """What the clock says, unless it was set back by at most a month since the last event: then that event's time.

    The order of a history is that of its numbers. A clock that is back by more was wrong before, and one wrong
    moment must not date everything that comes after it.
    """
    return last if now < last <= now + _SET_BACK else now


def read_events(connection: sqlite3.Connection, *, where: str = "", values: Sequence[Any] = ()) -> Iterator[Event]:
    """The events in order; `where` is SQL of ours, `values` are what it asks for.

    Raises:
        IntegrityError: a row that is no event.
    """
    for row in connection.execute(f"SELECT * FROM events {where} ORDER BY seq", values):  # noqa: S608
        try:
            yield Event(**{**dict(row), "at": parse_utc(row["at"]), "details": json.loads(row["details"])})
        except (TypeError, ValueError, KeyError) as error:
            raise IntegrityError(
                f"event {row['seq']} of the history", expected="a readable event", found=str(error)
            ) from None


def verify(connection: sqlite3.Connection, *, head: str | None = None) -> int:
    """Tell the whole history again and compare it with the tables; how many events there are.

    Raises:
        IntegrityError: with the first event at fault, or the first row that no event accounts for.
    """
    health = connection.execute("PRAGMA quick_check").fetchone()[0]
    if health != "ok":
        raise IntegrityError("the registry's file", expected="a whole database", found=str(health))
    seq, end, met = 0, BEGINNING, head in (None, BEGINNING)
    with closing(_empty()) as memory:
        for event in read_events(connection):
            what = f"event {seq + 1} of the history"
            if event.seq != seq + 1:
                raise IntegrityError(what, expected=f"event {seq + 1}", found=f"event {event.seq} in its place")
            if event.prev_hash != end:
                raise IntegrityError(what, expected=f"a link to {end}", found=event.prev_hash)
            if fingerprint_json(event.to_dict()) != event.hash:
                raise IntegrityError(what, expected=event.hash, found=fingerprint_json(event.to_dict()))
            _retell(memory, event)
            seq, end, met = event.seq, event.hash, met or event.hash == head
        _check_end(connection, seq, end)
        if not met:
            raise IntegrityError("the history", expected=f"an event {head}", found="a history without it")
        _compare(connection, memory)
    _check_schema(connection)
    return seq


def retold(events: Iterator[Event]) -> sqlite3.Connection:
    """The tables as they were after these events, in memory; close it."""
    memory = _empty()
    for event in events:
        _retell(memory, event)
    return memory


def _check_schema(connection: sqlite3.Connection) -> None:
    """Tables and indices by name, triggers by their words: a view or trigger more would answer or write by itself."""
    question = (
        "SELECT type, name, CASE type WHEN 'trigger' THEN sql END FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    )
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(SCHEMA)
        ours = {tuple(row) for row in fresh.execute(question)}
    there = {tuple(row) for row in connection.execute(question)}
    if ours != there:
        names = [", ".join(sorted(f"{kind} {name}" for kind, name, _ in each)) for each in (ours - there, there - ours)]
        expected, found = (each or "nothing besides" for each in names)
        raise IntegrityError("the registry's file", expected=expected, found=found)


def _empty() -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", isolation_level=None)
    memory.row_factory = sqlite3.Row
    memory.executescript(STATE)
    return memory


def _retell(memory: sqlite3.Connection, event: Event) -> None:
    try:
        apply(memory, event)
    except (sqlite3.Error, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, MlopsLabError):
            raise
        raise IntegrityError(
            f"event {event.seq} of the history", expected="an event that fits the ones before", found=str(error)
        ) from None


def _check_end(connection: sqlite3.Connection, seq: int, end: str) -> None:
    row = connection.execute("SELECT events, hash FROM head").fetchone()
    remembered = (row[0], row[1]) if row else (0, BEGINNING)
    if remembered != (seq, end):
        expected, found = f"{remembered[0]} events ending in {remembered[1]}", f"{seq} ending in {end}"
        raise IntegrityError(f"the end of the history, after event {seq},", expected=expected, found=found)


def _compare(connection: sqlite3.Connection, memory: sqlite3.Connection) -> None:
    for table in STATE_TABLES:
        told = {tuple(row) for row in memory.execute(f"SELECT * FROM {table}")}  # noqa: S608
        there = {tuple(row) for row in connection.execute(f"SELECT * FROM {table}")}  # noqa: S608
        if told == there:
            continue
        row = min(told ^ there, key=repr)
        sides = (told - there, there - told)
        expected, found = (str(min(each, key=repr, default="no such row")) for each in sides)
        name = row[1] if table == "reigns" else row[0]
        last = connection.execute("SELECT max(seq) FROM events WHERE name = ?", (name,)).fetchone()[0]
        raise IntegrityError(
            f"the table {table} for {name!r} (last told by event {last})",
            expected=expected,
            found=found,
        )
