"""A database of the home folder: how it is opened, and what it means when that fails."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_lab.base.errors import HomeError, IntegrityError
from mlops_lab.base.storage import connect_read_only

__all__ = ["Reader", "writing"]

_PATIENCE = 30.0  # seconds to wait for another process that writes


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say in the package's own words why the database at `path` cannot be used."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        if isinstance(error, HomeError):
            raise
        if str(error).startswith(("Could not decode", "unsupported file format")):
            raise IntegrityError(str(path), expected="an SQLite database", found=str(error)) from None
        raise HomeError(path.parent, f"{path.name}: {error}") from None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # what SQLite complains of may itself be no text
        raise IntegrityError(str(path), expected="an SQLite database", found=str(error)) from None


def _connect(path: Path, schema: str) -> sqlite3.Connection:
    """Open or create a database in write-ahead mode, so that readers never wait for a writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(schema)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def writing(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """A connection inside one transaction: all of it is kept, or, whatever happens, none of it.

    Raises:
        HomeError: the disk or its permissions are in the way.
        IntegrityError: the file is no database, or a damaged one.
    """
    with _explained(path):
        connection = _connect(path, schema)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()  # closing without a commit undoes


class Reader:
    """A connection that stays open between reads, for threads to share in turn."""

    def __init__(self, path: Path, schema: str) -> None:
        """Nothing is touched before the first read."""
        self._path, self._schema = path, schema
        self._lock = threading.RLock()
        self._which: tuple[int, int] | None = None
        self._close = weakref.finalize(self, lambda: None)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """One moment of the database, or None while there is no file.

        Raises:
            HomeError: the disk or its permissions are in the way.
            IntegrityError: the file is no database, or a damaged one.
        """
        with self._lock, _explained(self._path):
            try:
                which = (os.getpid(), self._path.stat().st_ino)
            except (FileNotFoundError, NotADirectoryError):
                yield None
                return
            if which != self._which:  # the first time, in a forked child, or after the home was replaced
                self._close()
                self._which = None
                self._connection, lasts = _connected(self._path, self._schema)
                self._close = weakref.finalize(self, self._connection.close)
                self._which = which if lasts else None
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("COMMIT")
                if self._which is None:
                    self._close()


def _connected(path: Path, schema: str) -> tuple[sqlite3.Connection, bool]:
    """A connection, and may it be kept? Where nothing can be written it may be a snapshot, good for one reading."""
    try:
        return _connect(path, schema), True
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise
        try:
            return connect_read_only(path, timeout=_PATIENCE), False
        except (OSError, sqlite3.OperationalError):
            raise error from None
