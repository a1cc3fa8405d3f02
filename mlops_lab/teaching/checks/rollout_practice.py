"""On which traffic is a rollout policy tried?"""

from __future__ import annotations

import tempfile
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mlops_lab.models.rollout import Deployment


def made_up_traffic(*, seed: int, worse: bool) -> pd.DataFrame:
    """Three weeks of made-up flights like December's: after four quiet days a worse challenger shows what it is.

    >>> made_up_traffic(seed=1, worse=True).shape
    (18900, 6)
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    days, a_day = 21, 900
    at = pd.date_range("2014-02-01T08:00Z", periods=days * a_day, freq="96s")
    rows = len(at)
    day = np.arange(rows) // a_day
    chance = rng.choice([0.1, 0.2, 0.35, 0.5], size=days)[day] * rng.uniform(0.4, 1.6, size=rows)
    truth = (rng.uniform(size=rows) < chance).astype("int8")
    good = np.clip(chance + rng.normal(0, 0.08, rows), 0.02, 0.98)
    noise = rng.normal(0, np.where((day < 4) | (not worse), 0.12, 0.45), rows)
    other = np.clip(chance + noise + (0.0 if worse else 0.12), 0.02, 0.98)
    challenger, champion = (other, good) if worse else (good, other)
    known = at + pd.to_timedelta(rng.uniform(3, 9, rows).round(2), unit="h")
    keys = [f"{seed}-{number}" for number in range(rows)]
    columns = {"key": keys, "at": at, "known_at": known, "truth": truth}
    return pd.DataFrame(columns | {"challenger": challenger, "champion": champion})


def rolled_out(policy: Any, *, seed: int, worse: bool) -> Deployment:
    """What becomes of a good or a worse challenger under a policy, on that traffic.

    >>> from mlops_lab.models.rollout import RolloutPolicy
    >>> rolled_out(RolloutPolicy(), seed=1, worse=True)
    Deployment(late v2 over v1: rolled_back at 0 %)
    """
    from mlops_lab.base.clock import FakeClock
    from mlops_lab.models.gates import Floor, GatePolicy, Measured, evaluate_gates
    from mlops_lab.models.registry import Registry
    from mlops_lab.models.rollout import rollout
    from mlops_lab.models.tracking import Tracker

    clock = FakeClock("2014-02-01")
    with tempfile.TemporaryDirectory() as home, closing(Tracker(home, clock=clock)) as tracker:
        registry = Registry(home, clock=clock)
        promotion, before = None, None
        for name in ("champion", "challenger"):
            model = tracker.artefacts.put_bytes(name.encode())
            run = tracker.log_run(name, metrics={"served.roc_auc": 0.7}, artefact=model, author="ada")
            version = registry.register_model(run, "late")
            measured = Measured(run.metrics)
            report = evaluate_gates(
                version, before, GatePolicy([Floor("served.roc_auc", 0.6)]), measured=measured, at=clock.now()
            )
            promotion, before = registry.promote(report, actor="ada", why="for the exercise"), version
        assert promotion is not None  # noqa: S101  two were promoted
        found = rollout(promotion, registry, traffic=made_up_traffic(seed=seed, worse=worse), policy=policy)
        registry.close()
    return found
