"""Which rules do the cells and outputs of a notebook keep, beyond what nbval compares?

Each function is one rule: it takes a `Stored` notebook and yields a sentence for every place where it is broken.
"""

from __future__ import annotations

import ast
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from notebook_kernel import REPOSITORY, page_of_picture
from stored_notebook import Stored, python, texts, tree

__all__ = [
    "alternatives",
    "calls",
    "errors",
    "executed",
    "magics",
    "quiet",
    "reproducible",
    "shown",
    "sizes",
    "tags",
]

PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
ALLOWED_MAGICS = ("run_line_magic('matplotlib', 'inline')",)
FORBIDDEN_CALLS = frozenset(
    {"interact", "interact_manual", "interactive", "interactive_output", "Output", "clear_output", "input"}
    | {"update_display", "getpass", "get_ipython", "breakpoint"}
)
CODE_LINES = 15
FILE_BYTES = 1_000_000
OUTPUT_BYTES = 300_000
UNREPRODUCIBLE = {
    "a path": re.compile(
        r"(?<![\w./:<])/(?:home|root|tmp|var|usr|opt|mnt|private|Users|work|workspace|builds)/\w|\b[A-Z]:\\\w"
        r"|site-packages|ipykernel_\d"
    ),
    "an address in memory": re.compile(r"\b0x[0-9a-f]{6,}\b"),
    "a random id": re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b[0-9a-f]{32}\b|\bT_[0-9a-f]{5}\b"),
    "a date of these days": re.compile(r"\b20(?:2[4-9]|[3-9]\d)-[01]\d-[0-3]\d"),
    "a duration": re.compile(
        r"CPU times|Wall time|\b(?:took|elapsed)\b[^\n]{0,12}\d|\b\d+\.\d{2,}\s?(?:s|sec|seconds|ms|µs)\b"
        r"|\d\s?(?:ms|µs)\s±"
    ),
}


def executed(stored: Stored) -> Iterator[str]:
    """Every code cell was run once, in order, 1 to n."""
    for expected, cell in enumerate(stored.code, 1):
        if cell.execution_count != expected:
            yield f"cell {cell.id} has the execution count {cell.execution_count}, not {expected}"
        for output in cell.outputs:
            if output.get("execution_count", expected) != expected:
                yield f"an output of cell {cell.id} is from another execution, {output.execution_count}"


def shown(stored: Stored) -> Iterator[str]:
    """A cell that ends in something to look at has something to look at; a call may return nothing."""
    for cell in stored.code:
        body = tree(cell).body
        last = body[-1].value if body and isinstance(body[-1], ast.Expr) else None
        prints = isinstance(last, ast.Call) and isinstance(last.func, ast.Name) and last.func.id in {"print", "display"}
        silent = last is None or cell.source.rstrip().endswith(";") or isinstance(last, ast.Await | ast.Constant)
        if not silent and (prints or not isinstance(last, ast.Call)) and not cell.outputs:
            yield f"cell {cell.id} ends in {ast.unparse(last)!r} and shows nothing"  # type: ignore[arg-type]
        if not cell.source.strip():
            yield f"cell {cell.id} is empty"


def errors(stored: Stored) -> Iterator[str]:
    """No cell failed but those meant to, and those did."""
    for cell in stored.code:
        failed = any(output.output_type == "error" for output in cell.outputs)
        expected = "raises-exception" in cell.metadata.get("tags", [])
        if failed and not expected:
            yield f"cell {cell.id} failed"
        if expected and not failed:
            yield f"cell {cell.id} is tagged raises-exception and raised nothing"


def quiet(stored: Stored) -> Iterator[str]:
    """Nothing on standard error."""
    for cell, output in stored.outputs("stream"):
        if output.name != "stdout":
            yield f"cell {cell.id} wrote to {output.name}: {output.text[:80]!r}"


def tags(stored: Stored) -> Iterator[str]:
    """No tag, comment or other metadata that tells a tool to look away; no raw cells, no attachments."""
    for cell in stored.notebook.cells:
        other = set(cell.metadata) - {"tags"} | set(cell.metadata.get("tags", [])) - {"raises-exception"}
        if other:
            yield f"cell {cell.id} carries {', '.join(sorted(other))}"
        if re.search(r"NBVAL_|PYTEST_VALIDATE", cell.source):
            yield f"cell {cell.id} tells nbval what to do"
        if cell.cell_type == "raw" or cell.get("attachments"):
            yield f"cell {cell.id} is raw or has attachments"


