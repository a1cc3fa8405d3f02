"""One attempt of one task, and how it ends."""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mlops_lab.base.clock import Clock
from mlops_lab.base.errors import InvalidData, MlopsLabError
from mlops_lab.pipeline.dag.arguments import json_value
from mlops_lab.pipeline.dag.task import FailTask, SkipTask, Task

_LONGEST_WAIT = 24 * 60 * 60  # Airflow's core.max_task_retry_delay
_LONGEST_WHY = 2000


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    `interrupt` is an exception that must end the whole run, a KeyboardInterrupt say; `left_behind` is the thread of an
    attempt that overran its time and still works.
    """

    state: str
    why: str = ""
    result: Any = None
    error: BaseException | None = None
    may_retry: bool = False
    interrupt: BaseException | None = None
    left_behind: threading.Thread | None = None


def attempt_task(task: Task, arguments: Mapping[str, Any], clock: Clock | None) -> Outcome:
    """Run the task's function once and say how it ended; nothing is raised.

    Without a clock only the machine's time is held against an `execution_timeout`.
    """
    function = task.function
    assert function is not None  # noqa: S101  of a task without one no run is made
    if task.execution_timeout is None:
        return _call(task.task_id, function, arguments)
    return _call_within(task, function, arguments, clock, task.execution_timeout)


def _call(task_id: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Outcome:
    process = os.getpid()
    outcome = _called(task_id, function, arguments)
    if os.getpid() != process:  # the function forked, and this is the child: only the parent may go on with the run
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        code = outcome.error.code if isinstance(outcome.error, SystemExit) else outcome.state != "success"
        os._exit(code if isinstance(code, int) else int(code is not None))
    return outcome


def _called(task_id: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Outcome:
    try:
        returned = function(**arguments)
    except SkipTask as skip:
        return Outcome("skipped", str(skip))
    except FailTask as failure:
        return Outcome("failed", _why(failure), error=failure)
    except (Exception, SystemExit) as error:
        return Outcome("failed", _why(error), error=error, may_retry=True)
    except BaseException as interrupt:  # Ctrl-C and its kind end the run, not the task
        return Outcome("failed", f"interrupted by {type(interrupt).__name__}", interrupt=interrupt)
    try:
        return Outcome("success", result=json_value(returned, f"the result of task {task_id!r}"))
    except InvalidData as error:  # the next attempt would return the same kind of thing
        return Outcome("failed", str(error), error=error)


def _call_within(
    task: Task, function: Callable[..., Any], arguments: Mapping[str, Any], clock: Clock | None, limit: timedelta
) -> Outcome:
    """The same in a thread of its own, which is left behind when it overruns.

    Python cannot stop a thread: one that overruns goes on in the background, unheard, until its function returns or the
    process ends; `still_at_work` keeps a retry from beginning before that. What must be stopped for good belongs into a
    process of its own that the task itself ends.
    """
    ended: list[Outcome] = []
    context = contextvars.copy_context()
    started = clock.now() if clock else None

    def target() -> None:
        ended.append(context.run(_call, task.task_id, function, arguments))

    thread = threading.Thread(target=target, name=f"task {task.task_id}", daemon=True)
    thread.start()
    left = limit.total_seconds()
    while thread.is_alive() and left > 0:
        piece = min(left, 0.5)  # in pieces, because Windows does not let Ctrl-C through a long wait
        thread.join(piece)
        left -= piece
    overran = clock is not None and started is not None and clock.now() - started > limit
    if ended and (ended[0].interrupt or not overran):
        return ended[0]
    why = f"overran its execution_timeout of {limit.total_seconds():g} s"
    return Outcome("failed", why, may_retry=True, left_behind=thread if thread.is_alive() else None)


def still_at_work(task: Task, outcome: Outcome) -> Outcome | None:
    """None once the attempt has really ended, so that two never work at once; else the failure that ends its retries.

    It is given as long again as its `execution_timeout`, by the machine's time.
    """
    thread, limit = outcome.left_behind, task.execution_timeout
    if thread is None or limit is None:
        return None
    left = limit.total_seconds()
    while thread.is_alive() and left > 0:
        piece = min(left, 0.5)
        thread.join(piece)
        left -= piece
    if not thread.is_alive():
        return None
    return Outcome("failed", f"{outcome.why} and still works; not tried again, because two attempts would overlap")


def _why(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # an error whose text is itself an error must not end the run
        text = "its text cannot be told"
    if isinstance(error, (MlopsLabError, FailTask)) and text:
        return text[:_LONGEST_WHY]
    return f"{type(error).__name__}{text and ': '}{text}"[:_LONGEST_WHY]


def retry_wait(task: Task, failures: int) -> float:
    """Seconds to wait after so many failures: the delay, or with back-off the delay times 1, 2, 4, 8 and so on.

    Airflow's formula without its jitter, because a lesson must print the same figures twice: whole seconds rounded up,
    at least one, at most a day and at most `max_retry_delay`, which as in Airflow bounds the back-off only.

    >>> task = Task("train", None, retry_delay=10, retry_exponential_backoff=True, max_retry_delay=60)
    >>> [retry_wait(task, failures) for failures in (1, 2, 3, 4)]
    [10.0, 20.0, 40.0, 60.0]
    """
    delay = task.retry_delay.total_seconds()
    if not task.retry_exponential_backoff:
        return delay
    doubled = -(-delay * 2 ** min(failures - 1, 64) // 1)
    bound = _LONGEST_WAIT if task.max_retry_delay is None else min(_LONGEST_WAIT, task.max_retry_delay.total_seconds())
    return float(min(max(1.0, doubled), bound))
