"""Which rules does the text of a notebook keep: its headings, its links, its source, its exercises?"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import nbformat
from stored_notebook import Stored, from_source, serialise, texts, tree

from mlops_lab.teaching.checks import Exercise, all_exercises, all_quizzes

__all__ = ["built", "exercises", "headings", "links", "needles", "squeeze", "unsolved"]


def headings(stored: Stored) -> Iterator[str]:
    """One title, a question, in the first cell; below it no level is skipped."""
    found = []
    for cell in stored.markdown:
        text = re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.M | re.S)
        found += [(len(marks), title, cell.id) for marks, title in re.findall(r"^(#{1,6})\s+(.+?)\s*$", text, re.M)]
    first = stored.notebook.cells[0] if stored.notebook.cells else None
    if not found or found[0][0] != 1 or first is None or found[0][2] != first.id:
        yield "the first cell does not begin with a title"
        return
    if not found[0][1].endswith("?"):
        yield f"the title {found[0][1]!r} is not a question"
    for (before, _, _), (level, title, cell) in pairwise(found):
        if level == 1:
            yield f"cell {cell} has a second title, {title!r}"
        if level > before + 1:
            yield f"the heading {title!r} in cell {cell} skips a level"


def links(stored: Stored) -> Iterator[str]:
    """What a relative link points to exists."""
    for cell in stored.markdown:
        for target in re.findall(r"\]\(([^)\s]+)", cell.source):
            if re.match(r"[a-z]+:|#|//", target):
                continue
            if target.startswith("/") or not (stored.path.parent / target.split("#")[0]).exists():
                yield f"cell {cell.id} links to {target}, which is not there"


def built(stored: Stored) -> Iterator[str]:
    """The notebook is what its source makes of it, in the layout the build writes."""
    wanted = from_source(stored.source)
    if [_plain(cell) for cell in wanted.cells] != [_plain(cell) for cell in stored.notebook.cells]:
        pairs = zip(wanted.cells, stored.notebook.cells, strict=False)
        where = next((a.id for a, b in pairs if _plain(a) != _plain(b)), "count")
        yield f"differs from its source (cell {where}); run scripts/build_notebooks.py {stored.path.stem}"
    if stored.notebook.metadata != wanted.metadata:
        yield f"carries other metadata than the build writes: {', '.join(sorted(stored.notebook.metadata))}"
    views = [cell.id for cell, output in stored.outputs("data") if any("widget-view" in kind for kind in output.data)]
    if views:
        yield f"keeps widget views in {', '.join(views)}"
    try:
        same = serialise(stored.notebook) == stored.data
    except nbformat.ValidationError as error:
        yield f"is no valid notebook: {error.message[:80]}"
        return
    if not same:
        yield "is not laid out as the build writes it (key order, line ends, indentation)"


def _plain(cell: Any) -> tuple[str, str, str, dict[str, Any]]:
    return cell.cell_type, cell.id, cell.source, dict(cell.metadata)


def exercises(stored: Stored) -> Iterator[str]:
    """Each exercise and quiz of this notebook is asked once, above its stub, and stored unanswered."""
    asked: dict[str, list[Any]] = {}
    for cell in stored.code:
        for node in ast.walk(tree(cell)):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if name in {"check", "quiz"} and node.args and isinstance(node.args[0], ast.Constant):
                asked.setdefault(str(node.args[0].value), []).append(cell)
    course = stored.path.parent.name != "teacher"  # the teacher's notebooks have numbers, too, and no exercises
    every = (*all_exercises(), *all_quizzes()) if course else ()
    mine = {one.id: one for one in every if one.id.startswith(stored.number + ".")}
    for entry in asked.keys() - mine.keys():
        yield f"cell {asked[entry][0].id} asks {entry}, which is not in mlops_lab.teaching.checks.nb{stored.number}"
    for entry, one in mine.items():
        if len(asked.get(entry, [])) != 1:
            yield f"{entry} is asked {len(asked.get(entry, []))} times, not once"
        elif isinstance(one, Exercise):
            cell = asked[entry][0]
            if one.stub.strip() not in cell.source:
                yield f"cell {cell.id} asks {entry} without its stub above it, word for word"
            if not any(f"{entry} not attempted" in text for output in cell.outputs for text in texts(output)):
                yield f"cell {cell.id} stores another answer to {entry} than not attempted"


def unsolved(stored: Stored) -> Iterator[str]:
    """No solution stands in a cell, in a text or in an output, commented out or reformatted."""
    hay = []
    for cell in stored.notebook.cells:
        hay.append((cell.id, squeeze(cell.source)))
        if cell.cell_type == "code":
            hay.append((cell.id, squeeze(ast.unparse(tree(cell)))))
            hay += [(cell.id, squeeze(text)) for output in cell.outputs for text in texts(output)]
    for exercise in all_exercises():
        if exercise.id.startswith(stored.number + "."):
            known_by = needles(exercise)
            places = sorted({cell for cell, text in hay if any(needle in text for needle in known_by)})
            if places:
                yield f"the solution of {exercise.id} stands in {', '.join(places)}"


def squeeze(text: str) -> str:
    """Text without what a leak may be dressed in: spaces, comment signs, kind of quotes."""
    return re.sub(r"[\s#>`]+", "", text).replace("'", '"')


def needles(exercise: Exercise) -> list[str]:
    """By what a solution is known: its statements that the stub lacks, and the bodies of its functions."""
    known = {ast.unparse(statement) for statement in ast.parse(exercise.stub).body}
    found = []
    for statement in ast.parse(exercise.solution).body:
        if isinstance(statement, ast.Import | ast.ImportFrom) or ast.unparse(statement) in known:
            continue
        segments = [ast.get_source_segment(exercise.solution, statement) or "", ast.unparse(statement)]
        if isinstance(statement, ast.FunctionDef):
            body = [part for part in statement.body if not _is_text(part)]
            segments.append("\n".join(ast.unparse(part) for part in body))
        found += [needle for segment in segments if len(needle := squeeze(segment)) > 4]
    return found


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
