"""What was measured before the lesson began, so that nobody waits for a model to be trained.

The tables lie beside this module and are written by scripts/build_results.py from the scenes `leak` and `bad-canary`.
They need neither pandas nor scikit-learn to be read, so a browser can read them too.
"""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import parse_utc
from mlops_lab.models.gates import DataProfile, Measured

if TYPE_CHECKING:
    import pandas as pd


FOLDER = Path(__file__).with_name("results")

_DAYS = 10


def load_measured(text: str | None = None) -> dict[str, Measured]:
    """What the gate looked at, by feature service: the honest model's figures, then the leaking one's.

    Args:
        text: the table as text; the shipped one when left out.

    >>> found = load_measured()
    >>> [(name, round(one.metrics["offline.roc_auc"], 2)) for name, one in found.items()]
    [('as_known', 0.73), ('daily_averages', 0.88)]
    """
    table = json.loads(text if text is not None else (FOLDER / "measured.json").read_text(encoding="utf-8"))
    return {
        name: Measured(one["metrics"], one["champion"], DataProfile.from_dict(one["data"]), holdout=str(one["holdout"]))
        for name, one in table.items()
    }


def load_traffic() -> dict[str, pd.DataFrame]:
    """The flights of ten days as `CanaryPanel` takes them, by challenger."""
    import pandas as pd

    table = json.loads(gzip.decompress((FOLDER / "canary.json.gz").read_bytes()))
    start = pd.Timestamp(table["start"])
    common = {
        "key": table["key"],
        "at": start + pd.to_timedelta(pd.Series(table["at"]), unit="min"),
        "known_at": start + pd.to_timedelta(pd.Series(table["known_at"]), unit="min"),
        "truth": table["truth"],
    }
    return {
        name: pd.DataFrame({**common, **{who: pd.Series(one[who]) / 1000 for who in ("challenger", "champion")}})
        for name, one in table["answers"].items()
    }


def measured_bytes(home: Path) -> bytes:
    """The table of measurements, from the home folder of the scene `leak`."""
    from mlops_lab.models.tracking import ArtifactStore
    from mlops_lab.pipeline.dag import list_runs
    from mlops_lab.pipeline.flights import get_json

    runs, found = list_runs(home, dag_id="flights"), {}
    for run in runs:
        one = get_json(ArtifactStore(home), run.result("evaluate")["measured"])
        found[str(run.params["features"])] = {
            "metrics": {name: round(value, 4) for name, value in sorted(one["metrics"].items())},
            "champion": one["champion"],
            "data": one["data"],
            "holdout": one["holdout"],
        }
    # Both are judged against the version in Production: the honest one, measured on the same flights.
    champion = {name: value for name, value in found["as_known"]["metrics"].items() if name.startswith("served.")}
    for one in found.values():
        one["champion"] = champion
    return (json.dumps(found, indent=1, sort_keys=True) + "\n").encode()


def canary_bytes(home: Path) -> bytes:
    """The table of traffic, from the home folder of the scene `bad-canary`; minutes, and thousandths of a chance."""
    from mlops_lab.base.clock import FakeClock
    from mlops_lab.models.registry import Registry
    from mlops_lab.pipeline.flights import MODEL_NAME, canary_traffic

    clock = FakeClock("2013-03-20")
    with closing(Registry(home, clock=clock)) as registry:
        first, honest, leaking = (registry.get_model_version(MODEL_NAME, number) for number in (1, 2, 3))
    answers: dict[str, Any] = {}
    for name, challenger, champion in (("daily_averages", leaking, honest), ("as_known", honest, first)):
        frame = canary_traffic(challenger, champion, days=_DAYS, at=clock.now(), home=home, clock=clock)
        answers[name] = {who: (frame[who] * 1000).round().astype(int).tolist() for who in ("challenger", "champion")}
    start = parse_utc("2013-03-20")
    minutes = {name: ((frame[name] - start) // timedelta(minutes=1)).tolist() for name in ("at", "known_at")}
    table = {
        "start": start.isoformat(),
        "key": frame["key"].tolist(),
        **minutes,
        "truth": frame["truth"].tolist(),
        "answers": answers,
    }
    return (json.dumps(table, separators=(",", ":")) + "\n").encode()