def magics(stored: Stored) -> Iterator[str]:
    """No magics and no shell commands: nbval passes unknown ones and failing ones."""
    for cell in stored.code:
        for line in python(cell).splitlines():
            if "get_ipython()." in line and not any(allowed in line for allowed in ALLOWED_MAGICS):
                yield f"cell {cell.id} uses a magic or a shell command: {line.strip()[:80]}"


def calls(stored: Stored) -> Iterator[str]:
    """No call that hides errors, that nbval cannot follow, or that waits for somebody."""
    for cell in stored.code:
        for node in ast.walk(tree(cell)):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                updates = name == "display" and any(keyword.arg == "display_id" for keyword in node.keywords)
                magic = name == "get_ipython" and "get_ipython" not in cell.source
                if (name in FORBIDDEN_CALLS and not magic) or updates:
                    yield f"cell {cell.id} calls {name}{' with display_id' if updates else ''}"
            decorators = getattr(node, "decorator_list", [])
            if any("interact" in ast.unparse(decorator) for decorator in decorators):
                yield f"cell {cell.id} decorates with interact"


def reproducible(stored: Stored) -> Iterator[str]:
    """No path, address, random id, date of these days or duration in an output."""
    here = [str(REPOSITORY), str(Path.home()), tempfile.gettempdir()]
    for cell in stored.code:
        for text in (text for output in cell.outputs for text in texts(output)):
            for name, pattern in UNREPRODUCIBLE.items():
                if found := pattern.search(text):
                    yield f"an output of cell {cell.id} holds {name}: {text[found.start() :][:60]!r}"
            for folder in here:
                if len(folder) > 3 and folder in text:
                    yield f"an output of cell {cell.id} names a folder of this machine"


def sizes(stored: Stored) -> Iterator[str]:
    """A file that GitHub shows, outputs that a reader reads, cells that do one thing."""
    if len(stored.data) > FILE_BYTES:
        yield f"the file has {len(stored.data):,} bytes; at most {FILE_BYTES:,}"
    for cell in stored.code:
        lines = [line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#")]
        if len(lines) > CODE_LINES:
            yield f"cell {cell.id} has {len(lines)} lines of code; at most {CODE_LINES}"
        size = sum(len(json.dumps(output)) for output in cell.outputs)
        if size > OUTPUT_BYTES:
            yield f"the outputs of cell {cell.id} have {size:,} bytes; at most {OUTPUT_BYTES:,}"


def alternatives(stored: Stored) -> Iterator[str]:
    """Every picture says in words what it shows."""
    for cell, output in stored.outputs("data"):
        words = output.data.get("text/plain", "").strip()
        if any(kind in output.data for kind in PICTURES) and (len(words) < 20 or re.fullmatch(r"<.*>", words, re.S)):
            yield f"a picture of cell {cell.id} has no words but {words!r}"
        yield from _unnamed(output.data.get("text/html", ""), f"cell {cell.id}")
        picture = output.data.get("image/svg+xml")
        if picture and output.data.get("text/html") != page_of_picture(picture, output.data.get("text/plain", "")):
            yield f"a picture of cell {cell.id} cannot be seen where the notebook is not signed; build it again"
    for cell in stored.markdown:
        if re.search(r"!\[\s*\]\(", cell.source):
            yield f"a picture in cell {cell.id} has an empty alternative"
        yield from _unnamed(cell.source, f"cell {cell.id}")


def _unnamed(html: str, where: str) -> Iterator[str]:
    for found in re.finditer(r"<img\b[^>]*>", html):
        if not re.search(r"\balt\s*=\s*(\"[^\"]+\"|'[^']+')", found.group()):
            yield f"an <img> in {where} has no alt"
    for found in re.finditer(r"<svg\b.*?</svg>", html, re.S):
        if not re.search(r"aria-label(ledby)?\s*=|<title|aria-hidden\s*=\s*[\"']true", found.group()):
            yield f"an <svg> in {where} has no name"
