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

    `timezone` is the zone of times that are written without one, and of dates. `field_mapping` renames columns, from
    the name in the data to the name used here, as Feast's does; all other names of a source and its views are the new
    ones.

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

    def columns(self, names: Sequence[str]) -> pd.DataFrame:
        """The rows with no more columns than a view needs, where the source can tell them apart; else all of `read`.

        Of a Parquet file the rest is not read. A file that lacks one of the columns is read whole, for the error to say
        what it has.

        Raises:
            InvalidData: as `read`.
        """
        if self.path is None or self._is_csv or "rows" in self._kept:
            return self.read()
        import pyarrow.parquet as pq

        old = {new: old for old, new in self.field_mapping.items()}
        wanted = [old.get(name, name) for name in names]
        try:
            with self._opened() as file:
                there = set(wanted) <= set(pq.read_schema(file).names)
            if there:
                with self._opened() as file:
                    frame = pq.read_table(file, columns=wanted).to_pandas(types_mapper=_arrow_type)
                if set(wanted) <= set(frame.columns):
                    return self._as_declared(frame)
        except (OSError, ValueError):
            pass  # whoever reads it whole finds the same, and says it better
        return self.read()

    def kept(self, what: Hashable, make: Callable[[], _Made]) -> _Made:
        """What `make` gives for the rows as they are now: made once, whatever store or thread asks.

        A file on this machine that is another than it was, by its time and size, is looked at anew.
        """
        version = self._version()
        with self._reading:
            found = self._kept.get(what)
            if found is None or version not in (None, found[0]):
                found = self._kept[what] = (version, make())
            made: _Made = found[1]
            return made

    def _version(self) -> tuple[int, ...] | None:
        if self.path is None or "://" in self.path:
            return None
        try:
            found = Path(self.path).stat()
        except (OSError, ValueError):
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    @property
    def _is_csv(self) -> bool:
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

        data: Any = self.data
        if self.path is not None:
            try:
                with self._opened() as file:
                    return self._as_declared(_table(file, csv=self._is_csv).to_pandas(types_mapper=_arrow_type))
            except (OSError, ValueError) as error:
                if isinstance(error, InvalidData):
                    raise
                why = str(error).splitlines()[0] if str(error) else type(error).__name__
                why = "there is no such file" if isinstance(error, FileNotFoundError) else why
                raise InvalidData(f"source {self.name!r} cannot be read from {str(data)!r}: {why}.") from None
        frame = data if hasattr(data, "columns") else data()
        if not isinstance(frame, pd.DataFrame):
            raise InvalidData(f"source {self.name!r} must give a pandas DataFrame, not {type(frame).__name__}.")
        return self._as_declared(frame.copy(deep=False))

    def _as_declared(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with its columns renamed, and its times in the declared zone."""
        from mlops_lab.data.features.columns import in_zone

        if self.field_mapping:
            frame = frame.rename(columns=dict(self.field_mapping))
        for column in self.time_columns if self.timezone is not None else ():
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
        return str(Path(text).expanduser().resolve())
    except (OSError, RuntimeError, ValueError):  # no such user, or no path at all: reading says it
        return text


def _table(file: Any, *, csv: bool) -> Any:
    if csv:
        import pyarrow.csv

        return pyarrow.csv.read_csv(file)
    import pyarrow.parquet as pq

    return pq.read_table(file)


def _arrow_type(kind: Any) -> Any:
    """Arrow's own type for text and whole numbers; None for pandas' usual.

    Text as Python objects would take most of the time of a join, and whole numbers beside a null would become floats,
    which cannot tell 2**53 from 2**53 + 1.
    """
    import pandas as pd
    import pyarrow as pa

    keep = pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return pd.ArrowDtype(kind) if keep else None
