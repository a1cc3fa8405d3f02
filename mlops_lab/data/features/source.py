"""Where do the rows of a feature view come from?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, InvalidDefinition
from mlops_lab.data.features.names import check_name

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """A table of feature rows and which of its columns say when.

    `data` is a frame, the path of a Parquet file, or a function without arguments that returns a frame. It is read when
    first needed and then kept: for newer rows, define a new source. Hand the frame over; do not change it afterwards.

    `timestamp_field` says from when on a row is true, `created_timestamp_column` when it was written (rows are not
    visible before), and `landed_column` when it physically reached the warehouse: only `FeatureStore.replay` looks at
    that one, to find out what the first two left unsaid. Feast's `FileSource` has the first two.

    `ordered` holds, for each view of this source, its rows in the order that the join needs: whatever store asks, they
    are checked and sorted once.

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
    ordered: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

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

    @property
    def time_columns(self) -> tuple[str, ...]:
        """The columns that hold times, each once."""
        columns = (self.timestamp_field, self.created_timestamp_column, self.landed_column)
        return tuple(dict.fromkeys(column for column in columns if column is not None))

    @property
    def path(self) -> str | None:
        """The Parquet file, if the source is one."""
        return str(Path(self.data).resolve()) if isinstance(self.data, str | Path) else None

    def read(self) -> pd.DataFrame:
        """The rows, read once.

        Raises:
            InvalidData: the file cannot be read, or the function returns no frame.
        """
        return self._frame

    def columns(self, names: Sequence[str]) -> pd.DataFrame:
        """The rows with no more columns than a view needs, where the source can tell them apart; else all of `read`.

        Of a Parquet file the rest is not read, and text stays Arrow's: as Python objects it would take most of the time
        of a join. A file that lacks one of the columns is read whole, for the error to say what it has.

        Raises:
            InvalidData: as `read`.
        """
        if self.path is None or "_frame" in self.__dict__:
            return self.read()
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts = {kind: pd.ArrowDtype(kind) for kind in (pa.string(), pa.large_string())}
        try:
            if set(names) <= set(pq.read_schema(self.path).names):
                frame: pd.DataFrame = pq.read_table(self.path, columns=list(names)).to_pandas(types_mapper=texts.get)
                if set(names) <= set(frame.columns):
                    return frame
        except (OSError, ValueError):
            pass  # whoever reads it whole finds the same, and says it better
        return self.read()

    @cached_property
    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        data: Any = self.data
        if isinstance(data, str | Path):
            try:
                return pd.read_parquet(data)
            except (OSError, ValueError) as error:
                why = str(error).splitlines()[0]
                raise InvalidData(f"source {self.name!r} cannot be read from {str(data)!r}: {why}.") from None
        frame = data if hasattr(data, "columns") else data()
        if not isinstance(frame, pd.DataFrame):
            raise InvalidData(f"source {self.name!r} must give a pandas DataFrame, not {type(frame).__name__}.")
        return frame.copy(deep=False)

    def __repr__(self) -> str:
        created = self.created_timestamp_column
        more = f", created_timestamp_column={created!r}" if created else ""
        return f"Source({self.name!r}, timestamp_field={self.timestamp_field!r}{more})"
