"""The registry's file and what is in it: models, versions, aliases, tags and the history."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock, SystemClock, parse_utc
from mlops_lab.base.display import Listing
from mlops_lab.base.errors import InvalidData, NotAllowed, UnknownName, expect
from mlops_lab.base.storage import Database, check_name
from mlops_lab.models.registry.history import (
    ACTIONS,
    APPLICATION_ID,
    BEGINNING,
    MIGRATIONS,
    SCHEMA,
    VERSION,
    append,
    moment_after,
    read_events,
    verify,
)
from mlops_lab.models.registry.records import (
    FOLLOWING,
    Event,
    ModelVersion,
    check_alias,
    check_person,
    check_stage,
    check_version,
)
from mlops_lab.models.tracking import ArtifactStore, Run, Tracker
from mlops_lab.models.tracking.runs import check_text, check_texts, named


class Catalogue:
    """Registering, finding and naming versions: the half of `Registry` that lets nothing into Production."""

    def __init__(self, home: str | Path, *, clock: Clock | None = None) -> None:
        self.home = Path(home)
        self.clock = SystemClock() if clock is None else clock
        self.artifacts = ArtifactStore(home)
        self._database = Database(
            self.home / "registry.db", kind="registry", application_id=APPLICATION_ID, version=VERSION, schema=SCHEMA,
            migrations=MIGRATIONS,
        )  # fmt: skip
        self._runs = Tracker(home, clock=self.clock, create=False)

    def close(self) -> None:
        """Close the files; the next use opens them again."""
        self._database.close()
        self._runs.close()

    def history(self, name: str | None = None, version: int | None = None) -> tuple[Event, ...]:
        """What happened, oldest first: everywhere, to one model, or to one version; `str(event)` is a line of text.

        Raises:
            UnknownName: there is no such model or version.
        """
        conditions: list[tuple[str, Any]] = []
        with self._database.reading() as connection:
            if name is not None:
                conditions.append(("name = ?", name))
                self._known(connection, name)
            if version is not None:
                if name is None:
                    raise InvalidData(f"version {version} of which model? Give history(name, version).")
                conditions.append(("version = ?", check_version(version)))
                self._row(connection, name, version)
            where = "WHERE " + " AND ".join(text for text, _ in conditions) if conditions else ""
            return Listing(read_events(connection, where=where, values=[value for _, value in conditions]))

    def head(self) -> str:
        """The hash of the last event. Noted elsewhere, it lets `verify` notice a history that was written anew."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
            return str(row[0]) if row else BEGINNING

    def verify(self, *, head: str | None = None) -> int:
        """Recompute the chain, tell the history again, compare it with the tables; the number of events.

        Noticed: a changed, missing, added or moved event, a missing end, a table that says anything else than the
        history. Not noticed without a `head` that was noted elsewhere: somebody who rewrites the file in full, every
        hash included, or puts back an older copy of it. Artifacts are verified when they are read.

        Raises:
            IntegrityError: with the first event or row at fault.
            InvalidData: the head is no hash.
        """
        if head is not None and not re.fullmatch("sha256:[0-9a-f]{64}", head):
            raise InvalidData(f"{head!r} is no head of a history; one reads sha256: and 64 digits 0-9a-f.")
        with self._database.reading() as connection:
            return verify(connection, head=head)

    def record_event(
        self,
        name: str,
        version: int,
        *,
        action: str,
        actor: str,
        why: str,
        details: Mapping[str, Any] | None = None,
    ) -> Event:
        """Write down what another package did with a version, such as a canary's step; nothing else changes.

        Raises:
            UnknownName: there is no such version.
            InvalidData: the action is one of the registry's own, or the details are no JSON.
        """
        check_name(action, "an action")
        if action in ACTIONS:
            raise InvalidData(f"{action!r} is an action of the registry itself; choose another word.")
        with self._database.transaction() as connection:
            self._row(connection, name, version)
            return self._append(connection, action, name, version, actor=actor, why=why, details=details)

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
            InvalidData: the run has no artifact, or a name or text cannot be stored.
            UnknownName: the run's artifact is not in this home folder.
            IntegrityError: the artifact's bytes have changed.
        """
        check_name(name, "a model")
        if not isinstance(run, Run):
            raise InvalidData(f"register_model takes the Run that a tracker logged, not {type(run).__name__}.")
        if run.artifact is None:
            raise InvalidData(f"run {run.run_id[:8]} has no artifact, so there is no model to register.")
        details = {
            "run_id": check_text(run.run_id, "the run's id", needed=True),
            "artefact": run.artifact,
            "author": check_text(run.author if author is None else author, "the author").strip(),
            "description": check_text(description, "the description"),
            "tags": check_texts(tags, "tag"),
        }
        self.artifacts.get_bytes(run.artifact)
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
        """The version an alias points to, or the newest for `latest`; MLflow's `get_model_version_by_alias`.

        Raises:
            UnknownName: there is no such model or alias.
        """
        with self._database.reading() as connection:
            self._known(connection, name)
            there = aliases_of(connection, name)
            there["latest"] = connection.execute(
                "SELECT max(version) FROM versions WHERE name = ?", (name,)
            ).fetchone()[0]
            if not isinstance(alias, str) or there.get(alias) is None:
                raise UnknownName("alias", alias, [each for each in there if each != "latest"], where=f"model {name}")
            return self._version(connection, name, there[alias])

    def get_production(self, name: str) -> ModelVersion | None:
        """The version in Production, or None.

        Raises:
            UnknownName: there is no such model.
        """
        with self._database.reading() as connection:
            self._known(connection, name)
            number = reigning_version(connection, name)
            return None if number is None else self._version(connection, name, number)

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
        return Listing(each for each in versions if named(tags, "tag").items() <= each.tags.items())

    def set_alias(self, name: str, alias: str, version: int, *, actor: str = "unknown", why: str = "") -> ModelVersion:
        """Point an alias to a version, away from where it pointed before.

        `champion` and `previous` follow Production by themselves and cannot be set: in MLflow an alias can be set
        past every check (https://mlflow.org/docs/latest/ml/model-registry/#deploy-and-organize-models).

        Raises:
            UnknownName: there is no such version.
            NotAllowed: the alias is champion or previous.
        """
        check_alias(alias)
        _check_free(alias)
        with self._database.transaction() as connection:
            self._row(connection, name, version)
            before = aliases_of(connection, name).get(alias)
            if before != version:
                source = None if before is None else f"v{before}"
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
        _check_free(alias)
        with self._database.transaction() as connection:
            self._known(connection, name)
            there = aliases_of(connection, name)
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

    def _append(
        self,
        connection: sqlite3.Connection,
        action: str,
        name: str,
        version: int | None,
        *,
        actor: str,
        why: str,
        source: str | None = None,
        target: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Event:
        event = Event(
            seq=0,
            at=self.clock.now(),
            actor=check_person(actor, "the actor"),
            action=action,
            name=name,
            version=version,
            source=source,
            target=target,
            why=check_text(why, "the reason (why)"),
            details=dict(expect(details or {}, Mapping, "what an event keeps as its details")),  # type: ignore[type-abstract]
        )
        return append(connection, event)

    def _now(self, connection: sqlite3.Connection) -> datetime:
        # The same time that the next event would get, see history.append.
        row = connection.execute("SELECT at FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return moment_after(parse_utc(row[0]), self.clock.now()) if row else self.clock.now()

    def _known(self, connection: sqlite3.Connection, name: str) -> None:
        check_name(name, "a model")
        if connection.execute("SELECT 1 FROM models WHERE name = ?", (name,)).fetchone() is None:
            known = [row[0] for row in connection.execute("SELECT name FROM models")]
            raise UnknownName("registered model", name, known)

    def _row(self, connection: sqlite3.Connection, name: str, version: int) -> sqlite3.Row:
        check_version(version)
        self._known(connection, name)
        row: sqlite3.Row | None = connection.execute(
            "SELECT * FROM versions WHERE name = ? AND version = ?", (name, version)
        ).fetchone()
        if row is None:
            known = connection.execute("SELECT version FROM versions WHERE name = ? ORDER BY version DESC", (name,))
            raise UnknownName("version", version, [each[0] for each in known], where=f"model {name}")
        return row

    def _version(self, connection: sqlite3.Connection, name: str, version: int) -> ModelVersion:
        return read_version(connection, self._row(connection, name, check_version(version)))


def aliases_of(connection: sqlite3.Connection, name: str) -> dict[str, int]:
    """Which version each alias of a model points to."""
    return dict(tuple(row) for row in connection.execute("SELECT alias, version FROM aliases WHERE name = ?", (name,)))


def _check_free(alias: str) -> None:
    if alias in FOLLOWING:
        raise NotAllowed(f"the alias {alias!r} follows Production: promote or roll back, or choose another alias.")


def policy_of(connection: sqlite3.Connection, name: str) -> dict[str, Any]:
    """What is demanded of the versions of a model; nothing of one that has no policy."""
    row = connection.execute("SELECT * FROM models WHERE name = ?", (name,)).fetchone()
    return dict(row) if row is not None else {"requires_approval": 0, "separate_promoter": 0, "gate_policy": ""}


def reigning_version(connection: sqlite3.Connection, name: str) -> int | None:
    """The number of the version in Production, or None."""
    row = connection.execute("SELECT version FROM versions WHERE name = ? AND stage = 'Production'", (name,)).fetchone()
    return None if row is None else int(row[0])


def read_version(connection: sqlite3.Connection, row: sqlite3.Row) -> ModelVersion:
    """The record of a row of `versions`, with its aliases and tags."""
    subject = (row["name"], row["version"])
    aliases = connection.execute("SELECT alias FROM aliases WHERE name = ? AND version = ? ORDER BY alias", subject)
    tags = connection.execute("SELECT key, value FROM tags WHERE name = ? AND version = ? ORDER BY key", subject)
    fields: dict[str, Any] = {key: row[key] for key in ("name", "version", "run_id", "stage", "author", "description")}
    return ModelVersion(
        **fields,
        artifact=row["artefact"],
        aliases=tuple(each[0] for each in aliases),
        tags=dict(tuple(each) for each in tags),
        created=parse_utc(row["created"]),
    )
