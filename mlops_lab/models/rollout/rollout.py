"""The rollout: shares of the traffic given day by day, watched, finished or taken back."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, NotAllowed
from mlops_lab.models.gates.measured import told_with_gap
from mlops_lab.models.registry import Promotion, Registry
from mlops_lab.models.rollout.deployment import Deployment, RolloutPolicy, Step, days_of, deployment_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


_FEW = 20  # answers; the slowest of fewer is chance
_ERROR = 0.05  # how often, at most, an equal model may be called worse in a whole rollout
_FEW_DAYS = 3  # of fewer the spread is not estimated
_LONE_DAYS = 8  # where a day asks once, of fewer
_LEAST_SHARED = 0.005  # below the margin no bound becomes tighter
_SMALLEST = 1e-9  # a variance below this is two constants, not knowledge


@dataclass(frozen=True, repr=False)
class Judgement:
    """What the watch decided, and on what.

    Attributes: `decision` (`advance`, `hold` or `roll_back`), `why` (one sentence), `answers` (requests the challenger
    got), `errors` (those it failed to answer), `labels` (answers whose outcome is known), `brier` of both models on
    those (None before there are any, or without a champion).

    >>> Judgement("hold", "38 of 100 outcomes are known", answers=45, errors=0, labels=38)
    Judgement(hold: 38 of 100 outcomes are known)
    """

    decision: str
    why: str
    answers: int
    errors: int
    labels: int
    challenger_brier: float | None = None
    champion_brier: float | None = None

    def __repr__(self) -> str:
        return f"Judgement({self.decision}: {self.why})"


def judge(answers: pd.DataFrame, policy: RolloutPolicy, *, is_late: bool = False) -> Judgement:
    """Judge the challenger by the flights it answered.

    Both models are asked about the same flights (the champion in the shadow), so that a stormy day counts for both:
    only the difference of their squared errors matters. Flights of one day share their storm, so it is days that are
    counted, and because the watch looks every day, the bound is one that holds at all looks together, see `least`.

    Args:
        answers: one row a request that the challenger got: `challenger` and `champion` (probabilities; NaN where no
            answer came, all NaN without a champion), `truth` (0 or 1, null while nobody knows), `at` (UTC, when it
            asked; without it every answer counts as a day of its own), and where it was measured `seconds`, how long
            the challenger took.
        policy: the bounds.
        is_late: patience is over: a challenger that is no longer compatible with being as good is taken back, too.

    >>> import pandas as pd
    >>> answers = pd.DataFrame({"challenger": [0.9] * 200, "champion": [0.2] * 200, "truth": [0, 0, 0, 1] * 50})
    >>> print(judge(answers, RolloutPolicy()).why)
    on 200 flights its Brier score is 0.610 against 0.190: worse by 0.420, no longer compatible with 0.005
    """
    total, errors = len(answers), int(answers["challenger"].isna().sum())
    known = answers[answers["truth"].notna() & answers["challenger"].notna()]
    labels = len(known)

    def found(decision: str, why: str, *figures: float | None) -> Judgement:
        return Judgement(decision, why, total, errors, labels, *figures)

    if total and errors / total > policy.max_error_rate and errors > 1:  # one hiccup is no rate
        bound = f"{policy.max_error_rate:.1%}"
        return found("roll_back", f"it failed to answer {errors} of {total} requests, more than {bound}")
    if policy.max_seconds is not None and "seconds" in answers.columns and total - errors >= _FEW:
        slow = float(answers["seconds"].quantile(0.95))
        if slow > policy.max_seconds:
            return found(
                "roll_back", f"one answer in twenty takes {slow:.2f} s or longer, more than {policy.max_seconds:g} s"
            )
    if labels < policy.min_labels:
        return found("hold", f"{labels} of {policy.min_labels} outcomes are known")
    truth = known["truth"].astype("float64")
    challenger = (known["challenger"] - truth) ** 2
    brier = float(challenger.mean())
    compared = known["champion"].notna()
    if not compared.any():
        return found(
            "advance", f"its {policy.error} is {brier:.3f} on {labels} {policy.noun}; there is no champion", brier, None
        )
    champion = (known["champion"] - truth)[compared] ** 2
    worse = challenger[compared] - champion
    mean, pairs = float(worse.mean()), len(worse)
    days = known["at"][compared].dt.floor("D") if "at" in known.columns else None
    least_mean = least(
        worse, days, shared=policy.shared, error=_ERROR / len(policy.weights)
    )  # each weight begins to count anew
    figures = (float(challenger[compared].mean()), float(champion.mean()))
    its, other, gap, margin = told_with_gap(*figures, policy.margin, apart=mean > policy.margin)
    side = f"{'worse' if mean > 0 else 'better'} by {gap}"
    said = f"on {pairs} {policy.noun} its {policy.error} is {its} against {other}: {side}"
    if least_mean > policy.margin:
        return found("roll_back", f"{said}, no longer compatible with {margin}", *figures)
    if is_late and least_mean > 0 and mean > policy.margin:
        return found("roll_back", f"{said}, no longer compatible with being as good", *figures)
    if mean <= 0:
        return found("advance", f"{said}, and {margin} worse would be allowed", *figures)
    if mean <= policy.margin:
        return found("advance", f"{said}, within the margin of {margin}", *figures)
    return found("hold", f"{said}, which may be chance", *figures)


def least(
    worse: pd.Series[float], days: pd.Series[Any] | None, *, shared: float | None = 0.02, error: float = _ERROR
) -> float:
    """The least mean that is still compatible with these differences, however often one looks.

    One-sided confidence sequence of the normal mixture (Robbins 1970, https://doi.org/10.1214/aoms/1177696786; Howard,
    Ramdas, McAuliffe and Sekhon 2021, https://doi.org/10.1214/20-AOS1991) over the means of days, each weighed by its
    variance: that of its requests, and beside it what the requests of a day share. The latter is taken to be `shared`
    squared, and more where the days seen differ more. Where a day asks once, nothing but the days tells the spread;
    its upper bound is taken. From three days on, a second sequence is asked that takes no scale for known, with a tenth
    of the error: that of the t test (Lai 1976, https://doi.org/10.1214/aos/1176343406; Wang and Ramdas,
    https://arxiv.org/abs/2310.03722) over the days' means; it is the sharper one where days differ little.
    Variances are estimated, so the promise is tried by simulation: `tests/rollout/test_watch_error.py`.

    What is promised, then: an equal model is called worse in at most one rollout of twenty where its days differ from
    the champion's with a standard deviation of no more than `shared`. No one number holds for every
    pair: where days differ by 0.09, as they may beside a model of another recipe, a `shared` of 0.02 takes back every
    second model that is as good. So give what `shared_by_day` measures on the exam.
    Of two trainings of one recipe a worse one is then seen sooner than with 0.02, of two recipes later.

    What no test can do: with storms of 0.02 a day a model that is 0.01 worse differs from an equal one by half a
    standard deviation of a day. By Wald's bound no test that errs once in twenty rollouts tells them apart in less than
    2 log(20) (0.02 / 0.01)² = 24 days on average, however many flights a day has.

    Args:
        worse: how much worse the challenger was at each request.
        days: which day each belongs to; None where requests share nothing.
        shared: what the answers of a day share at least: the standard deviation, over days, of the difference of two
            equal models; None where no scale is known: then the days seen say all of it.
        error: how often, at most, the bound is above the true mean at any of all looks.
    """
    import numpy as np

    codes = np.zeros(len(worse), dtype="int64") if days is None else days.factorize()[0]
    values, counts = worse.to_numpy("float64"), np.bincount(codes)
    again = len(values) - len(counts)  # requests of days that asked before: they tell what one request varies
    few = _LONE_DAYS if not again else _FEW_DAYS if shared is None else 1
    if len(values) < 2 or len(counts) < few:
        return -math.inf
    means = np.bincount(codes, values) / counts
    of_requests = ((values - means[codes]) ** 2).sum() / max(again, 1) / counts
    of_days = 0.0 if days is None or shared is None else shared**2
    if not again:
        from scipy.stats import chi2

        free = len(counts) - 1
        of_days = max(of_days, float(means.var(ddof=1)) * free / float(chi2.ppf(0.1, free)))
    elif len(counts) >= _FEW_DAYS:
        of_days = max(of_days, float(means.var(ddof=1) - of_requests.mean()))
    weights = 1 / np.maximum(of_requests + of_days, _SMALLEST)
    known = float(weights.sum())
    mean = float((means * weights).sum()) / known
    by_days = -math.inf  # two bounds share the error
    if again and shared is not None:
        error, by_days_error = 0.9 * error, 0.1 * error
        by_days = _least_of_days(means, by_days_error) if len(counts) >= _FEW_DAYS else by_days
    # The bound is tightest when about one day's worth is known, and holds everywhere.
    a_day = float(np.median(1 / weights)) if shared is None else shared**2
    root = math.sqrt(2 * (known + 1 / a_day) * math.log(1 + math.sqrt(1 + known * a_day) / (2 * error)))
    return max(mean - root / known, by_days)


def shared_by_day(answers: pd.DataFrame) -> float:
    """What the answers of a day share for these two models: `RolloutPolicy.shared`, measured before the rollout.

    It is the standard deviation, over days, of the difference of their mean squared errors, 0.005 at least, and needs
    some thirty days on which both have answered: the exam, or a shadow. The pipeline and `mlops-lab rollout` measure it
    so, on the days of the exam, wherever the problem does not say what `shared` is.

    Args:
        answers: as `judge` takes them, with `at`; rows without an outcome, or without one of the answers, do not count.

    Raises:
        InvalidData: there are less than three days.

    >>> import pandas as pd
    >>> at = pd.date_range("2013-11-01", periods=4, freq="12h", tz="UTC").append(pd.DatetimeIndex(["2013-11-03T00Z"]))
    >>> shared_by_day(pd.DataFrame({"at": at, "truth": [0, 0, 1, 1, 0], "challenger": 0.5, "champion": 0.4}))
    0.11547
    """
    known = answers.dropna(subset=["truth", "challenger", "champion"])
    worse = (known["challenger"] - known["truth"]) ** 2 - (known["champion"] - known["truth"]) ** 2
    days = worse.groupby(known["at"].dt.floor("D")).mean()
    if len(days) < _FEW_DAYS:
        raise InvalidData(
            f"{len(days)} days of answers do not show what a day shares; it takes {_FEW_DAYS}, better 30."
        )
    return max(_LEAST_SHARED, round(float(days.std()), 6))


def _least_of_days(means: np.ndarray[Any, Any], error: float) -> float:
    """As `least`, by the days' means alone: a mixture of t tests over effects of about half a standard deviation."""
    days = len(means)
    spread = 1 + 0.3 * days
    likely = (math.sqrt(spread) / (2 * error)) ** (2 / days)
    if likely >= spread:
        return -math.inf  # too few days for any difference
    squared = (days - 1) * (likely - 1) / (1 - likely / spread)
    return float(means.mean()) - math.sqrt(squared / days) * float(means.std(ddof=1))


def answered_by_challenger(keys: Iterable[str], weight: float) -> np.ndarray[Any, Any]:
    """For each key, does the challenger answer it at this weight?

    The key decides, not chance: the same flight gets the same model each time it asks, and who was answered by the
    challenger at 5 percent still is at 25.

    Args:
        keys: what identifies a request, such as a flight.
        weight: percent of the traffic for the challenger, 0 to 100.

    Returns:
        Shape (keys,), bool.

    >>> answered_by_challenger(["2013-12-01-UA-1545-EWR", "2013-12-01-AA-1141-JFK"], 100).tolist()
    [True, True]
    >>> answered_by_challenger([f"flight {i}" for i in range(1000)], 25).mean().item()
    0.237
    """
    import numpy as np

    found: np.ndarray[Any, Any] = np.fromiter((_draw(str(key)) for key in keys), dtype="float64") * 100 < weight
    return found


@lru_cache(maxsize=65_536)  # a watch asks about the same keys every day of a rollout
def _draw(key: str) -> float:
    """Where a key stands, from 0 to 1: the first 8 bytes of a sha256 are as good as a fair draw, and stay the same."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def rollout(
    promotion: Promotion,
    registry: Registry,
    *,
    traffic: pd.DataFrame,
    policy: RolloutPolicy | None = None,
    actor: str = "rollout",
) -> Deployment:
    """Give a promoted version its share of the traffic step by step, watch it, then finish or roll back.

    The traffic goes by day by day. At the end of each day the watch looks at the flights that the challenger answered
    and whose outcome is known by then, and decides: advance to the next weight, hold, or roll back (the registry
    brings the former version back). Every look is an event of the registry's history; called again after a crash, it
    goes on where it was. A first model has nobody to be compared with and takes all of the traffic at once.

    Args:
        promotion: what the registry returned when it let the version into Production.
        registry: where the history is, and where a roll back happens.
        traffic: one row a request, with `key`, `at` (UTC, when it asked), `known_at` (UTC, when its outcome was known),
            `truth` (0 or 1), and the probabilities that `challenger` and `champion` gave (NaN: no answer).
        policy: weights and bounds; the defaults of `RolloutPolicy` when left out.
        actor: who is written into the history.

    Returns:
        The deployment: finished, rolled back, stopped by hand, or still running when the traffic ended.

    Raises:
        UnknownName: a column of the traffic is missing.
        InvalidData: there is no traffic to watch.

    >>> import tempfile, pandas as pd
    >>> from mlops_lab.base.clock import FakeClock
    >>> from mlops_lab.models.registry import GateReport, RuleResult
    >>> from mlops_lab.models.tracking import Tracker
    >>> clock = FakeClock("2013-12-01")
    >>> at = pd.date_range("2013-12-01", periods=400, freq="15min", tz="UTC")
    >>> traffic = pd.DataFrame({"key": [f"flight {i}" for i in range(400)], "at": at, "known_at": at, "truth": 0,
    ...                         "challenger": 0.1, "champion": float("nan")})
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker, registry = Tracker(home, clock=clock), Registry(home, clock=clock)
    ...     model = tracker.artifacts.put_bytes(b"model")
    ...     run = tracker.log_run("train", metrics={"auc": 0.7}, artifact=model, author="ada")
    ...     version = registry.register_model(run, "late")
    ...     rule = RuleResult("floor", True, 0.70, 0.65, "AUC 0.70 is at least 0.65.")
    ...     report = GateReport(name="late", version=1, artifact=version.artifact, results=(rule,), champion=None,
    ...                         holdout="sha256:" + "0" * 64, evaluated_at=clock.now(), metrics=run.metrics)
    ...     promotion = registry.promote(report, actor="ada", why="the first model")
    ...     rollout(promotion, registry, traffic=traffic)
    Deployment(late v1: finished at 100 %)
    """
    rules = policy if policy is not None else RolloutPolicy()
    days = days_of(traffic)
    now = begin(promotion, registry, policy=rules, actor=actor)
    for end, seen in days:
        if now.state != "running":
            break
        now = look(promotion, registry, seen=seen, until=end, policy=rules, actor=actor)
    return now


def begin(
    promotion: Promotion, registry: Registry, *, policy: RolloutPolicy | None = None, actor: str = "rollout"
) -> Deployment:
    """Begin the rollout of a promotion, or take it up again where a crash left it."""
    weights = _weights(promotion, policy)
    if deployment_of(registry, promotion) is None:
        over = f"in place of v{promotion.archived_version}" if promotion.archived_version else "as the first model"
        why = f"{over}, weights {', '.join(map(str, weights))}"
        _write(registry, promotion, "rollout_started", actor=actor, why=why, details={"weights": list(weights)})
    return _settle(registry, promotion, actor=actor)


def look(
    promotion: Promotion,
    registry: Registry,
    *,
    seen: pd.DataFrame,
    until: datetime,
    policy: RolloutPolicy | None = None,
    actor: str = "rollout",
) -> Deployment:
    """The watch's one look at a rollout that has begun: judge, write it down, and do what was decided.

    Args:
        promotion: whose rollout it is.
        registry: where the history is.
        seen: the traffic so far, as `rollout` takes it, `truth` null where the outcome is not known at `until`.
        until: the moment of the look (UTC); one that was looked at before is not looked at again.
        policy: weights and bounds.
        actor: who is written into the history.
    """
    rules = policy if policy is not None else RolloutPolicy()
    now = deployment_of(registry, promotion)
    if now is None:
        raise NotAllowed(f"the rollout of {promotion.name} v{promotion.version} has not begun.")
    if now.state != "running" or (now.steps and until <= now.steps[-1].until):
        return now  # over, or seen before a crash
    _look(registry, promotion, now, weights=_weights(promotion, rules), seen=seen, end=until, rules=rules, actor=actor)
    return _settle(registry, promotion, actor=actor)


def _weights(promotion: Promotion, policy: RolloutPolicy | None) -> tuple[int, ...]:
    # A first model has nobody to be compared with and takes all of the traffic at once.
    rules = policy if policy is not None else RolloutPolicy()
    return tuple(rules.weights) if promotion.archived_version is not None else (100,)


def stop(promotion: Promotion, registry: Registry, *, actor: str, why: str) -> Deployment:
    """Stop a running rollout by hand: the former version comes back and answers everything again.

    Raises:
        NotAllowed: there is no running rollout of this promotion.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock, parse_utc
    >>> promotion = Promotion(name="late", version=2, artifact="sha256:0", archived_version=1, actor="ada",
    ...                       why="better", at=parse_utc("2014-01-01"), event=9)
    >>> with tempfile.TemporaryDirectory() as home:
    ...     stop(promotion, Registry(home, clock=FakeClock()), actor="grace", why="the crew system is down")
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no registered model 'late'; there is: none.
    """
    now = deployment_of(registry, promotion)
    if now is None or now.state != "running":
        state = "has not begun" if now is None else f"is {now.state.replace('_', ' ')}"
        raise NotAllowed(f"the rollout of {promotion.name} v{promotion.version} {state}; there is nothing to stop.")
    _bring_back(registry, promotion, actor=actor, why=why)
    _write(registry, promotion, "rollout_stopped", actor=actor, why=why)
    return deployment_of(registry, promotion) or now


def _look(
    registry: Registry,
    promotion: Promotion,
    now: Deployment,
    *,
    weights: tuple[int, ...],
    seen: pd.DataFrame,
    end: datetime,
    rules: RolloutPolicy,
    actor: str,
) -> None:
    weight = now.weight if now.weight in weights else weights[0]
    begun = min((step.until for step in now.steps if step.weight == weight), default=end) - timedelta(days=1)
    mine = seen[(seen["at"] >= begun).to_numpy() & answered_by_challenger(seen["key"], weight)]
    found = judge(mine, rules)
    if promotion.archived_version is not None and found.decision == "advance" and found.champion_brier is None:
        why = f"the champion answered none of the {found.labels} {rules.noun}, so there is nothing to compare with"
        found = Judgement("hold", why, found.answers, found.errors, found.labels, found.challenger_brier)
    held = sum(step.weight == weight for step in now.steps) + 1
    # What may be chance is given twice the time, and after that the benefit of the doubt: an equal model seems a little
    # worse on every other day, and stays where it is until it is not compatible with an equal one.
    compared = found.champion_brier is not None
    if found.decision == "hold" and held >= rules.patience_days * (2 if compared else 1):
        if compared:
            found = judge(mine, rules, is_late=True)
        if not compared or found.decision == "roll_back":
            days = "1 day" if held == 1 else f"{held} days"
            why = f"after {days} at {weight} % nothing shows that it is good enough: {found.why}"
            figures = (found.challenger_brier, found.champion_brier) if compared else ()
            found = Judgement("roll_back", why, found.answers, found.errors, found.labels, *figures)
    at = weights.index(weight)
    next_weight = weights[min(at + 1, len(weights) - 1)] if found.decision == "advance" else weight
    step = Step(until=end, weight=weight, **asdict(found))
    details = {**asdict(step), "until": end.isoformat(), "next_weight": next_weight}
    _write(registry, promotion, "rollout_step", actor=actor, why=found.why, details=details)


def _settle(registry: Registry, promotion: Promotion, *, actor: str) -> Deployment:
    """Do what the last step decided, whether it was written just now or before a crash."""
    now = deployment_of(registry, promotion)
    assert now is not None  # noqa: S101  it was started
    last = now.steps[-1] if now.steps else None
    if now.state != "running" or last is None:
        return now
    if last.decision == "roll_back":
        _bring_back(registry, promotion, actor=actor, why=last.why)
        _write(registry, promotion, "rollout_rolled_back", actor=actor, why=last.why)
    elif last.decision == "advance" and last.weight == 100:
        _write(registry, promotion, "rollout_finished", actor=actor, why=last.why, details={"serving": "champion"})
    return deployment_of(registry, promotion) or now


def _bring_back(registry: Registry, promotion: Promotion, *, actor: str, why: str) -> None:
    present = registry.get_production(promotion.name)
    if present is None or present.version != promotion.version:
        return  # it already happened, before a crash
    try:
        registry.rollback(promotion.name, actor=actor, why=why, present=promotion.version)
    except NotAllowed:
        present = registry.get_production(promotion.name)
        if present is None or present.version != promotion.version:
            return  # somebody else took it back in this very moment
        # A first model has no former version: nothing serves rather than something bad.
        registry.transition_stage(promotion.name, promotion.version, "Archived", actor=actor, why=why)


def _write(
    registry: Registry,
    promotion: Promotion,
    action: str,
    *,
    actor: str,
    why: str,
    details: dict[str, object] | None = None,
) -> None:
    registry.record_event(
        promotion.name,
        promotion.version,
        action=action,
        actor=actor,
        why=why,
        details={"promotion": promotion.event, **(details or {})},
    )
