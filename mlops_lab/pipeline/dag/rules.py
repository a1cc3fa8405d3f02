"""Trigger rules: whether a task may run, given how its upstream tasks ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

TRIGGER_RULES = {
    "all_success": "all upstream tasks succeeded",
    "all_failed": "all upstream tasks failed, themselves or because of theirs",
    "all_done": "all upstream tasks are done, in whatever state",
    "all_done_min_one_success": "all upstream tasks ran, none was skipped, and at least one succeeded",
    "all_skipped": "all upstream tasks were skipped",
    "one_success": "at least one upstream task succeeded",
    "one_failed": "at least one upstream task failed, itself or because of its own",
    "one_done": "at least one upstream task ran: it succeeded or failed",
    "none_failed": "no upstream task failed: each succeeded or was skipped",
    "none_failed_min_one_success": "no upstream task failed and at least one succeeded",
    "none_skipped": "no upstream task was skipped",
    "always": "whatever happened upstream",
}
"""Every trigger rule and when it lets a task run; the words and meanings are Airflow's."""


def decide(rule: str, states: Iterable[str]) -> str:
    """`run`, or the state the task gets instead of running: `skipped` or `upstream_failed`.

    Airflow starts `one_success` and `one_failed` while other upstream tasks still run; here every rule waits until all
    are done, so that a run gives the same states and data however its tasks are timed. The decision is the same.

    >>> decide("all_success", ["success", "skipped"]), decide("all_success", ["skipped", "failed"])
    ('skipped', 'upstream_failed')
    >>> decide("none_failed_min_one_success", ["success", "skipped"])
    'run'

    See Also:
        https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html#trigger-rules
    """
    count = Counter(states)
    total = count.total()
    failed = count["failed"] + count["upstream_failed"]
    success, skipped = count["success"], count["skipped"]
    if total == 0 or rule in ("always", "all_done"):
        return "run"
    blocked = {
        "all_success": "upstream_failed" if failed else "skipped" if skipped else "",
        "all_failed": "skipped" if success or skipped else "",
        "all_done_min_one_success": "skipped" if skipped else "" if success else "upstream_failed",
        "all_skipped": "skipped" if success or failed else "",
        "one_success": "" if success else "skipped" if skipped == total else "upstream_failed",
        "one_failed": "" if failed else "skipped",
        "one_done": "" if success or count["failed"] else "skipped",
        "none_failed": "upstream_failed" if failed else "",
        "none_failed_min_one_success": "upstream_failed" if failed else "skipped" if skipped == total else "",
        "none_skipped": "skipped" if skipped else "",
    }
    return blocked[rule] or "run"
