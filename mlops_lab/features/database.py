"""How is a database of the home folder opened, and what does it mean when that fails?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_lab.errors import HomeError, IntegrityError

__all__ = ["connect", "explained", "writing"]

_PATIENCE = 30.0  # seconds to wait for another process that writes


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say in the package's own words why the database at `path` cannot be used.

    Raises:
        HomeError: the disk or its permissions are in the way.
        IntegrityError: the file is no database, or a damaged one.
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise HomeError(path.parent, f"{path.name}: {error}") from None
    except sqlite3.DatabaseError as error:
        raise IntegrityError(str(path), expected="an SQLite database", found=str(error)) from None


def connect(path: Path, schema: str) -> sqlite3.Connection:
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
    """A connection inside one transaction: all of it is kept, or, whatever happens, none of it."""
    with explained(path):
        connection = connect(path, schema)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()  # closing without a commit undoes
