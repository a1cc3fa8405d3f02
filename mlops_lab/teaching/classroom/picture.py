"""The picture of a class: a line a learner, a box an exercise."""

from __future__ import annotations

from html import escape

from mlops_lab.teaching.classroom.learners import MARKS, ClassReport
from mlops_lab.teaching.drawing.style import INK, PAPER, TEXT, paint, state_look

_STATES = {"passed": "success", "not yet": "up_for_retry", "not attempted": "no_status"}
_BOX, _ROW, _HEAD, _TOP, _LEFT = 26, 22, 58, 54, 210
_TOGETHER = 25  # learners below one head: on a long page it would be out of sight
_FONT = "Helvetica,Arial,sans-serif"
_INK, _PAPER = (f'fill="{each}" style="fill:{paint(each)}"' for each in (INK, PAPER))


def draw_class(report: ClassReport) -> str:
    """The class as one SVG: marks and borders tell what colours tell, and its text tells all of it."""
    entries = list(report.learners[0].standings) if report.learners else []
    width = max(_LEFT + _BOX * len(entries) + 16, 640)
    name = f"How far {_count(report)} come in {len(entries)} exercises and quizzes"
    legend = "  ·  ".join(f"{mark} {word}" for word, mark in MARKS.items())
    parts = [
        f'<text x="12" y="22" font-size="15" font-weight="bold" {_INK}>{name}</text>',
        f'<text x="12" y="44" {_INK}>{legend}</text>',
    ]
    y = _TOP
    for row, learner in enumerate(report.learners):
        if row % _TOGETHER == 0:
            parts += _head(report, entries, y)
            y += _HEAD
        parts.append(f'<text x="12" y="{y + 15}" {_INK}>{escape(learner.name)}</text>')
        parts += [
            _box(_LEFT + _BOX * place, y, status) for place, (status, _, _) in enumerate(learner.standings.values())
        ]
        y += _ROW
    height = y + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="class-name class-words" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="{_FONT}" font-size="13">'
        f'<title id="class-name">{name}</title><desc id="class-words">{escape(report.table())}</desc>'
        f'<rect width="100%" height="100%" {_PAPER}/>{"".join(parts)}</svg>'
    )


def _count(report: ClassReport) -> str:
    return "1 learner has" if len(report.learners) == 1 else f"{len(report.learners)} learners have"


def _head(report: ClassReport, entries: list[str], y: int) -> list[str]:
    """The notebooks, their exercises, and by how many of the whole class each is passed."""
    passed = {entry: count for entry, count, _, _, _ in report.hardest()}
    parts = [f'<text x="12" y="{y + 50}" font-size="11" {_INK}>passed, of {len(report.learners)}</text>']
    for place, entry in enumerate(entries):
        x = _LEFT + _BOX * place
        if place == 0 or entries[place - 1][:2] != entry[:2]:
            parts.append(f'<text x="{x}" y="{y + 18}" font-weight="bold" {_INK}>{entry[:2]}</text>')
        middle = f'x="{x + _BOX / 2 - 2}" text-anchor="middle" font-size="11" {_INK}'
        parts.append(f'<text {middle} y="{y + 33}">{entry[3:]}</text>')
        parts.append(f'<text {middle} y="{y + 50}" font-weight="bold">{passed[entry]}</text>')
    return parts


def _box(x: int, y: int, status: str) -> str:
    look = state_look(_STATES[status])
    dashes = {"dashed": ' stroke-dasharray="4 2"', "dotted": ' stroke-dasharray="2 2"'}.get(look.line, "")
    return (
        f'<g><title>{status}</title><rect x="{x}" y="{y + 1}" width="{_BOX - 4}" height="{_ROW - 4}" rx="3" '
        f'fill="{look.fill}" stroke="{look.border}"{dashes}/><text x="{x + _BOX / 2 - 2}" y="{y + 15}" '
        f'text-anchor="middle" fill="{TEXT}" aria-hidden="true">{MARKS[status]}</text></g>'
    )
