"""Where do the rows lie that an exported feature repository speaks of?

python -m mlops_lab.adapters.feast.feature_rows FOLDER [VIEW …]
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlops_lab.adapters.feast.rows import Rows, rows_for_feast
from mlops_lab.base.errors import HomeError
from mlops_lab.data.features import FeatureView

__all__ = ["write_feature_rows"]


def write_feature_rows(folder: str | Path, views: Iterable[FeatureView]) -> list[Path]:
    """Write the rows of each view to `data/<view>.parquet` below a folder, as `to_feast_repository` names them.

    Rows that could never count are left out: see `mlops_lab.adapters.feast.rows`.

    >>> import tempfile
    >>> import pandas as pd
    >>> from mlops_lab.data.features import Field, Source
    >>> rows = pd.DataFrame({"event_timestamp": pd.to_datetime(["2013-01-01T06:00Z"]), "wind": [3.5]})
    >>> fields, source = [Field("wind", "float64")], Source("rows", rows)
    >>> view = FeatureView("weather", entities=[], schema=fields, ttl=None, source=source)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_feature_rows(folder, [view])]
    ['weather.parquet']

    Raises:
        InvalidData: a source is not as declared.
        HomeError: the folder cannot be written.
    """
    from pyarrow import parquet

    written = []
    for view in views:
        path = Path(folder) / "data" / f"{view.name}.parquet"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            parquet.write_table(rows_for_feast(Rows(view)), path)
        except OSError as error:
            raise HomeError(folder, error.strerror or str(error)) from None
        written.append(path)
    return written
