"""The failures that there are to show."""

from __future__ import annotations

from mlops_lab.base.errors import UnknownName
from mlops_lab.teaching.classroom.breaking_features import LATE_DATA, STALE_VIEW
from mlops_lab.teaching.classroom.breaking_registry import (
    BAD_CANARY,
    EDITED_HISTORY,
    LEAK,
    NAN_METRIC,
    SELF_APPROVAL,
    TAMPERED_ARTIFACT,
)
from mlops_lab.teaching.classroom.breaking_tasks import CYCLE, FLAKY_TASK, SKIPPED_GATE, UNPINNED_ACTION
from mlops_lab.teaching.classroom.fault import Fault

#: Every failure, in the order of the notebooks that teach it.
FAULTS: tuple[Fault, ...] = (
    LEAK,
    LATE_DATA,
    STALE_VIEW,
    NAN_METRIC,
    TAMPERED_ARTIFACT,
    EDITED_HISTORY,
    SELF_APPROVAL,
    FLAKY_TASK,
    CYCLE,
    SKIPPED_GATE,
    UNPINNED_ACTION,
    BAD_CANARY,
)


def find_fault(name: str) -> Fault:
    """The fault of this name.

    >>> find_fault("leak")
    Fault(leak, notebook 01)

    Raises:
        UnknownName: there is none.
    """
    for fault in FAULTS:
        if fault.name == name:
            return fault
    raise UnknownName("failure to show", name, [fault.name for fault in FAULTS])
