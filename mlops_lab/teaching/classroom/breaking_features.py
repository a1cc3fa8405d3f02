"""Features that break: rows that land late, a store that nobody filled."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.data import flights as datasets
from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source
from mlops_lab.models.gates import Floor, GatePolicy, Measured, NullRate, evaluate_gates, profile
from mlops_lab.teaching.classroom.fault import Fault, Sight, read, register, write

if TYPE_CHECKING:
    import pandas as pd


_FROM, _NOW = parse_utc("2013-01-02T12:00Z"), parse_utc("2013-01-04T12:00Z")
_VIEW, _TTL = "airport_weather", timedelta(hours=6)
_FEATURES = [f"{_VIEW}:temp", f"{_VIEW}:wind_speed"]


def _weather(home: Path) -> None:
    """Three days of real weather, as the warehouse has them."""
    rows = datasets.airport_weather()
    near = rows["event_timestamp"].between(_FROM - timedelta(days=1), _NOW)
    kept = rows.loc[near, ["origin", "event_timestamp", "created_timestamp", "temp", "wind_speed"]]
    kept.to_parquet(home / "weather.parquet", index=False)


def _store(home: Path) -> FeatureStore:
    source = Source("weather", home / "weather.parquet", created_timestamp_column="created_timestamp")
    view = FeatureView(
        _VIEW,
        entities=[Entity("airport", join_keys=["origin"])],
        schema=[Field("temp", "float64"), Field("wind_speed", "float64")],
        ttl=_TTL,
        source=source,
    )
    store = FeatureStore(home, clock=FakeClock(_NOW))
    store.apply([view])
    return store


def _decisions() -> pd.DataFrame:
    rows = datasets.decisions(datasets.load_flights(month=1))
    return rows[rows["event_timestamp"].between(_FROM, _NOW)]


def _land_late(home: Path) -> None:
    import pandas as pd

    path = home / "weather.parquet"
    rows = pd.read_parquet(path)
    late = rows["created_timestamp"] + pd.Timedelta(hours=9)
    rows.assign(created_timestamp=late).to_parquet(path, index=False)


def _contract(home: Path) -> Sight:
    """Join the weather to the decisions, and hold the frame against the data contract."""
    known = _store(home).get_historical_features(_decisions(), features=_FEATURES)
    looked = profile(known.frame, _NOW)
    policy = GatePolicy([Floor("served.roc_auc", 0.5), NullRate(0.05, columns=("temp", "wind_speed"))])
    measured = Measured({"served.roc_auc": 0.74}, data=looked)
    version = register(home, clock=FakeClock(_NOW))
    report = evaluate_gates(version, None, policy, measured=measured, at=_NOW)
    found = next(result for result in report.results if result.rule == "null_rate")
    words = f"{len(known):,} decisions, ttl 6 h\n" + "\n".join(
        f"{name}: {known.frame[name].notna().mean():.1%} known at the decision" for name in known.features
    )
    return Sight(report.passed, found.sentence, words)


LATE_DATA = Fault(
    name="late-data",
    title="The weather lands nine hours late",
    notebook="01",
    damage="every reading reaches the warehouse nine hours later; what it says is unchanged",
    lesson="A row counts from when it arrived. The join leaves a gap, and the data contract sees the gap.",
    prepare=_weather,
    harm=_land_late,
    look=_contract,
)


def _filled(home: Path) -> None:
    _weather(home)
    _fill(home, _NOW.isoformat())


def _fill(home: Path, until: str) -> None:
    """The nightly job: bring the online store up to a moment; the scene writes down which."""
    (home / "online.db").unlink(missing_ok=True)
    _store(home).materialize(parse_utc(until))
    write(home, "materialised", {"until": until})


def _served(home: Path) -> Sight:
    """What a model would be served now, beside what the historical join says is known now."""
    import pandas as pd

    store = _store(home)
    airports = ["EWR", "JFK", "LGA"]
    asked = pd.DataFrame({"origin": airports, "event_timestamp": pd.to_datetime([_NOW] * 3, utc=True)})
    offline = store.get_historical_features(asked, features=_FEATURES).frame
    online = store.get_online_features([{"origin": one} for one in airports], features=_FEATURES, at=_NOW).to_dict()
    words, wrong = [f"materialised until {read(home, 'materialised')['until'][:16]}, asked at {_NOW:%Y-%m-%dT%H:%M}"], 0
    for number, airport in enumerate(airports):
        for name in ("temp", "wind_speed"):
            now, known = online[name][number], float(offline[name].iloc[number])
            wrong += now != known
            words.append(
                f"{airport} {name:<10} offline {known:6.2f}   online {'null' if now is None else f'{now:6.2f}'}"
            )
    if wrong:
        line = f"online is not offline: {wrong} of {len(airports) * 2} values differ"
    else:
        line = f"online equals offline: {len(airports) * 2} of {len(airports) * 2} values"
    return Sight(not wrong, line, "\n".join(words))


STALE_VIEW = Fault(
    name="stale-view",
    title="Nobody filled the online store for two days",
    notebook="01",
    damage="the job that materialises the feature view stopped two days ago",
    lesson="A served model sees the online store, not the warehouse: a value older than its ttl is null, and must be.",
    prepare=_filled,
    harm=lambda home: _fill(home, (_NOW - timedelta(days=2)).isoformat()),
    look=_served,
)
