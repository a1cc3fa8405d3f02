"""What time is it on the wall in New York, and which minute is a moment?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Minutes = npt.NDArray[np.int64]

__all__ = ["NEVER", "from_minutes", "later", "local", "local_midnight", "to_minutes"]

HOME_ZONE = "America/New_York"
NEVER = 1 << 40  # a minute after all others, for what did not happen; sums with it stay far from overflow


def later(moments: pd.Series[Any], *, minutes: int) -> pd.Series[Any]:
    """The moments so many minutes later, in UTC and microseconds (pandas 2 would turn the sum into nanoseconds).

    >>> import pandas as pd
    >>> later(pd.Series(pd.to_datetime(["2013-07-01T03:30Z"])), minutes=-30)[0].isoformat()
    '2013-07-01T03:00:00+00:00'
    """
    import pandas as pd

    moved: pd.Series[Any] = (moments + pd.Timedelta(minutes=minutes)).dt.tz_convert("UTC").dt.as_unit("us")
    return moved


def local(moments: pd.Series[Any]) -> pd.Series[Any]:
    """The same moments on New York's clocks.

    >>> import pandas as pd
    >>> local(pd.Series(pd.to_datetime(["2013-07-01T03:30Z"])))[0].isoformat()
    '2013-06-30T23:30:00-04:00'
    """
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
    """Whole minutes since 1970, `missing` where there is no moment.

    >>> import pandas as pd
    >>> to_minutes(pd.Series(pd.to_datetime(["1970-01-01T01:00Z", None])), missing=-1).tolist()
    [60, -1]
    """
    import numpy as np

    values = moments.to_numpy(dtype="datetime64[us]")
    minutes = values.astype("datetime64[m]").astype("int64")
    return np.where(np.isnat(values), missing, minutes)


def from_minutes(minutes: Minutes) -> pd.DatetimeIndex:
    """The moments of whole minutes since 1970, in UTC.

    >>> import numpy as np
    >>> from_minutes(np.array([60]))[0].isoformat()
    '1970-01-01T01:00:00+00:00'
    """
    import pandas as pd

    return pd.DatetimeIndex(minutes.astype("datetime64[m]").astype("datetime64[us]")).tz_localize("UTC")
