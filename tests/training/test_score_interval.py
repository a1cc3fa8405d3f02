"""The interval of a figure: the jackknife over groups, held against a slow loop and against simulated days."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from mlops_lab.base.errors import InvalidData
from mlops_lab.models.training import predict_proba, score_interval


def rows(seed=0, days=12, size=60):
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), size)
    wind = rng.normal(0, 1, days)[day] + rng.normal(0, 1, days * size)
    noise = rng.normal(0, 1, days * size)
    return pd.DataFrame(
        {"wind": wind, "noise": noise, "late": rng.random(days * size) < 1 / (1 + np.exp(-wind)), "day": day}
    )


@pytest.fixture(scope="module")
def models():
    frame = rows(seed=9)
    return [LogisticRegression().fit(frame[columns], frame["late"]) for columns in (["wind"], ["wind", "noise"])]


def obvious(figure, frame):
    """Leave out one day after the other, by hand."""
    without = [figure(frame[frame["day"] != day]) for day in frame["day"].unique()]
    error = (sum((each - np.mean(without)) ** 2 for each in without) * (len(without) - 1) / len(without)) ** 0.5
    return figure(frame), figure(frame) - 2 * error, figure(frame) + 2 * error


def test_it_is_the_jackknife_over_groups(models):
    frame = rows()

    found = score_interval(models[0], frame, label="late", group=frame["day"])

    assert found == pytest.approx(
        obvious(lambda some: roc_auc_score(some["late"], predict_proba(models[0], some)), frame)
    )


def test_the_difference_of_two_models_on_the_same_rows_is_surer_than_either(models):
    frame = rows()

    alone = score_interval(models[0], frame, label="late", group=frame["day"])
    gain = score_interval(models[0], frame, label="late", group=frame["day"], against=models[1])

    whole = [roc_auc_score(frame["late"], predict_proba(each, frame)) for each in models]
    assert gain[0] == pytest.approx(whole[0] - whole[1])
    assert gain[2] - gain[1] < (alone[2] - alone[1]) / 3


@pytest.mark.nightly
def test_most_intervals_hold_the_figure_of_very_many_days(models):
    many = rows(seed=1, days=3000, size=20)
    truth = roc_auc_score(many["late"], predict_proba(models[0], many))

    found = [score_interval(models[0], some, label="late", group=some["day"]) for some in map(rows, range(40))]

    assert sum(low <= truth <= high for _, low, high in found) >= 34


@pytest.mark.parametrize("group", [[1, 2] * 360, [1] * 3, [None] * 720])
def test_without_groups_there_is_no_interval(models, group):
    with pytest.raises(InvalidData, match="three groups or more"):
        score_interval(models[0], rows(), label="late", group=group)
