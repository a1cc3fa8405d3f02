"""A source: a table of feature rows, in memory or in a file, and which of its columns say when."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mlops_lab.base.errors import InvalidData, InvalidDefinition, MissingExtra

if TYPE_CHECKING:
    import pandas as pd


_NAME = re.compile(r"\w[\w.\-]{0,127}")


def check_name(kind: str, name: object) -> None:
    """Refuse a name that is not letters, digits, `_`, `.` and `-`: names end up in files, tables and web addresses."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidDefinition(
            f"{name!r} cannot name {kind}: a name starts with a letter, a digit or _, goes on with those, '.' and '-', "
            "and has at most 128 characters."
        )


# What the stores behind fsspec call a file's size, its hash and its time.
_CHANGES = ("size", "ETag", "etag", "md5Hash", "mtime", "modified", "LastModified", "last_modified", "updated")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Source:
    """A table of feature rows and which of its columns say when.

    `data` is a frame, a function without arguments that returns a frame, or the place of a Parquet or CSV file: a path
    (`~` and `file://` are understood; a relative one counts from the working folder of this moment), or an address such
    as `s3://bucket/rows.parquet`, read with `fsspec`. It is read when first needed and then kept; a file on this
    machine is read again after it has changed. Hand a frame over; do not change it afterwards.

    `timestamp_field` says from when on a row is true, `created_timestamp_column` when it was written (rows are not
    visible before), and `landed_column` when it physically reached the warehouse: only `FeatureStore.replay` looks at
    that one, to find out what the first two left unsaid. Feast's `FileSource` has the first two.

    `timezone` is the zone of times that are written without one, of dates, and of times that are ISO 8601 text.
    `field_mapping` renames columns, from the name in the data to the name used here, as Feast's does; all other names
    of a source and its views are the new ones.

    >>> import pandas as pd
    >>> source = Source("weather", lambda: pd.DataFrame({"event_timestamp": [], "wind": []}))
    >>> source, len(source.read())
    (Source('weather', timestamp_field='event_timestamp'), 0)
    """

    name: str
    data: pd.DataFrame | str | Path | Callable[[], pd.DataFrame] = field(compare=False)
    _: KW_ONLY
    timestamp_field: str = "event_timestamp"
    created_timestamp_column: str | None = None
    landed_column: str | None = None
    description: str = ""
    timezone: str | None = None
    field_mapping: Mapping[str, str] = field(default_factory=dict, hash=False)
    _place: str | None = field(default=None, init=False, repr=False, compare=False)
    _kept: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _reading: Any = field(default_factory=threading.RLock, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name("a source", self.name)
        columns: tuple[Any, ...] = (self.timestamp_field, self.created_timestamp_column, self.landed_column)
        for column in columns:
            if column is not None and not (isinstance(column, str) and column):
                raise InvalidDefinition(f"a time column of source {self.name!r} must be a name, not {column!r}.")
        data: Any = self.data
        if not (hasattr(data, "columns") or isinstance(data, str | Path) or callable(data)):
            kind = type(data).__name__
            raise InvalidDefinition(
                f"the data of source {self.name!r} must be a frame, a path or a function, not {kind}."
            )
        object.__setattr__(self, "_place", _place(data) if isinstance(data, str | Path) else None)
        if self.timezone is not None:
            from zoneinfo import ZoneInfo

            try:
                ZoneInfo(self.timezone)
            except (LookupError, OSError, TypeError, ValueError):
                raise InvalidDefinition(
                    f"the timezone of source {self.name!r} must be a name such as 'UTC' or 'America/New_York', not "
                    f"{self.timezone!r}."
                ) from None
        mapping: Any = self.field_mapping
        if not isinstance(mapping, Mapping) or not all(
            isinstance(each, str) for pair in mapping.items() for each in pair
        ):
            raise InvalidDefinition(
                f"the field_mapping of source {self.name!r} must map names to names, not {mapping!r}."
            )
        if len(set(mapping.values())) < len(mapping):
            raise InvalidDefinition(
                f"the field_mapping of source {self.name!r} gives two columns one name: {mapping!r}."
            )
        object.__setattr__(self, "field_mapping", dict(mapping))

    @property
    def time_columns(self) -> tuple[str, ...]:
        """The columns that hold times, each once."""
        columns = (self.timestamp_field, self.created_timestamp_column, self.landed_column)
        return tuple(dict.fromkeys(column for column in columns if column is not None))

    @property
    def path(self) -> str | None:
        """The place of the file, if the source is one: an absolute path, or an address with `://`."""
        return self._place

    def read(self) -> pd.DataFrame:
        """The rows, read once.

        Raises:
            InvalidData: the file cannot be read, or the function returns no frame.
        """
        return self.kept("rows", self._read)

    def columns(self, kinds: Mapping[str, str]) -> pd.DataFrame:
        """The rows with the columns that a view needs, which are to be of these types, and maybe with others.

        Of a file the rest is not read; what a view calls text is not taken for a number because it looks like one. A
        file that lacks one of the columns is read whole, for the error to say what it has.

        Raises:
            InvalidData: as `read`.
        """
        if self.path is not None and (self.is_csv or "rows" not in self._kept):
            frame = self._from_file(kinds)
            if frame is not None:
                return frame
        times = [name for name, kind in kinds.items() if kind == "timestamp" and name not in self.time_columns]
        return self._in_zone(self.read().copy(deep=False), times)

    def kept(self, what: Hashable, make: Callable[[], _Made]) -> _Made:
        """What `make` gives for the rows as they are now: made once, whatever store or thread asks.

        A file that is another than it was, by its time and size or by what its store says of it, is looked at anew.
        """
        version = self._version()
        with self._reading:
            found = self._kept.get(what)
            if found is None or version not in (None, found[0]):
                found = self._kept[what] = (version, make())
            made: _Made = found[1]
            return made

    def _version(self) -> tuple[object, ...] | None:
        """What tells the file of now from another; None where there is no file, or nobody can be asked."""
        if self.path is None:
            return None
        if "://" in self.path:
            try:
                from fsspec.core import url_to_fs  # type: ignore[import-not-found,import-untyped,unused-ignore]

                system, place = url_to_fs(self.path)
                system.invalidate_cache()
                told = system.info(place)
            except Exception:  # each store has errors of its own: what was read is kept, and reading anew says it
                return None
            return tuple(str(told.get(name)) for name in _CHANGES)
        try:
            files = [Path(self.path), *(sorted(Path(self.path).rglob("*")) if Path(self.path).is_dir() else ())]
            found = [file.stat() for file in files]
        except (OSError, ValueError):
            return None
        return tuple(each for one in found for each in (one.st_ino, one.st_size, one.st_mtime_ns))

    @property
    def is_csv(self) -> bool:
        """Is it a CSV file, by its name?"""
        return self.path is not None and self.path.lower().endswith((".csv", ".csv.gz"))

    def _opened(self) -> Any:
        """The file, open for reading where it is not on this machine."""
        if self.path is None or "://" not in self.path:
            return nullcontext(self.path)
        try:
            import fsspec  # type: ignore[import-not-found,import-untyped,unused-ignore]

            return fsspec.open(self.path, "rb", compression="infer")
        except ImportError:
            raise MissingExtra("remote") from None
        except ValueError as error:
            raise InvalidData(f"source {self.name!r} cannot be read from {self.path!r}: {error}.") from None

    def _read(self) -> pd.DataFrame:
        import pandas as pd

        if self.path is not None:
            found = self._from_file(None)
            assert found is not None  # noqa: S101 - only a file that lacks a column that was named gives none
            return found
        data: Any = self.data
        frame = data if hasattr(data, "columns") else data()
        if not isinstance(frame, pd.DataFrame):
            raise InvalidData(f"source {self.name!r} must give a pandas DataFrame, not {type(frame).__name__}.")
        return self._renamed(frame.copy(deep=False))

    def _from_file(self, kinds: Mapping[str, str] | None) -> pd.DataFrame | None:
        """The columns of these types, or all of them where it is None; None where the file lacks one of them."""
        old = {new: old for old, new in self.field_mapping.items()}
        wanted = None if kinds is None else {old.get(name, name): kind for name, kind in kinds.items()}
        try:
            with self._opened() as file:
                table = (_csv_table if self.is_csv else _parquet_table)(file, wanted)
        except (OSError, ValueError) as error:
            if isinstance(error, InvalidData):
                raise
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            why = "there is no such file" if isinstance(error, FileNotFoundError) else why
            raise InvalidData(f"source {self.name!r} cannot be read from {str(self.data)!r}: {why}.") from None
        there = table.column_names
        if wanted is not None and not set(wanted) <= set(there):
            return None
        for name in there:
            if there.count(name) > 1:
                raise InvalidData(f"source {self.name!r} has {there.count(name)} columns {name!r}; rename one.")
        frame = self._renamed(table.to_pandas(types_mapper=_arrow_type))
        if kinds is not None and not set(kinds) <= set(frame.columns):  # pandas wrote it as the index
            return None
        return self._in_zone(frame, [name for name, kind in (kinds or {}).items() if kind == "timestamp"])

    def _renamed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with its columns renamed, and the times of its rows in the declared zone."""
        if self.field_mapping:
            frame = frame.rename(columns=dict(self.field_mapping))
        return self._in_zone(frame, self.time_columns)

    def _in_zone(self, frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
        from mlops_lab.data.features.columns import in_zone

        for column in columns if self.timezone is not None else ():
            if list(frame.columns).count(column) == 1:
                frame[column] = in_zone(frame[column], str(self.timezone), f"source {self.name!r}")
        return frame

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_kept", "_reading")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _kept={}, _reading=threading.RLock())

    def __repr__(self) -> str:
        created = self.created_timestamp_column
        more = f", created_timestamp_column={created!r}" if created else ""
        return f"Source({self.name!r}, timestamp_field={self.timestamp_field!r}{more})"


def _place(data: str | Path) -> str:
    """Where a file lies, in words that mean the same in every process."""
    text = str(data)
    if isinstance(data, str) and text.startswith("file://"):
        text = url2pathname(urlsplit(text).path)
    elif isinstance(data, str) and "://" in text:
        return text
    try:
        return str(Path(text).expanduser().absolute())  # a link is followed when it is read: it may move on
    except (OSError, RuntimeError, ValueError):  # no such user, or no path at all: reading says it
        return text


def _csv_table(file: Any, kinds: Mapping[str, str] | None) -> Any:
    """A CSV file as an Arrow table; an empty field is null, in a column of text too."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    texts = {name: pa.string() for name, kind in (kinds or {}).items() if kind == "string"}
    table = csv.read_csv(file, convert_options=csv.ConvertOptions(column_types=texts))
    for place, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            filled = pc.if_else(pc.equal(table[place], ""), pa.scalar(None, column.type), table[place])
            table = table.set_column(place, column, filled)
    return table


def _parquet_table(file: Any, kinds: Mapping[str, str] | None) -> Any:
    import pyarrow.parquet as pq

    if kinds is None or (isinstance(file, str) and Path(file).is_dir()):
        return pq.read_table(file)
    with pq.ParquetFile(file) as opened:
        lacks = not set(kinds) <= set(opened.schema_arrow.names)
        return opened.read(None if lacks else list(kinds))


def _arrow_type(kind: Any) -> Any:
    """Arrow's own type for text and whole numbers; None for pandas' usual.

    Text as Python objects would take most of the time of a join, and whole numbers beside a null would become floats,
    which cannot tell 2**53 from 2**53 + 1.
    """
    import pandas as pd
    import pyarrow as pa

    keep = pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return pd.ArrowDtype(kind) if keep else None
