"""The history: events chained by hash, written once, in the order of their numbers, and told again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import IntegrityError, MlopsLabError
from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.base.storage import jsonable
from mlops_lab.models.registry.records import Event
from mlops_lab.models.registry.state import STATE, STATE_TABLES, apply

__all__ = ["BEGINNING", "append", "moment_after", "read_events", "retold", "verify"]

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

    >>> day = parse_utc("2014-01-01")
    >>> moment_after(parse_utc("2014-01-03"), day).day, moment_after(parse_utc("2126-01-01"), day).day
    (3, 1)
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
    return seq


def retold(events: Iterator[Event]) -> sqlite3.Connection:
    """The tables as they were after these events, in memory; close it."""
    memory = _empty()
    for event in events:
        _retell(memory, event)
    return memory


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
        row = sorted(told ^ there, key=repr)[0]
        expected, found = sorted(told - there, key=repr)[:1], sorted(there - told, key=repr)[:1]
        name = row[1] if table == "reigns" else row[0]
        last = connection.execute("SELECT max(seq) FROM events WHERE name = ?", (name,)).fetchone()[0]
        raise IntegrityError(
            f"the table {table} for {name!r} (last told by event {last})",
            expected=str(expected[0] if expected else "no such row"),
            found=str(found[0] if found else "no such row"),
        )
