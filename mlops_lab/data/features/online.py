"""The online store: the newest row of each entity, kept in a database for serving."""

from __future__ import annotations

import json
import math
import operator
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.display import counted, html_table, shown
from mlops_lab.base.errors import InvalidData, InvalidDefinition, closest
from mlops_lab.base.storage import Database
from mlops_lab.data.features.columns import as_datetime, check_columns, column_of, key_column, ttl_in_ns, values_of
from mlops_lab.data.features.definitions import FeatureView
from mlops_lab.data.features.offline import ViewRows, check_no_clash
from mlops_lab.data.features.selection import Selection, add_computed

if TYPE_CHECKING:
    import sqlite3

    import pandas as pd


_SCHEMA = """
CREATE TABLE IF NOT EXISTS watermarks (
    view TEXT PRIMARY KEY, until_ns INTEGER NOT NULL, shape TEXT NOT NULL, written_at INTEGER);
CREATE TABLE IF NOT EXISTS online_rows (
    view TEXT, entity TEXT, event_ns INTEGER NOT NULL, created_ns INTEGER NOT NULL, features TEXT NOT NULL,
    PRIMARY KEY (view, entity)) WITHOUT ROWID;
"""
# The newest event wins, whatever the order of arrival; between equals the row that was written last.
_NEWEST_WINS = """
 ON CONFLICT DO UPDATE
SET event_ns = excluded.event_ns, created_ns = excluded.created_ns, features = excluded.features
WHERE (excluded.event_ns, excluded.created_ns) > (event_ns, created_ns)
   OR ((excluded.event_ns, excluded.created_ns) = (event_ns, created_ns) AND excluded.features <> features)
"""
_BLOCK = 50_000  # rows that are Python objects at one time
_WIDE = 500  # rows of one statement: one by one, SQLite spends half of its time between rows
_MIGRATIONS = {0: "ALTER TABLE watermarks ADD COLUMN written_at INTEGER"}
# When it was written is the machine's own time, whatever the clock of the store: only that tells of a job that stopped.
_MARK = "INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?, CAST(strftime('%s', 'now') AS INTEGER))"
_MARK_OF = "SELECT until_ns, shape FROM watermarks WHERE view = ?"
# All keys in one statement, each with its place in the list: asking one by one takes five times as long.
_FIND = """
SELECT asked.key, features FROM json_each(:wanted) AS asked CROSS JOIN online_rows
WHERE view = :view AND entity = asked.value AND event_ns BETWEEN :oldest AND :newest
"""


@dataclass(frozen=True)
class Materialized:
    """What a materialisation wrote: up to when, and how many entities' rows of each view were new or different.

    >>> from mlops_lab.base.clock import parse_utc
    >>> Materialized(parse_utc("2013-07-01"), {"weather": 3})
    Materialized(until=2013-07-01T00:00:00+00:00, rows={'weather': 3})
    """

    until: datetime
    rows: Mapping[str, int]

    def __repr__(self) -> str:
        return f"Materialized(until={self.until.isoformat()}, rows={dict(self.rows)})"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        rows = list(self.rows.items())
        return shown(repr(self), html_table(f"online until {self.until:%Y-%m-%d %H:%M} UTC", ("view", "rows"), rows))


@dataclass(frozen=True, eq=False, repr=False)
class OnlineResponse:
    """The features of some entities, in the order asked; None where nothing is known. Feast's class of this name.

    >>> response = OnlineResponse({"origin": ["EWR"], "wind": [None]}, {"wind": "float64"})
    >>> response, response.to_dict()
    (OnlineResponse(1 row, features=('wind',)), {'origin': ['EWR'], 'wind': [None]})
    >>> response.to_df()["wind"].tolist()
    [nan]
    """

    columns: Mapping[str, list[Any]]
    dtypes: Mapping[str, str]

    def to_dict(self) -> dict[str, list[Any]]:
        """Each column as a list: what was handed in, then the features; times as `datetime` in UTC."""
        times = {name for name, dtype in self.dtypes.items() if dtype == "timestamp"}
        return {
            name: [None if value is None else as_datetime(value) for value in values] if name in times else list(values)
            for name, values in self.columns.items()
        }

    def to_df(self) -> pd.DataFrame:
        """A frame whose feature columns have the types that `get_historical_features` gives."""
        import pandas as pd

        return pd.DataFrame(
            {
                name: column_of(values, self.dtypes[name]) if name in self.dtypes else values
                for name, values in self.columns.items()
            }
        )

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def __repr__(self) -> str:
        return f"OnlineResponse({counted(len(self), 'row')}, features={tuple(self.dtypes)!r})"


