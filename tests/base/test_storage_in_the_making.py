"""base.storage: a file that another process is just making is new, or ours, and never somebody else's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from types import SimpleNamespace

from mlops_lab.base.storage import Database


class Overtaken:
    """A connection after each of whose statements another process has time for something."""

    def __init__(self, connection, meanwhile):
        self.connection, self.meanwhile = connection, meanwhile

    def execute(self, statement):
        rows = iter(self.connection.execute(statement).fetchall())
        self.meanwhile()
        return SimpleNamespace(fetchone=lambda: next(rows, None))


def database(path):
    return Database(path, kind="run log", application_id=7, version=1, schema="CREATE TABLE notes (text TEXT);")


def test_a_schema_that_comes_while_one_looks_is_nobody_elses(tmp_path):
    ours = database(tmp_path / "ours.db")
    path = tmp_path / "new.db"

    with closing(sqlite3.connect(path)) as connection:
        known = ours._recognized(Overtaken(connection, lambda: database(path).close()))

    assert known is None
