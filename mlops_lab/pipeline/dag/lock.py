"""Is another process at work on this run right now?"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

__all__ = ["Lock"]


class Lock:
    """A lock that the operating system drops when its process dies, on every system.

    It is an empty SQLite file held by an exclusive transaction, because the standard library has no other file lock
    that works alike on Linux, macOS and Windows, and between threads as well as between processes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._connection.close()
            if "locked" in str(error):
                raise BlockingIOError(str(path)) from None
            raise

    def release(self) -> None:
        """Let go; the file goes too."""
        self._connection.close()
        with suppress(OSError):  # on Windows another process may have it open to look
            self.path.unlink()
