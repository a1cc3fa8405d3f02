"""Retries: every control changes a real run, and the words count its tries and its waits."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mlops_lab.pipeline.dag import Task
from mlops_lab.pipeline.dag.attempt import retry_wait
from mlops_lab.teaching.panels import RetriesPanel
from mlops_lab.teaching.panels.retries import _DELAYS


@pytest.mark.parametrize("failures", range(7))
@pytest.mark.parametrize("retries", range(7))
def test_the_run_succeeds_exactly_when_there_are_enough_retries(failures, retries):
    panel = RetriesPanel()

    panel.set(failures=failures, retries=retries)

    fetch = panel.run.task("fetch")
    assert fetch.state == ("success" if failures <= retries else "failed")
    assert len(fetch.attempts) == min(failures, retries) + 1
    assert panel.run.states["train"] == ("success" if failures <= retries else "upstream_failed")
    assert panel.run.states["report"] == panel.run.states["train"], "its trigger rule is all_success"
    assert panel.view.svg.count('class="attempt"') == sum(len(each.attempts) for each in panel.run.task_instances)


@pytest.mark.parametrize("backoff", [False, True])
@pytest.mark.parametrize("place", range(len(_DELAYS)))
def test_waits_are_the_executors_own(backoff, place):
    panel = RetriesPanel()
    task = Task("fetch", None, retry_delay=_DELAYS[place], retry_exponential_backoff=backoff)

    panel.set(failures=3, retries=3, retry_delay=place, backoff=backoff)

    tries = panel.run.task("fetch").attempts
    waits = [(after.started - one.ended).total_seconds() for one, after in pairwise(tries)]
    assert waits == [retry_wait(task, number) for number in (1, 2, 3)]


def test_the_line_counts_tries_and_waits():
    panel = RetriesPanel()

    panel.set(failures=3, retries=3, retry_delay=0, backoff=True)

    assert panel.view.said == "✓ the run succeeded: fetch needed 4 tries and 2 min 30 s, 1 min 10 s of it waiting"
    assert panel.view.words.splitlines()[-4:] == [
        "  try 1: 0 to 20, up_for_retry",
        "  try 2: 30 to 50, up_for_retry",
        "  try 3: 70 to 90, up_for_retry",
        "  try 4: 130 to 150, success",
    ]


def test_a_failure_for_good_says_so_and_what_it_cost_the_others():
    panel = RetriesPanel()

    panel.set(retries=0)

    assert panel.view.said == (
        "✗ the run failed: fetch failed for good after 1 try and 20 s, 0 s of it waiting; "
        "train and report are upstream_failed"
    )


@pytest.mark.parametrize("retries", [0, 1, 2])
@pytest.mark.parametrize("rule", ["all_success", "all_done"])
def test_mark_header_and_words_say_the_same_of_the_run(retries, rule):
    panel = RetriesPanel()

    panel.set(retries=retries, report=rule)

    state = panel.run.state
    assert panel.view.state == state
    assert panel.view.line.startswith("the run succeeded" if state == "success" else "the run failed")
    assert panel.view.words.splitlines()[0].endswith(state)
    assert ("although train never ran" in panel.view.line) == (rule == "all_done" and retries < 2)


def test_reset_and_stable_text():
    panel = RetriesPanel()
    first = panel.view
    panel.set(failures=6, retries=1, backoff=True)

    panel.reset()

    assert panel.view == first
    assert panel._repr_mimebundle_()["text/plain"] == RetriesPanel()._repr_mimebundle_()["text/plain"]
