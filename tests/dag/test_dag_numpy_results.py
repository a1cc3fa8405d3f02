"""The numbers of numpy that a task returns arrive as Python's own."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.pipeline.dag import DAG, run_dag, task


@pytest.mark.parametrize(
    ("returned", "kept"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.25), 0.25),
        (np.bool_(True), True),
        ({"rows": [np.int32(1), (np.float64(2.0),)]}, {"rows": [1, [2.0]]}),
    ],
    ids=["int64", "float32", "longdouble", "bool", "nested"],
)
def test_a_number_of_numpy_is_kept_as_a_plain_one(returned, kept):
    with DAG("numbers") as dag:
        task(lambda: returned, task_id="count")()

    run = run_dag(dag, logical_date="2013-09-01", clock=FakeClock())

    assert run.state == "success", run.task("count").why
    assert run.result("count") == kept
    assert type(run.result("count")) is type(kept)


@pytest.mark.parametrize("returned", [np.float32("nan"), np.zeros(2)], ids=["nan", "array"])
def test_what_json_cannot_keep_is_still_refused(returned):
    with DAG("numbers") as dag:
        task(lambda: returned, task_id="count")()

    assert run_dag(dag, logical_date="2013-09-01", clock=FakeClock()).state == "failed"
