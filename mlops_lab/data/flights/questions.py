"""The question asked of the model: at which moment, when the answer is known, and on whose clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, UnknownName

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Minutes = npt.NDArray[np.int64]


HOME_ZONE = "America/New_York"
NEVER = 1 << 40  # a minute after all others, for what did not happen; sums with it stay far from overflow


def later(moments: pd.Series[Any], *, minutes: int) -> pd.Series[Any]:
    """The moments so many minutes later, in UTC and microseconds (pandas 2 would turn the sum into nanoseconds)."""
    import pandas as pd

    moved: pd.Series[Any] = (moments + pd.Timedelta(minutes=minutes)).dt.tz_convert("UTC").dt.as_unit("us")
    return moved


def local(moments: pd.Series[Any]) -> pd.Series[Any]:
    """The same moments on New York's clocks."""
    shown: pd.Series[Any] = moments.dt.tz_convert(HOME_ZONE)
    return shown


def local_midnight(moments: pd.Series[Any], *, days: int = 0) -> pd.Series[Any]:
    """The UTC moment at which the moments' day began in New York, or that of the day `days` later.

    >>> import pandas as pd
    >>> noon = pd.Series(pd.to_datetime(["2013-03-10T16:00Z"]))  # the day the clocks went forward: 23 hours long
    >>> [local_midnight(noon, days=n)[0].isoformat()[5:16] for n in (0, 1)]
    ['03-10T05:00', '03-11T04:00']
    """
    import pandas as pd

    day = local(moments).dt.tz_localize(None).dt.floor("D") + pd.Timedelta(days=days)
    moment: pd.Series[Any] = day.dt.tz_localize(HOME_ZONE).dt.tz_convert("UTC").dt.as_unit("us")
    return moment


def to_minutes(moments: pd.Series[Any], *, missing: int = NEVER) -> Minutes:
    """Whole minutes since 1970, `missing` where there is no moment."""
    import numpy as np

    values = moments.to_numpy(dtype="datetime64[us]")
    minutes = values.astype("datetime64[m]").astype("int64")
    return np.where(np.isnat(values), missing, minutes)


def from_minutes(minutes: Minutes) -> pd.DatetimeIndex:
    """The moments of whole minutes since 1970, in UTC."""
    import pandas as pd

    return pd.DatetimeIndex(minutes.astype("datetime64[m]").astype("datetime64[us]")).tz_localize("UTC")


DECISION_HOURS = 2  # before scheduled departure: late enough to know something, early enough to rebook
_ALWAYS = {"sched_dep": "scheduled departure", "sched_arr": "scheduled arrival", "time_hour": "hour"}
_MOMENTS = {"sched_dep", "sched_arr", "dep_at", "arr_at", "time_hour"}
LATE_MINUTES = 15  # the industry's line: 15 minutes late is still on time, 16 is not


def decisions(flights: pd.DataFrame) -> pd.DataFrame:
    """The entity frame: which flight is decided on, and at which moment.

    Args:
        flights: as `load_flights` gives them, any subset, any order.

    Returns:
        A frame of one row a flight, in the order given, with flight_id, origin, dest, carrier, tailnum (null where none
        is on record) and event_timestamp (UTC): two hours before scheduled departure. The index starts at 0. One
        reservation: the tail number is that of the record, so a late change of aircraft is known two hours early, and
        where it is null (2,512 flights) the flight was cancelled. Never make "has no tail number" a feature.

    Raises:
        UnknownName: a column is missing.
        InvalidData: `flights` is not a frame, a moment in it has no time zone, or a schedule is null.

    >>> from mlops_lab.data.flights import load_flights
    >>> row = decisions(load_flights(month=1)).iloc[0]
    >>> row["flight_id"], row["event_timestamp"].isoformat()
    ('2013-01-01-UA-1545-EWR', '2013-01-01T08:15:00+00:00')

    It is what Feast calls the entity dataframe
    (https://docs.feast.dev/getting-started/concepts/feature-retrieval#historical-features).
    """
    import pandas as pd

    keys = ["flight_id", "origin", "dest", "carrier", "tailnum"]
    frame = needed(flights, [*keys, "sched_dep"])[keys].reset_index(drop=True)
    moment = flights["sched_dep"] - pd.Timedelta(hours=DECISION_HOURS)
    return frame.assign(event_timestamp=moment.to_numpy(dtype="datetime64[us]")).pipe(_in_utc)


def outcomes(flights: pd.DataFrame) -> pd.DataFrame:
    """What became of each flight, and from which moment on that was known.

    A flight is late when it arrives more than 15 minutes after schedule, or never: cancelled, or diverted. An arrival
    is known when it happens. Of a cancelled or diverted flight the record does not say when anybody knew; at the
    sixteenth minute after scheduled arrival a flight that has not come is late whatever happens next, so that moment
    is taken: never too early, at the price of being later than the announcement mostly was.

    Args:
        flights: as `load_flights` gives them, any subset, any order.

    Returns:
        A frame of one row a flight, in the order given, with flight_id, late (bool) and event_timestamp (UTC), the
        moment the label was known. The index starts at 0.

    Raises:
        UnknownName: a column is missing.
        InvalidData: `flights` is not a frame, a moment in it has no time zone, or a schedule is null.

    >>> from mlops_lab.data.flights import load_flights
    >>> float(outcomes(load_flights(month=12))["late"].mean().round(3))
    0.353

    The 15 minutes are the definition of https://www.bts.gov/topics/airlines-and-airports/airline-time-performance.
    """
    import pandas as pd

    needed(flights, ["flight_id", "sched_arr", "arr_at", "arr_delay"])
    late = (flights["arr_delay"] > LATE_MINUTES) | flights["arr_delay"].isna()
    certain = flights["sched_arr"] + pd.Timedelta(minutes=LATE_MINUTES + 1)
    known = flights["arr_at"].fillna(certain)
    frame = flights[["flight_id"]].reset_index(drop=True).assign(late=late.to_numpy(dtype=bool))
    return frame.assign(event_timestamp=known.to_numpy(dtype="datetime64[us]")).pipe(_in_utc)


def needed(frame: pd.DataFrame, columns: list[str], *, what: str = "flights") -> pd.DataFrame:
    """The frame itself, once it is sure that these columns are there.

    Raises:
        UnknownName: one is missing.
        InvalidData: it is not a frame at all, one of the moments has no time zone, or one that always exists is null.

    >>> import pandas as pd
    >>> needed(pd.DataFrame({"origin": ["EWR"]}), ["origin"]).shape
    (1, 1)
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise InvalidData(f"{what} must be a DataFrame as load_{what} gives it, not {type(frame).__name__}.")
    for column in columns:
        if column not in frame.columns:
            raise UnknownName("column", column, frame.columns, where=f"the {what} given")
        if column in _MOMENTS and not isinstance(frame[column].dtype, pd.DatetimeTZDtype):
            dtype = frame[column].dtype
            raise InvalidData(f"column {column!r} must hold moments with a time zone, not {dtype}.", column=column)
        if column in _ALWAYS and frame[column].isna().any():
            raise InvalidData(
                f"every row of the {what} needs its {_ALWAYS[column]}: {column!r} has nulls.", column=column
            )
    return frame


def _in_utc(frame: pd.DataFrame) -> pd.DataFrame:
    frame["event_timestamp"] = frame["event_timestamp"].dt.tz_localize("UTC")
    return frame