class OnlineStore:
    """The newest row of each entity, in `online.db` of a home folder."""

    def __init__(self, home: Path) -> None:
        """Nothing is touched before the first call."""
        self._path = home / "online.db"
        # Two connections, so that who reads does not wait for who writes.
        self._reader, self._writer = (
            Database(self._path, kind="online store", schema=_SCHEMA, version=1, migrations=_MIGRATIONS, create=False)
            for _ in range(2)
        )
        # What was written of which rows until when, and when the next of them becomes known: before, nothing is new.
        self._seen: dict[str, tuple[ViewRows, int, int | None]] = {}

    def write(self, rows: ViewRows, until: int, *, anew: bool) -> int:
        """Bring one view to its state at `until` (ns) in one transaction; return how many rows changed.

        `anew` forgets what was there; otherwise the rows of entities that the source no longer has stay.
        """
        view, shape = rows.view, _shape(rows.view)
        with self._writer.transaction() as database:
            mark = database.execute(_MARK_OF, (view.name,)).fetchone()
            if not anew and mark is not None and until < mark[0]:
                raise InvalidData(
                    f"feature view {view.name!r} is materialised until {as_datetime(mark[0])}, which is after "
                    f"{as_datetime(until)}; to go back in time, materialize(until) builds it anew."
                )
            changed, seen = 0, self._seen.get(view.name)
            afresh = anew or mark is None or mark[1] != shape
            if afresh:
                database.execute("DELETE FROM online_rows WHERE view = ?", (view.name,))
            if afresh or seen is None or seen[:2] != (rows, mark[0]) or (seen[2] is not None and seen[2] <= until):
                changed = _put(database, rows, until, "" if afresh else _NEWEST_WINS)
            database.execute(_MARK, (view.name, until, shape))
        self._seen[view.name] = (rows, until, rows.next_known(until))
        return changed

    def push(self, rows: ViewRows, now: int) -> int:
        """Put some rows in where they are newer; return how many changed. What was materialised stays as far as it is.

        Raises:
            InvalidDefinition: what is there has another meaning.
        """
        view, shape = rows.view, _shape(rows.view)
        with self._writer.transaction() as database:
            mark = database.execute(_MARK_OF, (view.name,)).fetchone()
            if mark is None:
                database.execute(_MARK, (view.name, int(rows.times[0].max(initial=0)), shape))
            elif mark[1] != shape:
                raise has_changed(view)
            return _put(database, rows, now, _NEWEST_WINS)

    def forget(self, view: str) -> None:
        """Delete the rows of a view."""
        self._seen.pop(view, None)
        if self._path.exists():
            with self._writer.transaction() as database:
                database.execute("DELETE FROM online_rows WHERE view = ?", (view,))
                database.execute("DELETE FROM watermarks WHERE view = ?", (view,))

    def watermark(self, view: str) -> int | None:
        """Until when a view is materialised, in ns, or None."""
        with self._reader.reading() as database:
            mark = database.execute(_MARK_OF, (view,)).fetchone()
        return None if mark is None else int(mark[0])

    def written_at(self, view: str) -> int | None:
        """When a view was last materialised by the machine's clock, in seconds since 1970; None where nobody knows."""
        with self._reader.reading() as database:
            found = database.execute("SELECT written_at FROM watermarks WHERE view = ?", (view,)).fetchone()
        return None if found is None else found[0]

    def read(
        self, asked: Iterable[tuple[FeatureView, Sequence[str], list[list[Any] | None]]], *, at: int | None
    ) -> list[list[list[Any]]]:
        """For each view, some of its features and keys: a column for each feature, None for a key unknown or None."""
        answer: list[list[list[Any]]] = []
        with self._reader.reading() as database:
            for view, features, keys in asked:
                mark = database.execute(_MARK_OF, (view.name,)).fetchone()
                if mark is None:
                    raise InvalidData(
                        f"feature view {view.name!r} was never materialised; call materialize(until) first."
                    )
                texts = iter(_encoded([key for key in keys if key is not None]))
                wanted = json.dumps([None if key is None else next(texts) for key in keys])
                found = database.execute(
                    _FIND,
                    {
                        "view": view.name,
                        "wanted": wanted,
                        "oldest": _oldest(view, mark, at),
                        "newest": 2**63 - 1 if at is None else at,  # what was pushed since is not known at `at`
                    },
                ).fetchall()
                columns = _decoded(mark[1], features, [packed for _, packed in found])
                if len(found) < len(keys) or any(place != row for row, (place, _) in enumerate(found)):
                    row_of = {place: row for row, (place, _) in enumerate(found)}
                    rows = [row_of.get(place) for place in range(len(keys))]
                    columns = [[None if row is None else column[row] for row in rows] for column in columns]
                answer.append(columns)
        return answer


