"""What does the model get to see now?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, InvalidDefinition
from mlops_lab.data.features.columns import column_of, values_of
from mlops_lab.data.features.database import Reader, writing
from mlops_lab.data.features.definitions import FeatureView
from mlops_lab.data.features.offline import ViewRows
from mlops_lab.data.features.times import as_datetime, ttl_in_ns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Materialized", "OnlineResponse", "OnlineStore"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS watermarks (view TEXT PRIMARY KEY, until_ns INTEGER NOT NULL, shape TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS online_rows (
    view TEXT, entity TEXT, event_ns INTEGER NOT NULL, created_ns INTEGER NOT NULL, features TEXT NOT NULL,
    PRIMARY KEY (view, entity)) WITHOUT ROWID;
"""
# The newest event wins, whatever the order of arrival; between equals the row that was written last.
_UPSERT = """
INSERT INTO online_rows VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET event_ns = excluded.event_ns, created_ns = excluded.created_ns, features = excluded.features
WHERE (excluded.event_ns, excluded.created_ns) > (event_ns, created_ns)
   OR ((excluded.event_ns, excluded.created_ns) = (event_ns, created_ns) AND excluded.features <> features)
"""
_MARK = "INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?)"
_MARK_OF = "SELECT until_ns, shape FROM watermarks WHERE view = ?"
# All keys in one statement, each with its place in the list: asking one by one takes five times as long.
_FIND = """
SELECT asked.key, features FROM json_each(:wanted) AS asked CROSS JOIN online_rows
WHERE view = :view AND entity = asked.value AND event_ns >= :oldest
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


@dataclass(frozen=True, eq=False, repr=False)
class OnlineResponse:
    """The features of some entities, in the order asked; None where nothing is known. Feast's class of this name.

    >>> response = OnlineResponse({"origin": ["EWR"], "wind": [None]}, {"wind": "float64"})
    >>> response, response.to_dict()
    (OnlineResponse(1 rows, features=('wind',)), {'origin': ['EWR'], 'wind': [None]})
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
        return f"OnlineResponse({len(self)} rows, features={tuple(self.dtypes)!r})"


class OnlineStore:
    """The newest row of each entity, in `online.db` of a home folder."""

    def __init__(self, home: Path) -> None:
        """Nothing is touched before the first call."""
        self._path = home / "online.db"
        self._reader = Reader(self._path, _SCHEMA)

    def write(self, rows: ViewRows, until: int, *, anew: bool) -> int:
        """Bring one view to its state at `until` (ns) in one transaction; return how many rows changed.

        `anew` forgets what was there; otherwise the rows of entities that the source no longer has stay.
        """
        view, shape = rows.view, _shape(rows.view)
        found = rows.newest(until)
        event, created = (rows.times[at] for at in (0, 0 if rows.times[1] is None else 1))
        features = [values_of(rows.values(one.name, found), one.dtype) for one in view.schema]
        keys = rows.key_values(found)
        names = [view.name] * len(found)
        told = zip(
            names,
            _encoded(keys),
            event[found].tolist(),
            created[found].tolist(),
            _encoded(list(zip(*features, strict=True))),
            strict=True,
        )
        with writing(self._path, _SCHEMA) as database:
            mark = database.execute(_MARK_OF, (view.name,)).fetchone()
            if not anew and mark is not None and until < mark[0]:
                raise InvalidData(
                    f"feature view {view.name!r} is materialised until {as_datetime(mark[0])}, which is after "
                    f"{as_datetime(until)}; to go back in time, materialize(until) builds it anew."
                )
            if anew or mark is None or mark[1] != shape:
                database.execute("DELETE FROM online_rows WHERE view = ?", (view.name,))
            before = database.total_changes
            database.executemany(_UPSERT, told)
            changed = database.total_changes - before
            database.execute(_MARK, (view.name, until, shape))
        return changed

    def watermark(self, view: str) -> int | None:
        """Until when a view is materialised, in ns, or None."""
        with self._reader.reading() as database:
            if database is None:
                return None
            mark = database.execute(_MARK_OF, (view,)).fetchone()
        return None if mark is None else int(mark[0])

    def read(
        self, asked: Iterable[tuple[FeatureView, Sequence[str], list[list[Any] | None]]], *, at: int | None
    ) -> list[list[list[Any]]]:
        """For each view, some of its features and keys: a column for each feature, None for a key unknown or None."""
        answer: list[list[list[Any]]] = []
        with self._reader.reading() as database:
            for view, features, keys in asked:
                mark = None if database is None else database.execute(_MARK_OF, (view.name,)).fetchone()
                if database is None or mark is None:
                    raise InvalidData(
                        f"feature view {view.name!r} was never materialised; call materialize(until) first."
                    )
                texts = iter(_encoded([key for key in keys if key is not None]))
                wanted = json.dumps([None if key is None else next(texts) for key in keys])
                found = database.execute(
                    _FIND, {"view": view.name, "wanted": wanted, "oldest": _oldest(view, mark, at)}
                ).fetchall()
                rows: list[list[Any] | None] = [None] * len(keys)
                for (place, _), row in zip(found, json.loads(f"[{','.join(text for _, text in found)}]"), strict=True):
                    rows[place] = row
                places = [_meaning(mark[1])[2][name] for name in features]
                answer.append([[None if row is None else row[place] for row in rows] for place in places])
        return answer


def _encoded(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Each flat row as JSON, in one call for all: JSON escapes a NUL, so as a separator it parts them for certain."""
    text = json.dumps(rows, separators=("\0", ":"))
    return [f"[{row}]".replace("\0", ",") for row in text[2:-2].split("]\0[")] if rows else []


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


def _oldest(view: FeatureView, mark: tuple[int, str], at: int | None) -> int:
    """The event time, in ns, before which a row is too old to be shown."""
    until, shape = mark
    keys, features, _ = _meaning(shape)
    if keys != list(view.key_types.items()) or not features.issuperset(view.dtypes.items()):
        raise InvalidDefinition(
            f"feature view {view.name!r} has changed since it was materialised; call materialize(until) again."
        )
    if at is not None and at < until:
        raise InvalidData(
            f"the online store holds feature view {view.name!r} as of {as_datetime(until)} and cannot show it as of "
            f"{as_datetime(at)}; for the past, use get_historical_features."
        )
    ttl = ttl_in_ns(view.ttl)
    moment = until if at is None else at
    return -(2**63) if ttl is None else max(moment - ttl, -(2**63))
