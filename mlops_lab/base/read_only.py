"""How is a SQLite file read where nothing can be written: in somebody else's home folder, or on a full disk?"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

__all__ = ["connect_read_only"]


def connect_read_only(path: Path, *, timeout: float = 30.0) -> sqlite3.Connection:
    """A connection that reads the file and cannot change it; for one use, because it may be a snapshot.

    A file with a write-ahead log is read with the help of a second file, which SQLite makes beside it; where it
    cannot, it refuses to read (https://www.sqlite.org/wal.html#read_only_databases). If a writer is at work its help
    serves us too. If not, the file stands still, and is read as such; and a log that a crash has left is read in a
    copy, because what was acknowledged may be only there.

    >>> with tempfile.TemporaryDirectory() as home:
    ...     with closing(sqlite3.connect(Path(home) / "notes.db")) as made, made:
    ...         _ = made.execute("CREATE TABLE notes (text TEXT)")
    ...     with closing(connect_read_only(Path(home) / "notes.db")) as connection:
    ...         connection.execute("INSERT INTO notes VALUES ('rain')")
    Traceback (most recent call last):
    sqlite3.OperationalError: attempt to write a readonly database

    Raises:
        sqlite3.Error: the file cannot be read either, or is no database; whoever asked says it in their own words.
    """
    address = f"{path.resolve().as_uri()}?mode=ro"
    connection = _connect(address, timeout)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" in str(error):
            raise
    else:
        return connection
    log = path.with_name(f"{path.name}-wal")
    if log.is_file() and log.stat().st_size:
        return _copied(path, log)
    return _connect(f"{address}&immutable=1", timeout)


def _connect(address: str, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(address, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)


def _copied(path: Path, log: Path) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(log, copy.with_name(log.name))
        with closing(sqlite3.connect(copy)) as recovered:
            recovered.backup(memory)
    memory.execute("PRAGMA query_only = ON")
    return memory
