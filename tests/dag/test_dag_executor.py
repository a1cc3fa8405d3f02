"""Does a run do what the DAG says, and does its record say what it did?"""

from __future__ import annotations

from mlops_lab.clock import FakeClock
from mlops_lab.dag import DAG, run_dag, task


def test_results_reach_the_tasks_that_take_them() -> None:
    @task
    def extract() -> list[int]:
        return [1, 2, 3]

    @task
    def total(numbers: list[int], params: dict[str, int]) -> int:
        return sum(numbers) * params["factor"]

    with DAG("sums", params={"factor": 2}) as dag:
        total(extract())

    run = run_dag(dag, logical_date="2013-09-01", clock=FakeClock())

    assert run.state == "success"
    assert run.result("total") == 12
