"""How does a history that nobody can change live in MLflow?

As the params of one run. A param of MLflow is written once: a second writer of `event.000007` is refused, on SQLite, on
PostgreSQL and through a server alike. That makes the history append-only and decides who was first, without a lock.
The tables that the history adds up to are told again here, in memory, by the same code as the embedded registry's.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from mlops_lab.adapters.mlflow.connection import Connection, MlflowRefused
from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import IntegrityError
from mlops_lab.models.registry.history import BEGINNING, SCHEMA, apply, read_events
from mlops_lab.models.registry.records import Event

HEAD_TAG = "mlops_lab.head"
_CHUNK = 5_000  # characters of one param; MLflow takes 6,000
_TRIES = 10
_BATCH = 100  # params of one call


class NotNewest(Exception):
    """Somebody else wrote the event first; what was decided has to be decided again. No caller ever sees it."""


class MlflowHistory:
    """Stands where `tracking.Database` stands in the embedded registry: transactions, and unchanging views.

    Raises:
        HomeError: MLflow refuses or cannot be reached.
        IntegrityError: what it holds is no history.
    """

    def __init__(self, connection: Connection, *, show: Callable[[sqlite3.Connection, set[str]], None]) -> None:
        self._mlflow = connection
        self._show = show
        self._lock = threading.RLock()
        self._tables = self._empty()
        self._known = self._noted = 0

    def __repr__(self) -> str:
        return "MlflowHistory()"

    def close(self) -> None:
        """Forget what was read; the next use reads it again."""
        with self._lock:
            self._tables.close()
            self._tables, self._known, self._noted = self._empty(), 0, 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block's events at the end of the history when it ends, or none of them.

        Raises:
            NotNewest: somebody else was faster; nothing was written.
        """
        with self._lock, self._mlflow.exclusive():
            self._catch_up()
            self._repair()
            before = self._known
            self._tables.execute("BEGIN")
            try:
                yield self._tables
                new = list(read_events(self._tables, where="WHERE seq > ?", values=(before,)))
                if new:
                    self._write(new)
                self._tables.execute("COMMIT")
                self._known = before + len(new)
            finally:
                if self._tables.in_transaction:
                    self._tables.execute("ROLLBACK")
            if new:
                self._settle({event.name for event in new})

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The tables as the history tells them up to now."""
        with self._lock:
            self._catch_up()
            yield self._tables

    def read_again(self) -> None:
        """Believe nothing that was read before, and compare the end with the one that MLflow remembers.

        Raises:
            IntegrityError: the end of the history is missing.
        """
        with self._lock, self._mlflow.exclusive():
            self.close()
            self._catch_up()
            self._repair()
            with self._mlflow.in_our_words():
                noted = self._run().data.tags.get(HEAD_TAG, f"0 {BEGINNING}")
            number, _, end = noted.partition(" ")
            row = self._tables.execute("SELECT hash FROM events WHERE seq = ?", (int(number),)).fetchone()
            found = BEGINNING if number == "0" else None if row is None else row[0]
            if found != end:
                raise IntegrityError("the end of the history", expected=noted, found=f"{self._known} events")

    def _empty(self) -> sqlite3.Connection:
        tables = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        tables.row_factory = sqlite3.Row
        tables.executescript(SCHEMA)
        return tables

    def _run(self) -> Any:
        return self._mlflow.client.get_run(self._mlflow.history)

    def _catch_up(self) -> None:
        with self._mlflow.in_our_words():
            if self._known and not self._mlflow.client.search_runs(
                ["0"], f"params.`{_key(self._known + 1)}` LIKE '%'", max_results=1
            ):
                return
            data = self._run().data
        params = data.params
        self._noted = int(data.tags.get(HEAD_TAG, "0").partition(" ")[0])
        while _key(self._known + 1) in params:
            self._retell(_event(params, self._known + 1))

    def _retell(self, event: Event) -> None:
        try:
            self._tables.execute(
                "INSERT INTO events VALUES (:seq, :at, :actor, :action, :name, :version, :source, :target, :why,"
                " :details, :prev_hash, :hash)",
                {**event.to_dict(), "hash": event.hash, "details": _text(event.details)},
            )
            apply(self._tables, event)
            self._tables.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?)", (event.seq, event.hash))
        except (sqlite3.Error, LookupError, TypeError, AttributeError) as error:
            if isinstance(error, IntegrityError):
                raise
            raise IntegrityError(
                f"event {event.seq} of the history", expected="an event that fits the ones before", found=str(error)
            ) from None
        self._known = event.seq

    def _write(self, events: Iterable[Event]) -> None:
        from mlflow.entities import Param
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        mine = f"{os.getpid()}-{secrets.token_hex(8)}"  # tells our write from an equal one of somebody else
        params = [Param(key, value) for event in events for key, value in _params(event, mine).items()]
        if len(params) > _BATCH:
            raise MlflowRefused(self._mlflow.uri, f"one step has {len(params)} parts, and at most {_BATCH} fit")
        try:
            self._mlflow.client.log_batch(self._mlflow.history, params=params)
        except (MlflowException, SQLAlchemyError) as error:
            # Refused, or written and the answer lost on its way: the history itself knows.
            with self._mlflow.in_our_words():
                there = self._run().data.params.get(params[0].key)
                if there is None:
                    raise error
            if there != params[0].value:
                raise NotNewest from None

    def _repair(self) -> None:
        """Show what somebody wrote who was stopped before MLflow's own tables said the same."""
        if self._noted < self._known:
            rows = self._tables.execute("SELECT DISTINCT name FROM events WHERE seq > ?", (self._noted,))
            self._settle({row[0] for row in rows})

    def _settle(self, names: set[str]) -> None:
        """Let MLflow's own tables say the same; again, as long as others have written meanwhile."""
        from mlflow.exceptions import MlflowException

        refused = 0
        with self._mlflow.in_our_words():
            while True:
                seq, end = self._tables.execute("SELECT events, hash FROM head").fetchone()
                try:
                    self._show(self._tables, names)
                except MlflowException:  # through a server two may set the same tag at the same moment: look again
                    refused += 1
                    if refused == _TRIES:
                        raise
                    continue
                self._mlflow.client.set_tag(self._mlflow.history, HEAD_TAG, f"{seq} {end}")
                self._noted = seq
                self._catch_up()
                if self._known == seq:
                    return
                names |= {row[0] for row in self._tables.execute("SELECT name FROM events WHERE seq > ?", (seq,))}


def _key(seq: int, part: int = 0) -> str:
    return f"event.{seq:06d}.{part}"


def _text(details: Any) -> str:
    return json.dumps(details, ensure_ascii=False, sort_keys=True)


def _params(event: Event, mine: str) -> dict[str, str]:
    """The params that an event becomes: its JSON in parts, the first of which says how many there are."""
    text = json.dumps({**event.to_dict(), "hash": event.hash, "by": mine}, sort_keys=True)
    parts = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
    return {_key(event.seq, n): part if n else f"{len(parts)} {part}" for n, part in enumerate(parts)}


def _event(params: dict[str, str], seq: int) -> Event:
    try:
        count, _, first = params[_key(seq)].partition(" ")
        text = first + "".join(params[_key(seq, part)] for part in range(1, int(count)))
        body = json.loads(text)
        del body["by"]
        return Event(**{**body, "at": parse_utc(body["at"])})
    except (TypeError, ValueError, KeyError) as error:
        raise IntegrityError(f"event {seq} of the history", expected="a readable event", found=str(error)) from None
