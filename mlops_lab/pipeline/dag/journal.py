"""How does what happens in a run get into its file, together and before anybody relies on it?"""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, MlopsLabError

__all__ = ["Guard", "Journal", "steps_of", "text_of"]

_ADD = "INSERT INTO steps (step, run, task_id, attempt, state, started, ended, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_END = "UPDATE steps SET state = ?, ended = ?, why = ?, result = ? WHERE step = ?"
_CLOSE_ORPHANS = (
    "UPDATE steps SET state = 'failed', ended = ?, why = ? WHERE step BETWEEN ? AND ? AND state = 'running'"
)
_CLOSE_RUN = "UPDATE runs SET state = ?, ended = ? WHERE key = ?"


def steps_of(key: int | None) -> tuple[int, int]:
    """The first and the last number that a step of this run can have."""
    first = (key or 0) << 32
    return first, first + 2**32 - 1


class Journal:
    """The trace of one run that is going on. What it is told is in the file once `flush` has returned."""

    def __init__(self, connection: sqlite3.Connection, home: Path, key: int | None) -> None:
        self._key = key
        self._guard = Guard(home)
        self._execute = connection.execute
        self._waiting: list[tuple[str, tuple[Any, ...]]] = []
        with self._guard:
            first = steps_of(key)[0]
            (last,) = self._execute("SELECT MAX(step) FROM steps WHERE step BETWEEN ? AND ?", steps_of(key)).fetchone()
        self._step = first if last is None else last + 1

    def began(self, task_id: str, attempt: int, at: datetime) -> int:
        """An attempt starts; returns the step to hand to `ended`."""
        return self._add(task_id, attempt, "running", text_of(at), None, "")

    def ended(self, step: int, state: str, at: datetime, why: str, result: Any) -> None:
        """That attempt ended."""
        text = json.dumps(result) if state == "success" else None
        self._waiting.append((_END, (state, text_of(at), _storable(why), text, step)))

    def decided(self, task_id: str, state: str, at: datetime, why: str) -> None:
        """A task got its state without an attempt."""
        self._add(task_id, 0, state, text_of(at), text_of(at), _storable(why))

    def _add(self, task_id: str, attempt: int, state: str, started: str | None, ended: str | None, why: str) -> int:
        step = self._step
        self._step += 1
        self._waiting.append((_ADD, (step, self._key, task_id, attempt, state, started, ended, why)))
        return step

    def close_orphans(self, at: datetime, why: str) -> None:
        """Attempts that a dead process left open are closed."""
        self._waiting.append((_CLOSE_ORPHANS, (text_of(at), why, *steps_of(self._key))))
        self.flush()

    def closed(self, state: str, at: datetime) -> None:
        """The run is over."""
        self._waiting.append((_CLOSE_RUN, (state, text_of(at), self._key)))
        self.flush()

    def flush(self) -> None:
        """Write down what was told, all of it or nothing."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        with self._guard:
            if len(waiting) == 1:
                self._execute(*waiting[0])
                return
            self._execute("BEGIN IMMEDIATE")
            try:
                for statement, values in waiting:
                    self._execute(statement, values)
                self._execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # it is the first error that says what is wrong
                    self._execute("ROLLBACK")
                raise


class Guard:
    """Errors of SQLite and of the disk, as errors of this package that name the home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None or isinstance(error, MlopsLabError):
            return
        if isinstance(error, UnicodeEncodeError) or "binding" in str(error) or "SQLite INTEGER" in str(error):
            raise InvalidData(f"a run is asked for by text and whole numbers: {error}.") from None
        undecoded = str(error).startswith(("Could not decode", "unsupported file format"))
        if isinstance(error, (sqlite3.OperationalError, OSError)) and not undecoded:
            raise HomeError(self.home, f"dag_runs.db: {error}") from None
        if isinstance(error, (sqlite3.DatabaseError, ValueError, KeyError, TypeError)):
            path = str(self.home / "dag_runs.db")
            raise IntegrityError(path, expected="a trace of DAG runs", found=repr(error)) from None


def text_of(moment: datetime | None) -> str | None:
    """A moment as the file has it."""
    return None if moment is None else moment.isoformat()


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair is no UTF-8
