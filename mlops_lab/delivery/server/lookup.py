"""What does the online store know of these flights?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlops_lab.base.clock import Clock, SystemClock
from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, InvalidDefinition, UnknownName
from mlops_lab.delivery.server.bodies import ABSENT, Table
from mlops_lab.delivery.server.refusal import Refusal
from mlops_lab.pipeline.engines import engines_of, open_feature_store

__all__ = ["Lookup", "has_online_store"]


def has_online_store(home: str | Path) -> bool:
    """Does this home folder keep features for answering? Looking makes nothing.

    >>> has_online_store("a folder that is not there")
    False
    """
    feast = engines_of(home).features == "feast"
    return (Path(home) / "feast").is_dir() if feast else (Path(home) / "online.db").is_file()


_NAMED = 20  # unknown keys that an error lists


class Lookup:
    """The features of entities, read from the online store of a home folder by the keys that a client sends.

    A view without a `ttl` knows its entities for ever, so a key it does not know is a mistake: 404. A view with one
    may have nothing recent: null, as in training.

    >>> import tempfile
    >>> from datetime import timedelta
    >>> import pandas as pd
    >>> from mlops_lab.data.features import Entity, FeatureService, FeatureStore, FeatureView, Field, Source
    >>> rows = pd.DataFrame({"origin": ["EWR"], "wind": [3.5],
    ...                      "event_timestamp": pd.to_datetime(["2013-01-01T06:00Z"])})
    >>> view = FeatureView("weather", entities=[Entity("airport", join_keys=["origin"])], ttl=timedelta(hours=3),
    ...     schema=[Field("wind", "float64")], source=Source("rows", rows))
    >>> with tempfile.TemporaryDirectory() as home:
    ...     store = FeatureStore(home)
    ...     _ = store.apply([view, FeatureService("known", [view])])
    ...     _ = store.materialize("2013-01-01T07:00Z")
    ...     lookup = Lookup(home, "known")
    ...     lookup.keys, lookup.features({"origin": ["EWR", "JFK"]})
    (('origin',), {'origin': ['EWR', 'JFK'], 'wind': [3.5, None]})
    """

    def __init__(self, home: str | Path, service: str, *, at: str = "materialized", clock: Clock | None = None) -> None:
        """Read which keys the service needs.

        Args:
            home: the home folder.
            service: the feature service that the model learnt from.
            at: the moment that a `ttl` counts from: `materialized` (up to when the store was filled), `now`, or a time.
            clock: what `now` is.

        Raises:
            UnknownName: there is no such service.
        """
        self._clock = SystemClock() if clock is None else clock
        self._store = open_feature_store(home, clock=self._clock)
        self._at = at
        self.service = service
        views = self._store.get_feature_service(service).features
        self.keys = tuple(dict.fromkeys(key for view in views for key in view.join_keys))
        self._views = [view.name for view in views]
        self._lasting = [view for view in views if view.ttl is None and view.join_keys]

    def __repr__(self) -> str:
        return f"Lookup({self.service}, keys={self.keys!r})"

    def warm_up(self) -> None:
        """Ask once for nobody, so that the first client does not wait for what Python loads on first use."""
        with suppress(Refusal):
            self.features({key: [None] for key in self.keys})

    def age(self) -> float | None:
        """How many seconds ago the view that was filled first was filled; None before one ever was.

        It is the time up to which the store was filled against the clock now, so a night that was missed shows.

        Raises:
            HomeError: the store cannot be read now.
        """
        untils = [self._store.materialized_until(view) for view in self._views]
        found = [until for until in untils if until is not None]
        return (self._clock.now() - min(found)).total_seconds() if found else None

    def features(self, table: Table) -> Table:
        """The keys as they came, and every feature of the service.

        Raises:
            Refusal: a key is missing, of another type or unknown; or the store cannot be read now.
        """
        rows = self._rows(table)
        at: Any = {"materialized": None}.get(self._at, self._at)
        try:
            if self._at == "now":  # the clock that filled the store may be a little ahead of ours
                untils = [self._store.materialized_until(view) for view in self._views]
                at = max([self._clock.now(), *(until for until in untils if until is not None)])
            found = self._store.get_online_features(rows, features=self.service, at=at).columns
        except (HomeError, IntegrityError, InvalidDefinition) as error:
            raise Refusal(503, "FeaturesUnavailable", f"the online store cannot be read now: {_short(error)}") from None
        except UnknownName as error:
            raise Refusal(503, "FeaturesUnavailable", str(error)) from None
        except InvalidData as error:
            if error.column is None:  # the store's state is at fault, not the request
                raise Refusal(503, "FeaturesUnavailable", str(error)) from None
            raise Refusal(422, "WrongType", str(error)) from None
        self._check_known(rows, found)
        return dict(found)

    def _rows(self, table: Table) -> Sequence[Mapping[str, Any]]:
        for key in self.keys:
            values = table.get(key)
            if values is None or ABSENT in values:
                where = "" if values is None else f"row {values.index(ABSENT)}: "
                wanted = ", ".join(self.keys)
                raise Refusal(
                    422, "MissingColumn", f"{where}no {key!r}; send every feature, or the keys of the entity: {wanted}."
                )
        return [
            dict(zip(self.keys, values, strict=True)) for values in zip(*(table[k] for k in self.keys), strict=True)
        ]

    def _check_known(self, rows: Sequence[Mapping[str, Any]], found: Mapping[str, list[Any]]) -> None:
        for view in self._lasting:
            columns = [found[name] for name in view.features if name in found]
            unknown = [at for at in range(len(rows)) if all(column[at] is None for column in columns)]
            if unknown:
                keys = [", ".join(f"{name}={rows[at][name]!r:.60}" for name in view.join_keys) for at in unknown]
                more = "".join(f"; row {at}: {key}" for at, key in zip(unknown[1:_NAMED], keys[1:], strict=False))
                rest = f"; and {len(unknown) - _NAMED} more rows" if len(unknown) > _NAMED else ""
                told = f"row {unknown[0]}: the feature view {view.name} knows no {keys[0]}{more}{rest}."
                raise Refusal(404, "UnknownEntity", told)


def _short(error: Exception) -> str:
    # Where the home folder lies is nobody's business on the other side of the network.
    return str(getattr(error, "why", None) or type(error).__name__)
