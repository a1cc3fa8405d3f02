"""The exercises of notebook 07: who answers a request, what may be judged, and a careful policy."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.teaching.checks.exercise import OtherProcess, asked, expect, listed, read_exercises

if TYPE_CHECKING:
    import pandas as pd

    from mlops_lab.models.rollout import Deployment


def made_up_traffic(*, seed: int, worse: bool) -> pd.DataFrame:
    """Three weeks of made-up flights like December's: after four quiet days a worse challenger shows what it is."""
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
    """What becomes of a good or a worse challenger under a policy, on that traffic."""
    from mlops_lab.base.clock import FakeClock
    from mlops_lab.models.gates import Floor, GatePolicy, Measured
    from mlops_lab.models.registry import Registry
    from mlops_lab.models.rollout import rollout
    from mlops_lab.teaching.panels.scratch import judged, register_versions

    clock, gate, measured = FakeClock("2014-02-01"), GatePolicy([Floor("auc", 0.6)]), Measured({"auc": 0.7})
    with tempfile.TemporaryDirectory() as home:
        register_versions(Path(home), [measured, measured], name="late", clock=clock)
        with closing(Registry(home, clock=clock)) as registry:
            for number in (1, 2):
                report = judged(registry, "late", number, policy=gate, measured=measured)
                promotion = registry.promote(report, actor="ada", why="for the exercise")
            return rollout(promotion, registry, traffic=made_up_traffic(seed=seed, worse=worse), policy=policy)


_WEIGHTS = (1, 5, 25, 60)


def _build_route(route: Callable[..., Any]) -> None:
    keys = [f"2014-02-{day:02d}-{carrier}-{number}-LGA" for day in range(1, 29) for carrier in ("AA", "B6", "UA")
            for number in range(100, 150)]  # fmt: skip

    def given(some: list[str], weight: int) -> list[bool]:
        said = "return a list with True or False for every key."
        answers = listed(asked(route, some, weight), said)
        expect(len(answers) == len(some), f"{len(some)} keys were asked and {len(answers)} answers came.")
        expect(all(isinstance(one, bool) for one in answers), said)
        return answers

    before = given(keys, 25)
    expect(given(keys, 25) == before, "the same flights asked twice get two answers: chance decides, not the key.")
    backwards = given(keys[::-1], 25)[::-1]
    said = "asked in another order, a flight gets another model: its place in the list decides, not the key."
    expect(backwards == before, said)
    said = (
        "hash() gives a text another number in every process, so a restart shuffles the passengers: "
        "take a hash of the text's bytes, such as sha256."
    )
    expect(given([OtherProcess(key) for key in keys], 25) == before, said)
    said = "asked alone, a flight gets another model than among others: the other flights decide, not its key."
    expect([given([key], 25)[0] for key in keys[:60]] == before[:60], said)
    opened = [given(keys, weight) for weight in _WEIGHTS]
    for early, late, weight in zip(opened, opened[1:], _WEIGHTS[1:], strict=False):
        lost = sum(was and not stays for was, stays in zip(early, late, strict=True))
        expect(
            not lost,
            f"at {weight} percent {lost} flights go back to the champion: give each key one number, the same at every "
            "weight, and let the challenger answer below the weight.",
        )
    for weight, answers in zip(_WEIGHTS, opened, strict=True):
        share = 100 * sum(answers) / len(keys)
        expect(abs(share - weight) < 3, f"at weight {weight} it answers {share:.1f} percent of {len(keys)} flights.")
    expect(not any(given(keys, 0)), "at weight 0 somebody gets through.")
    expect(all(given(keys, 100)), "at weight 100 somebody is left outside.")


def _predict_judged(answer: Any) -> None:
    expect(type(answer) in (int, float), "give a whole number of flights.")
    expect(answer != 6, "six counts every flight in the table; f had not even asked at 22:00.")
    expect(answer != 5, "five had asked by 22:00, but of some of them nobody knew yet how it ended.")
    expect(answer != 4, "four had left by 22:00; a flight is late when it arrives, and two were still in the air.")
    expect(answer != 2, "two were known before 22:00, and one more at that very minute: known is known.")
    expect(answer == 3, "count the rows whose column `known` is at or before 22:00.")


def _change_policy(policy: Any) -> None:
    from mlops_lab.models.rollout import RolloutPolicy

    expect(isinstance(policy, RolloutPolicy), "give a RolloutPolicy, such as RolloutPolicy(min_labels=50).")
    first = policy.weights[0]
    expect(first <= 5, f"the first step gives the challenger {first} percent of the passengers before anybody looked.")
    expect(
        policy.margin <= 0.05, f"with a margin of {policy.margin:g} a model that is far worse counts as good enough."
    )
    said = (
        f"a model that fails to answer {policy.max_error_rate:.0%} of its flights goes on; a few in a hundred at most."
    )
    expect(policy.max_error_rate <= 0.05, said)
    for seed in (1, 3, 4):
        bad = rolled_out(policy, seed=seed, worse=True)
        most = max(step.weight for step in bad.steps)
        said = (
            f"a model that is good for four quiet days only got {most} percent of the passengers: "
            "judge a step on more outcomes."
        )
        expect(most <= 5, said)
        expect(bad.state == "rolled_back", f"after three weeks the bad model is still {bad.state} at {most} percent.")
        good = rolled_out(policy, seed=seed, worse=False)
        said = (
            f"now the good model is taken back too: {good.why}. At {first} percent some {9 * first} outcomes a day "
            "arrive: min_labels and patience_days have to fit that."
        )
        expect(good.state != "rolled_back", said)
        said = f"after three weeks the good model is still at {good.weight} percent: ask for less, or in fewer steps."
        expect(good.state == "finished", said)


EXERCISES = read_exercises("nb07.toml", {"07.1": _build_route, "07.2": _predict_judged, "07.3": _change_policy})
