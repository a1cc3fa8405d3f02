"""The reader of `on`: events, filters, inputs, schedules.

The events, their activity types and filters are those of
https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from zoneinfo import available_timezones

from mlops_lab.ci.expressions.values import to_number
from mlops_lab.ci.nodes import Node
from mlops_lab.ci.reader import Reader
from mlops_lab.ci.workflow import Event, Input

_COMMENTS = "created edited deleted"
_PULL_REQUEST = (
    "assigned unassigned labeled unlabeled opened edited closed reopened synchronize converted_to_draft locked "
    "unlocked enqueued dequeued milestoned demilestoned ready_for_review review_requested review_request_removed "
    "auto_merge_enabled auto_merge_disabled stacked"
)
_ISSUES = (
    "opened edited deleted transferred pinned unpinned closed reopened assigned unassigned labeled unlabeled locked "
    "unlocked milestoned demilestoned field_added field_removed typed untyped"
)
_DISCUSSION = (
    "created edited deleted transferred pinned unpinned labeled unlabeled locked unlocked category_changed answered "
    "unanswered"
)
_BRANCHES = ("branches", "branches-ignore")
_PATHS = ("paths", "paths-ignore")

# Each event: its activity types (None: it has none; empty: any word of the user's own), and its other filters.
EVENTS: Mapping[str, tuple[str | None, tuple[str, ...]]] = {
    "branch_protection_rule": (_COMMENTS, ()),
    "check_run": ("completed created rerequested requested_action", ()),
    "check_suite": ("completed", ()),
    "create": (None, ()),
    "delete": (None, ()),
    "deployment": (None, ()),
    "deployment_status": (None, ()),
    "discussion": (_DISCUSSION, ()),
    "discussion_comment": (_COMMENTS, ()),
    "fork": (None, ()),
    "gollum": (None, ()),
    "image_version": ("created ready deleted", ("names", "versions")),
    "issue_comment": (_COMMENTS, ()),
    "issues": (_ISSUES, ()),
    "label": (_COMMENTS, ()),
    "merge_group": ("checks_requested", _BRANCHES),
    "milestone": ("created closed opened edited deleted", ()),
    "page_build": (None, ()),
    "project": ("created closed reopened edited deleted", ()),
    "project_card": ("created moved converted edited deleted", ()),
    "project_column": ("created updated moved deleted", ()),
    "public": (None, ()),
    "pull_request": (_PULL_REQUEST, _BRANCHES + _PATHS),
    "pull_request_comment": (_COMMENTS, ()),
    "pull_request_review": ("submitted edited dismissed", ()),
    "pull_request_review_comment": (_COMMENTS, ()),
    "pull_request_target": (_PULL_REQUEST, _BRANCHES + _PATHS),
    "push": (None, (*_BRANCHES, "tags", "tags-ignore", *_PATHS)),
    "registry_package": ("published updated", ()),
    "release": ("published unpublished created edited deleted prereleased released", ()),
    "repository_dispatch": ("", ()),
    "schedule": (None, ()),
    "status": (None, ()),
    "watch": ("started", ()),
    "workflow_call": (None, ()),
    "workflow_dispatch": (None, ()),
    "workflow_run": ("requested completed in_progress", ("workflows", *_BRANCHES)),
}
_MAX_INPUTS = 25
_INPUT_KINDS = {
    "workflow_call": ("string", "boolean", "number"),
    "workflow_dispatch": ("string", "boolean", "number", "choice", "environment"),
}
_CRON_FIELDS = (
    (0, 59, ""),
    (0, 23, ""),
    (1, 31, ""),
    (1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"),
    (0, 6, "SUN MON TUE WED THU FRI SAT"),
)


def read_triggers(reader: Reader, node: Node) -> dict[str, Event]:
    """The events of `on`, by name."""
    if node.kind == "mapping":
        pairs = [(key, value) for key, value in node.pairs() if _known(reader, key)]
        return {key.word: _event(reader, key, value) for key, value in pairs}
    words = [word for word in reader.sequence(node, or_one=True) if _known(reader, word)]
    return {word.word: Event(word.word, word.line, word.column) for word in words}


def _known(reader: Reader, node: Node) -> bool:
    return reader.word(node, options=tuple(EVENTS)) is not None


def _event(reader: Reader, key: Node, node: Node) -> Event:
    name = key.word
    if name == "schedule":
        return Event(name, key.line, key.column, schedules=_schedules(reader, node))
    if node.kind == "null":
        return Event(name, key.line, key.column)
    types, filters = EVENTS[name]
    keys = (*filters, *(() if types is None else ("types",)))
    if name in _INPUT_KINDS:
        keys = ("inputs", "secrets", "outputs") if name == "workflow_call" else ("inputs",)
    found = reader.loosely(node) if name == "workflow_dispatch" else reader.mapping(node, keys)
    for first in ("branches", "tags", "paths"):
        if first in found and f"{first}-ignore" in found:
            reader.problem(found[f"{first}-ignore"], f"you may only define one of {first} and {first}-ignore")
    if name not in _INPUT_KINDS:
        read = {word: _words(reader, found[word], types if word == "types" else "") for word in keys if word in found}
        return Event(name, key.line, key.column, filters=read)
    return Event(
        name,
        key.line,
        key.column,
        inputs=read_inputs(reader, found.get("inputs"), _INPUT_KINDS[name]),
        secrets=_secrets(reader, found.get("secrets")),
        outputs=_outputs(reader, found.get("outputs")),
    )


def _words(reader: Reader, node: Node, options: str | None) -> tuple[str, ...]:
    words = [reader.word(item, options=(options or "").split()) for item in reader.sequence(node, or_one=True)]
    return tuple(word for word in words if word is not None)


def _schedules(reader: Reader, node: Node) -> tuple[tuple[str, str], ...]:
    found = []
    for item in reader.sequence(node):
        entry = reader.mapping(item, ("cron", "timezone"), required=("cron",))
        cron, zone = reader.word(entry.get("cron")), reader.word(entry.get("timezone")) or "UTC"
        if cron is not None and not _is_cron(cron):
            reader.problem(entry["cron"], f"Invalid cron expression '{cron}' in schedule")
        if zone not in _zones():
            reader.problem(entry["timezone"], f"Unknown time zone '{zone}' in schedule")
        found.append((cron or "", zone))
    return tuple(found)


@cache
def _zones() -> set[str]:
    return available_timezones()


def _is_cron(text: str) -> bool:
    """Five fields of POSIX cron with numbers or names, ranges, steps and lists."""
    fields = text.split()
    return len(fields) == len(_CRON_FIELDS) and all(
        _is_cron_part(part, low, high, names.split())
        for entry, (low, high, names) in zip(fields, _CRON_FIELDS, strict=True)
        for part in entry.split(",")
    )


def _is_cron_part(part: str, low: int, high: int, names: list[str]) -> bool:
    found = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?", part)
    if not found or (found[4] is not None and int(found[4]) == 0):
        return False
    values = [
        names.index(word.upper()) + low if word.upper() in names else word for word in found.groups()[1:3] if word
    ]
    numbers = [int(value) for value in values if str(value).isdigit()]
    return (
        len(numbers) == len(values) and all(low <= number <= high for number in numbers) and numbers == sorted(numbers)
    )


def read_inputs(reader: Reader, node: Node | None, kinds: tuple[str, ...]) -> dict[str, Input]:
    """The inputs of `workflow_dispatch` or `workflow_call`."""
    call = "choice" not in kinds
    keys = ("description", "deprecationMessage", "required", "default", "type", "options")
    pairs = reader.named(node) if node is not None and (call or node.kind != "null") else []
    if not call and len(pairs) > _MAX_INPUTS:
        reader.problem(
            pairs[_MAX_INPUTS][0], f"you may only define up to {_MAX_INPUTS} `inputs` for a `workflow_dispatch` event"
        )
    inputs = {}
    for key, value in pairs:
        reader.identifier(key)
        known = keys[:1] + keys[2:5] if call else keys
        before = len(reader.problems)
        given = None if value.kind == "null" and not call else value
        found = reader.mapping(given, known, required=("type",) if call else ())
        kind = reader.word(found.get("type"), options=kinds) or "string"
        options = tuple(reader.word(option, empty=True) or "" for option in reader.sequence(found.get("options")))
        sound = len(reader.problems) == before
        if sound and kind == "choice" and not options:
            reader.problem(value, "Missing 'options' for choice input")
        if sound and kind != "choice" and options:
            reader.problem(value, "Input type is not 'choice', but 'options' is defined")
        default = found.get("default")
        if call:
            reader.scalar(default, "input-default")
        else:
            reader.word(default, empty=True)
        _check_default(reader, default, kind, options)
        description = reader.word(found.get("description"), empty=True)
        inputs[key.word] = Input(
            key.word,
            kind,
            reader.boolean(found.get("required")),
            default,
            options,
            description or "",
        )
    return inputs


def _check_default(reader: Reader, default: Node | None, kind: str, options: tuple[str, ...]) -> None:
    if default is None or default.kind in ("null", "mapping", "sequence") or "${{" in default.word:
        return
    fitting = {
        "boolean": default.kind == "boolean" or default.word in ("true", "false"),
        "number": default.kind == "number" or not math.isnan(to_number(default.word or "x")),
        "choice": not options or default.word in options,
    }
    if not fitting.get(kind, True):
        reader.unexpected(default, options)


def _secrets(reader: Reader, node: Node | None) -> dict[str, bool]:
    found = {}
    for key, value in reader.named(node) if node is not None else []:
        entry = {} if value.kind == "null" else reader.mapping(value, ("description", "required"))
        reader.word(entry.get("description"), empty=True)
        found[key.word] = reader.boolean(entry.get("required"))
    return found


def _outputs(reader: Reader, node: Node | None) -> dict[str, Node]:
    found = {}
    for key, value in reader.named(node) if node is not None else []:
        entry = reader.mapping(value, ("description", "value"), required=("value",))
        reader.word(entry.get("description"), empty=True)
        if (text := reader.scalar(entry.get("value"), "call-output")) is not None:
            found[key.word] = text
    return found
