"""How does MLflow's own registry come to say what the history says?

Stages, aliases, tags and descriptions are set from the tables that the history adds up to, for whoever looks there:
MLflow's pages, and `models:/late_flights@champion`. Nothing is ever decided from them.
"""

from __future__ import annotations

import json
import sqlite3
import warnings
from collections.abc import Iterator
from typing import Any

from mlops_lab.adapters.mlflow.connection import Connection
from mlops_lab.adapters.mlflow.models import find_run, source_of
from mlops_lab.base.errors import IntegrityError, InvalidData

_VERSION = "mlops_lab.version"


def show(connection: Connection, tables: sqlite3.Connection, names: set[str]) -> None:
    """Make MLflow's registry say of these models what the tables say."""
    for name in sorted(names):
        _show_model(connection, tables, name)


def compare(connection: Connection, tables: sqlite3.Connection) -> None:
    """Raise unless MLflow's registry says what the tables say.

    Raises:
        IntegrityError: somebody changed a stage, an alias or a version past the gate.
    """
    for (name,) in tables.execute("SELECT name FROM models ORDER BY name").fetchall():
        there, _ = _versions(connection, name)
        for row in tables.execute("SELECT * FROM versions WHERE name = ? ORDER BY version", (name,)):
            subject, found = f"{name} v{row['version']} in MLflow", there.get(row["version"])
            if found is None:
                raise IntegrityError(subject, expected="a version", found="none")
            if found.current_stage != row["stage"]:
                raise IntegrityError(subject, expected=f"stage {row['stage']}", found=f"stage {found.current_stage}")
        ours = {int(each.version): number for number, each in there.items()}
        # Of a model that somebody deleted there is nothing left to ask.
        aliases = _aliases(connection, name) if there else {}
        pointing = {alias: ours.get(int(number)) for alias, number in aliases.items()}
        told = dict(tuple(row) for row in tables.execute("SELECT alias, version FROM aliases WHERE name = ?", (name,)))
        if pointing != told:
            raise IntegrityError(f"the aliases of {name} in MLflow", expected=str(told), found=str(pointing))


def _show_model(connection: Connection, tables: sqlite3.Connection, name: str) -> None:
    from mlflow.exceptions import MlflowException

    client = connection.client
    row = tables.execute("SELECT requires_approval FROM models WHERE name = ?", (name,)).fetchone()
    if row is None:
        return
    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        model = client.create_registered_model(name)
    asks = str(bool(row[0])).lower()
    if (model.tags or {}).get("mlops_lab.requires_approval", "false") != asks:
        client.set_registered_model_tag(name, "mlops_lab.requires_approval", asks)
    rows = tables.execute("SELECT * FROM versions WHERE name = ? ORDER BY version", (name,)).fetchall()
    there, more = _versions(connection, name)
    missing = [each for each in rows if each["version"] not in there]
    if missing:
        for each in missing:
            _create(connection, each)
        there, more = _versions(connection, name)
    for each in more:
        client.delete_model_version(name, each.version)
    numbers = {ours: str(found.version) for ours, found in there.items()}
    # Whoever takes Production comes first: MLflow archives the former one in the same transaction.
    for each in sorted(rows, key=lambda one: one["stage"] != "Production"):
        if there[each["version"]].current_stage != each["stage"]:
            _move(connection, name, numbers[each["version"]], each["stage"])
    for each in rows:
        _tag(connection, there[each["version"]], dict(_tags(tables, each)))
    _point(connection, tables, name, numbers)


def _versions(connection: Connection, name: str) -> tuple[dict[int, Any], list[Any]]:
    """MLflow's versions by our number, which is a tag of theirs, and those too many; what others made is left alone."""
    found: dict[int, list[Any]] = {}
    token: str | None = None
    while True:
        page = connection.client.search_model_versions(f"name='{name}'", max_results=1000, page_token=token)
        for each in page:
            number = str(each.tags.get(_VERSION, ""))
            if number.isdecimal():
                found.setdefault(int(number), []).append(each)
        token = page.token
        if not token:
            break
    first = {number: min(several, key=lambda each: int(each.version)) for number, several in found.items()}
    # Two who showed the same event at the same moment may both have made the version; the first one stays.
    more = [each for number, several in found.items() for each in several if each.version != first[number].version]
    return first, more


def _create(connection: Connection, row: sqlite3.Row) -> Any:
    run = find_run(connection, row["run_id"])
    if run is None:
        raise InvalidData(f"run {row['run_id'][:8]} is not in this MLflow; log it there first, and register that.")
    where, model_id = source_of(run)
    return connection.client.create_model_version(
        row["name"], where, run.info.run_id, tags={_VERSION: str(row["version"])}, description=row["description"],
        model_id=model_id,
    )  # fmt: skip


def _move(connection: Connection, name: str, version: str, stage: str) -> None:
    with warnings.catch_warnings():
        # Stages are deprecated since MLflow 2.9; the course teaches them beside the aliases, and says so.
        warnings.simplefilter("ignore", FutureWarning)
        connection.client.transition_model_version_stage(
            name, version, stage, archive_existing_versions=stage == "Production"
        )


def _tags(tables: sqlite3.Connection, row: sqlite3.Row) -> Iterator[tuple[str, str]]:
    subject = (row["name"], row["version"])
    yield from (
        tuple(each) for each in tables.execute("SELECT key, value FROM tags WHERE name = ? AND version = ?", subject)
    )
    yield from (("mlops_lab.author", row["author"]), ("mlops_lab.artefact", row["artefact"]))
    yield "mlops_lab.run_id", row["run_id"]
    if row["report_seq"] is not None:
        event = tables.execute("SELECT target, details FROM events WHERE seq = ?", (row["report_seq"],)).fetchone()
        report = json.loads(event["details"])["report"]
        yield "mlops_lab.gate", event["target"]
        yield "mlops_lab.gate_report", json.dumps(report, ensure_ascii=False)[:90_000]
    approval = tables.execute("SELECT * FROM approvals WHERE name = ? AND version = ?", subject).fetchone()
    if approval is not None:
        by = f" by {approval['decided_by']}" if approval["decided_by"] else f", asked by {approval['requested_by']}"
        yield "mlops_lab.approval", approval["state"] + by


def _tag(connection: Connection, found: Any, wanted: dict[str, str]) -> None:
    for key, value in wanted.items():
        if found.tags.get(key) != value:
            connection.client.set_model_version_tag(found.name, found.version, key, value)
    for key in found.tags:
        if key not in wanted and key != _VERSION:
            connection.client.delete_model_version_tag(found.name, found.version, key)


def _aliases(connection: Connection, name: str) -> dict[str, str]:
    return {str(alias): str(number) for alias, number in connection.client.get_registered_model(name).aliases.items()}


def _point(connection: Connection, tables: sqlite3.Connection, name: str, numbers: dict[int, str]) -> None:
    told = {
        row[0]: numbers[row[1]] for row in tables.execute("SELECT alias, version FROM aliases WHERE name = ?", (name,))
    }
    there = _aliases(connection, name)
    for alias, number in told.items():
        if there.get(alias) != number:
            connection.client.set_registered_model_alias(name, alias, number)
    for alias in there.keys() - told.keys():
        connection.client.delete_registered_model_alias(name, alias)
