"""What was measured before the lesson began, so that nobody waits for a model to be trained.

The tables lie beside this module and are written by scripts/build_results.py from the scenes `leak` and `bad-canary`.
They need neither pandas nor scikit-learn to be read, so a browser can read them too.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_lab.models.gates import DataProfile, Measured

if TYPE_CHECKING:
    import pandas as pd


FOLDER = Path(__file__).with_name("results")


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