def _put(database: sqlite3.Connection, rows: ViewRows, until: int, otherwise: str) -> int:
    """Write the newest row of each entity; return how many rows changed. `otherwise` says what to do with one there."""
    name, before = rows.view.name, database.total_changes
    event, created = (rows.times[at] for at in (0, 0 if rows.times[1] is None else 1))
    found = rows.newest(until)
    keys = rows.key_arrays() if len(found) else []
    for start in range(0, len(found), _BLOCK):
        block = found[start : start + _BLOCK]
        values = [column.take(block).to_pylist() for column in keys]
        entities = _encoded(list(zip(*values, strict=True)) or [() for _ in block])
        moments = (event[block].tolist(), created[block].tolist())
        cells = list(chain.from_iterable(zip(repeat(name), entities, *moments, _packed(rows, block), strict=False)))
        for first in range(0, len(cells), 5 * _WIDE):
            part = cells[first : first + 5 * _WIDE]
            several = ", ".join(["(?, ?, ?, ?, ?)"] * (len(part) // 5))
            statement = f"INSERT INTO online_rows VALUES {several}{otherwise}"  # noqa: S608 - of constants only
            database.execute(statement, part)
    return database.total_changes - before


# How a row is packed, and how unpacked: numbers in eight bytes each, a whole number with a byte that says whether it is
# known, a truth value in one byte, 2 for unknown; texts follow as a JSON list. NaN and NaT are what is not known.
_FORMS = {"float64": "d", "int64": "qB", "bool": "B", "timestamp": "q"}
_NOT_A_TIME = -(2**63)


def _packed(rows: ViewRows, block: Any) -> list[bytes]:
    """The features of some rows of the source, packed."""
    import numpy as np
    import pandas as pd

    schema = rows.view.schema
    kinds = [
        (f"{place}{form}", f"<{form.replace('q', 'i8').replace('d', 'f8').replace('B', 'u1')}")
        for place, one in enumerate(schema)
        for form in _FORMS.get(one.dtype, "")
    ]
    table = np.zeros(len(block), dtype=kinds)
    texts = []
    for place, one in enumerate(schema):
        column = rows.values(one.name, block)
        if one.dtype == "string":
            texts.append(values_of(column, one.dtype))
        elif one.dtype == "float64":
            table[f"{place}d"] = np.where(np.isnan(column), np.nan, column)
        elif one.dtype == "timestamp":
            table[f"{place}q"] = column.asi8
        else:
            unknown = np.asarray(pd.isna(column))
            if one.dtype == "int64":
                table[f"{place}q"] = column.to_numpy("int64", na_value=0)
                table[f"{place}B"] = ~unknown
            else:
                table[f"{place}B"] = np.where(unknown, 2, column.to_numpy("uint8", na_value=0))
    whole, size = table.tobytes(), table.dtype.itemsize
    packed = [whole[at : at + size] for at in range(0, len(block) * size, size)] if size else [b""] * len(block)
    if texts:
        tails = _encoded(list(zip(*texts, strict=True)))
        packed = [row + tail.encode() for row, tail in zip(packed, tails, strict=True)]
    return packed


@lru_cache(maxsize=1024)
def _layout(shape: str) -> tuple[struct.Struct, dict[str, tuple[str, int]], int]:
    """How a row of that shape is packed: its numbers, the type and first place of each feature, and how many texts."""
    form, places, texts = "<", {}, 0
    for name, dtype in json.loads(shape)["features"].items():
        places[name] = (dtype, texts if dtype == "string" else len(form) - 1)
        form, texts = form + _FORMS.get(dtype, ""), texts + (dtype == "string")
    return struct.Struct(form), places, texts


def _decoded(shape: str, features: Sequence[str], rows: Sequence[bytes | str]) -> list[list[Any]]:
    """The values of some features in packed rows, by feature; a row of text is JSON, as versions before wrote it."""
    if any(isinstance(row, str) for row in rows):
        at = [_meaning(shape)[2][name] for name in features]
        each = [_values_of(row, shape, features, at) for row in rows]
        return [list(column) for column in zip(*each, strict=True)]
    form, places, many = _layout(shape)
    size = form.size
    whole: Any = b"".join([row[:size] for row in rows] if many else rows)  # type: ignore[arg-type, misc]
    numbers = list(zip(*form.iter_unpack(whole), strict=True)) if size else []
    tails = json.loads("[" + ",".join([row[size:].decode() for row in rows]) + "]") if many else []  # type: ignore[union-attr]
    found: list[list[Any]] = []
    for dtype, place in map(places.__getitem__, features):
        if not rows:
            found.append([])
        elif dtype == "string":
            found.append([tail[place] for tail in tails])
        elif dtype == "int64":
            pairs = zip(numbers[place], numbers[place + 1], strict=True)
            found.append([value if known else None for value, known in pairs])
        elif dtype == "bool":
            found.append([None if value == 2 else value == 1 for value in numbers[place]])
        elif dtype == "timestamp":
            found.append([None if value == _NOT_A_TIME else value for value in numbers[place]])
        else:
            found.append([None if value != value else value for value in numbers[place]])
    return found


def _values_of(row: bytes | str, shape: str, features: Sequence[str], at: Sequence[int]) -> list[Any]:
    if isinstance(row, str):
        values = json.loads(row)
        return [values[place] for place in at]
    return [column[0] for column in _decoded(shape, features, [row])]


def _encoded(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Each flat row as JSON, in one call for all: JSON escapes a NUL, so as a separator it parts them for certain."""
    text = json.dumps(rows, separators=("\0", ":"))
    return [f"[{row}]".replace("\0", ",") for row in text[2:-2].split("]\0[")] if rows else []


def pushed_rows(view: FeatureView, rows: Any, now: int) -> ViewRows:
    """Rows that somebody pushes to a view, checked as those of its source are.

    Raises:
        InvalidData: they are not as the view declares, or become known after `now` (ns).
    """
    if not hasattr(rows, "columns"):
        raise InvalidData(f"what is pushed to feature view {view.name!r} must be a frame, not {type(rows).__name__}.")
    found = ViewRows(replace(view, source=replace(view.source, data=rows)))
    if (known := found.next_known(now)) is not None:
        raise InvalidData(
            f"a row pushed to feature view {view.name!r} becomes known at {as_datetime(known)}, which is after now."
        )
    return found


def _shape(view: FeatureView) -> str:
    """What the rows of a view mean; when that changes, rows written before mean something else."""
    source = view.source
    times = [source.timestamp_field, source.created_timestamp_column]
    return json.dumps({"keys": view.key_types, "features": view.dtypes, "source": source.name, "times": times})


@lru_cache(maxsize=1024)
def _meaning(shape: str) -> tuple[list[tuple[str, str]], set[tuple[str, str]], dict[str, int]]:
    """The keys and features that rows were written with, and each feature's place in a row."""
    told = json.loads(shape)
    features = told["features"]
    return list(told["keys"].items()), set(features.items()), {name: place for place, name in enumerate(features)}


def has_changed(view: FeatureView) -> InvalidDefinition:
    """The error that says that online rows have another meaning than their view."""
    return InvalidDefinition(
        f"feature view {view.name!r} has changed since it was materialised; call materialize(until) again."
    )


def _oldest(view: FeatureView, mark: tuple[int, str], at: int | None) -> int:
    """The event time, in ns, before which a row is too old to be shown."""
    until, shape = mark
    keys, features, _ = _meaning(shape)
    if keys != list(view.key_types.items()) or not features.issuperset(view.dtypes.items()):
        raise has_changed(view)
    if at is not None and at < until:
        raise InvalidData(
            f"the online store holds feature view {view.name!r} as of {as_datetime(until)} and cannot show it as of "
            f"{as_datetime(at)}; for the past, use get_historical_features."
        )
    ttl = ttl_in_ns(view.ttl)
    moment = until if at is None else at
    return -(2**63) if ttl is None else max(moment - ttl, -(2**63))


_WHERE = "the entity rows"


def answer(
    entity_rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]],
    selection: Selection,
    online: OnlineStore,
    *,
    at: int | None,
) -> OnlineResponse:
    """What the online store knows of these entities.

    Raises:
        InvalidData: a key is missing or of another type, or a column is named like a feature; or as `OnlineStore.read`.
    """
    columns = _columns(entity_rows, selection.key_types)
    check_no_clash(columns, selection.names, _WHERE)
    count = 1 if isinstance(entity_rows, Mapping) else len(entity_rows)
    if not count:
        columns = {name: [] for name in selection.requested} | columns
    asked = [(part.view, part.features, _keys(part.key_columns, columns, count)) for part in selection.parts]
    found: dict[str, list[Any]] = {}
    for part, values in zip(selection.parts, online.read(asked, at=at), strict=True):
        found.update(zip(part.names, values, strict=True))
    if selection.computed:
        found |= _computed(selection, found, columns)
    return OnlineResponse(columns | {name: found[name] for name in selection.names}, selection.dtypes)


def _columns(
    entity_rows: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]], key_types: Mapping[str, str]
) -> dict[str, list[Any]]:
    """Entity rows (a frame, one mapping or several) as lists by column, with the keys as Python values, None for null.

    Raises:
        InvalidData: a key is missing or of another type.
    """
    if hasattr(entity_rows, "columns"):
        frame: Any = entity_rows
        check_columns(frame, list(dict.fromkeys([*key_types, *map(str, frame.columns)])), _WHERE)
        columns = {str(name): frame[name].tolist() for name in frame.columns}
        return columns | {key: key_column(frame[key], kind, _WHERE).to_pylist() for key, kind in key_types.items()}
    rows: Any = [entity_rows] if isinstance(entity_rows, Mapping) else entity_rows
    if isinstance(rows, str) or not isinstance(rows, Sequence) or not _are_mappings(rows):
        raise InvalidData(f'{_WHERE} must be a frame or a list like [{{"origin": "EWR"}}], not {entity_rows!r:.60}.')
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names if name not in key_types}
    for key, kind in key_types.items():
        if any(key not in row for row in rows):
            row = next(row for row in rows if key not in row)
            meant = closest(key, [str(name) for name in row])
            hint = f" The nearest there is {meant!r}." if meant else ""
            raise InvalidData(f"no key {key!r} in the entity row {dict(row)!r:.200}.{hint}", column=key)
        values = [row[key] for row in rows]
        plain = kind == "string" and set(map(type, values)) == {str}
        columns[key] = values if plain else [_key_value(value, kind, key) for value in values]
    return {name: columns[name] for name in names} | {key: columns[key] for key in key_types}


