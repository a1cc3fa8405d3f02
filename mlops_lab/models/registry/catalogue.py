"""Which models and versions are there, and under which names are they found?"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import InvalidData, NotAllowed, UnknownName
from mlops_lab.models.registry.ledger import Ledger
from mlops_lab.models.registry.names import check_alias, check_name, check_stage, check_version
from mlops_lab.models.registry.records import STAGES, ModelVersion
from mlops_lab.models.tracking import Run
from mlops_lab.models.tracking.values import check_text, check_texts, named

__all__ = ["Catalogue"]

_FOLLOWS = ("champion", "previous")  # these two follow Production, so nobody can point them past the gate


class Catalogue(Ledger):
    """Registering and finding versions: the part of `Registry` that lets nothing into Production.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> from mlops_lab.models.tracking import Tracker
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker, catalogue = Tracker(home, clock=FakeClock()), Catalogue(home, clock=FakeClock())
    ...     run = tracker.log_run("train", artefact=tracker.artefacts.put_bytes(b"model"), author="ada")
    ...     first = catalogue.register_model(run, "late")
    ...     catalogue.set_alias("late", "challenger", 1)
    ...     print(first, catalogue.get_by_alias("late", "challenger").version, catalogue.get_production("late"))
    ...     catalogue.close(), tracker.close()
    ModelVersion(late v1, None, aliases: challenger)
    ModelVersion(late v1, None) 1 None
    (None, None)
    """

    def register_model(
        self,
        run: Run,
        name: str,
        *,
        author: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """Make the run's model the next version of a registered model, in stage None.

        The same run under the same name is the same version: it comes back as it is, so that a retried task does no
        harm. (MLflow makes another version each time: https://mlflow.org/docs/latest/ml/model-registry.) The author
        is the run's unless given.

        Raises:
            InvalidData: the run has no artefact, or a name or text cannot be stored.
            UnknownName: the run's artefact is not in this home folder.
            IntegrityError: the artefact's bytes have changed.
        """
        check_name(name)
        if not isinstance(run, Run):
            raise InvalidData(f"register_model takes the Run that a tracker logged, not {type(run).__name__}.")
        if run.artefact is None:
            raise InvalidData(f"run {run.run_id[:8]} has no artefact, so there is no model to register.")
        details = {
            "run_id": check_text(run.run_id, "the run's id", needed=True),
            "artefact": run.artefact,
            "author": check_text(run.author if author is None else author, "the author").strip(),
            "description": check_text(description, "the description"),
            "tags": check_texts(tags, "tag"),
        }
        self.artefacts.get_bytes(run.artefact)
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT version FROM versions WHERE name = ? AND run_id = ?", (name, run.run_id)
            ).fetchone()
            if row is not None:
                return self._version(connection, name, row[0])
            last = connection.execute("SELECT max(version) FROM versions WHERE name = ?", (name,)).fetchone()[0]
            number = (last or 0) + 1
            actor = str(details["author"]) or "unknown"
            self._append(connection, "register_model", name, number, actor=actor, why=description, details=details)
            return self._version(connection, name, number)

    def get_model_version(self, name: str, version: int) -> ModelVersion:
        """One version.

        Raises:
            UnknownName: there is no such model or version.
        """
        with self._database.reading() as connection:
            return self._version(connection, name, version)

    def get_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version an alias points to; MLflow's `get_model_version_by_alias`.

        Raises:
            UnknownName: there is no such model or alias.
        """
        with self._database.reading() as connection:
            self._known(connection, name)
            there = dict(tuple(row) for row in connection.execute(_ALIASES, (name,)))
            if not isinstance(alias, str) or alias not in there:
                raise UnknownName("alias", alias, there, where=f"model {name}")
            return self._version(connection, name, there[alias])

    def get_production(self, name: str) -> ModelVersion | None:
        """The version in Production, or None.

        Raises:
            UnknownName: there is no such model.
        """
        with self._database.reading() as connection:
            self._known(connection, name)
            number = self._reigning(connection, name)
            return None if number is None else self._version(connection, name, number)

    def latest_versions(self, name: str) -> tuple[ModelVersion, ...]:
        """The newest version in each stage that has one, in the order of the stages; as in MLflow."""
        versions = self.search(name=name)
        newest = {each.stage: each for each in versions}
        return tuple(newest[stage] for stage in STAGES if stage in newest)

    def list_models(self) -> tuple[str, ...]:
        """The names of all models that have a version or a policy, sorted."""
        with self._database.reading() as connection:
            return tuple(row[0] for row in connection.execute("SELECT name FROM models ORDER BY name"))

    def search(
        self,
        *,
        name: str | None = None,
        stage: str | None = None,
        tags: Mapping[str, str] | None = None,
        author: str | None = None,
    ) -> tuple[ModelVersion, ...]:
        """The versions that are all of this, by name and number.

        Raises:
            UnknownName: there is no such model or stage.
        """
        if stage is not None:
            check_stage(stage)
        with self._database.reading() as connection:
            if name is not None:
                self._known(connection, name)
            found = connection.execute(
                "SELECT name, version FROM versions WHERE coalesce(:name, name) = name"
                " AND coalesce(:stage, stage) = stage AND coalesce(:author, author) = author ORDER BY name, version",
                {"name": name, "stage": stage, "author": author},
            ).fetchall()
            versions = [self._version(connection, row[0], row[1]) for row in found]
        return tuple(each for each in versions if named(tags, "tag").items() <= each.tags.items())

    def set_alias(self, name: str, alias: str, version: int, *, actor: str = "unknown", why: str = "") -> ModelVersion:
        """Point an alias to a version, away from where it pointed before.

        `champion` and `previous` follow Production by themselves and cannot be set: in MLflow an alias can be set
        past every check (https://mlflow.org/docs/latest/ml/model-registry/#deploy-and-organize-models).

        Raises:
            UnknownName: there is no such version.
            NotAllowed: the alias is champion or previous.
        """
        self._free(check_alias(alias))
        with self._database.transaction() as connection:
            self._row(connection, name, version)
            before = connection.execute(_ALIASES + " AND alias = ?", (name, alias)).fetchone()
            if before is None or before[1] != version:
                source = None if before is None else f"v{before[1]}"
                details = {"alias": alias}
                self._append(
                    connection, "set_alias", name, version, actor=actor, why=why, source=source,
                    target=f"v{version}", details=details,
                )  # fmt: skip
            return self._version(connection, name, version)

    def delete_alias(self, name: str, alias: str, *, actor: str = "unknown", why: str = "") -> None:
        """Take an alias away.

        Raises:
            UnknownName: there is no such alias.
            NotAllowed: the alias is champion or previous.
        """
        self._free(alias)
        with self._database.transaction() as connection:
            self._known(connection, name)
            there = dict(tuple(row) for row in connection.execute(_ALIASES, (name,)))
            if not isinstance(alias, str) or alias not in there:
                raise UnknownName("alias", alias, there, where=f"model {name}")
            number, details = there[alias], {"alias": alias}
            self._append(
                connection, "delete_alias", name, number, actor=actor, why=why, source=f"v{number}", details=details
            )

    def set_tag(
        self, name: str, version: int, key: str, value: str, *, actor: str = "unknown", why: str = ""
    ) -> ModelVersion:
        """Set one tag of a version.

        Raises:
            UnknownName: there is no such version.
            InvalidData: the key or value is no text.
        """
        check_texts({key: value}, "tag")
        with self._database.transaction() as connection:
            before = self._version(connection, name, version).tags.get(key)
            if before != value:
                self._append(
                    connection, "set_tag", name, version, actor=actor, why=why, source=before, target=value,
                    details={"key": key},
                )  # fmt: skip
            return self._version(connection, name, version)

    def _free(self, alias: str) -> None:
        if alias in _FOLLOWS:
            raise NotAllowed(f"the alias {alias!r} follows Production: promote or roll back, or choose another alias.")

    def _reigning(self, connection: sqlite3.Connection, name: str) -> int | None:
        row = connection.execute(
            "SELECT version FROM versions WHERE name = ? AND stage = 'Production'", (name,)
        ).fetchone()
        return None if row is None else int(row[0])

    def _version(self, connection: sqlite3.Connection, name: str, version: int) -> ModelVersion:
        return read_version(connection, self._row(connection, name, check_version(version)))


def read_version(connection: sqlite3.Connection, row: sqlite3.Row) -> ModelVersion:
    """The record of a row of `versions`, with its aliases and tags."""
    subject = (row["name"], row["version"])
    aliases = connection.execute("SELECT alias FROM aliases WHERE name = ? AND version = ? ORDER BY alias", subject)
    tags = connection.execute("SELECT key, value FROM tags WHERE name = ? AND version = ? ORDER BY key", subject)
    fields: dict[str, Any] = {
        key: row[key] for key in ("name", "version", "run_id", "artefact", "stage", "author", "description")
    }
    return ModelVersion(
        **fields,
        aliases=tuple(each[0] for each in aliases),
        tags=dict(tuple(each) for each in tags),
        created=parse_utc(row["created"]),
    )


_ALIASES = "SELECT alias, version FROM aliases WHERE name = ?"
