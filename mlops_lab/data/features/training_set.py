"""A training set: what a model learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mlops_lab.base.display import facts, shown
from mlops_lab.base.fingerprint import fingerprint_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrainingSet"]


@dataclass(frozen=True, eq=False, repr=False)
class TrainingSet:
    """Entity rows with the features that were known at each one's moment, and where those came from.

    `frame` has the caller's columns, then the features, in the caller's row order with a fresh index; `time_range` is
    the first and the last `event_timestamp`, or None for no rows. Feast's `RetrievalJob`, already carried out.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"event_timestamp": pd.to_datetime(["2013-01-01T06:00Z"]), "wind": [3.5]})
    >>> moment = frame["event_timestamp"][0].to_pydatetime()
    >>> span = (moment, moment)
    >>> training_set = TrainingSet(frame, features=("wind",), service="", views=("weather",), time_range=span)
    >>> training_set
    TrainingSet(1 rows, 1 features, views=('weather',))
    >>> len(training_set), training_set.to_df() is frame, training_set.fingerprint[:7]
    (1, False, 'sha256:')
    """

    frame: pd.DataFrame
    features: tuple[str, ...]
    service: str
    views: tuple[str, ...]
    time_range: tuple[pd.Timestamp, pd.Timestamp] | None

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the frame; worked out when first asked for."""
        return fingerprint_frame(self.frame)

    def to_df(self) -> pd.DataFrame:
        """A copy of the frame, as Feast's `RetrievalJob.to_df` gives."""
        return self.frame.copy()

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        service = f"service={self.service!r}, " if self.service else ""
        return f"TrainingSet({len(self):,} rows, {len(self.features)} features, {service}views={self.views!r})"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        named = {"features": len(self.features), "service": self.service, "views": ", ".join(self.views)}
        return shown(repr(self), facts(f"training set of {len(self):,} rows", named))