def _are_mappings(rows: Sequence[object]) -> bool:
    return set(map(type, rows)) <= {dict} or all(isinstance(row, Mapping) for row in rows)


def _key_value(value: Any, kind: str, key: str) -> Any:
    pandas = sys.modules.get("pandas")  # whoever passes pandas' own nulls has imported it
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if pandas is not None and (value is pandas.NA or value is pandas.NaT):
        return None
    if kind == "string" and isinstance(value, str):
        return str(value)
    if kind == "int64" and hasattr(value, "__index__") and "bool" not in type(value).__name__:
        whole = operator.index(value)
        if -(2**63) <= whole < 2**63:
            return whole
    raise InvalidData(
        f"key {key!r} of {_WHERE} must be {kind}, not {value!r:.60} ({type(value).__name__}).", column=key
    )


def _computed(selection: Selection, found: dict[str, list[Any]], columns: Mapping[str, list[Any]]) -> dict[str, Any]:
    import pandas as pd

    dtypes = selection.all_dtypes
    arrays = {name: column_of(values, dtypes[name]) for name, values in found.items()}
    # As objects: a column of whole numbers and None would go through float64.
    request = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    add_computed(selection, arrays, request, _WHERE, tried=False)
    names = [name for one in selection.computed for name in one.names]
    return {name: values_of(arrays[name], dtypes[name]) for name in names}


def _keys(names: Sequence[str], columns: Mapping[str, list[Any]], rows: int) -> list[list[Any] | None]:
    """The key of each row for one view; None where a part is null."""
    if not names:
        return [[] for _ in range(rows)]
    keys = zip(*(columns[name] for name in names), strict=True)
    return [None if None in key else list(key) for key in keys]
