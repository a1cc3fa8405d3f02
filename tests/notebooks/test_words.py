"""One word for one thing: what a learner, a teacher or a user of a command reads has none of our own old words."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from notebook_kernel import REPOSITORY

#: The old word, and the word of the field that stands for it now.
WORDS = {
    r"on paper": "offline",
    r"in service(?![.\w])": "served, as served",
    r"on (?:the|that|a) chart": "offline",
    r"(?:the|a) doors?\b|doors? (?:opens?|only)": "router, share of the traffic",
    r"legs? of (?:a|the) matrix|matrix'? legs?|no leg\b|\d legs\b": "job of a matrix",
    r"happenings?|tellings?": "event options, access log",
    r"the (?:house|floor) rules?": "project",
    r"stand-ins? for (?:a|the) action": "stub",
}
PAGES = (
    "README.md",
    "notebooks/*.md",
    "notebooks/teacher/*.md",
    "notebooks/src/[0-9]*.py",
    "notebooks/teacher/src/*.py",
)
CODE = ("mlops_lab/teaching/**/*.py", "mlops_lab/cli/**/*.py", "mlops_lab/models/**/*.py")


def faults(text: str) -> list[str]:
    """The old words in a text, with the word that is meant."""
    found = []
    for old, new in WORDS.items():
        found += [f"{one.group()} (say {new})" for one in re.finditer(rf"\b(?:{old})", text, re.I)]
    return found


def _texts(path: Path) -> Iterator[str]:
    """What a reader meets of a file: of code its texts, docstrings included, and of a page all."""
    if path.suffix == ".toml":
        yield str(tomllib.loads(path.read_text("utf-8")))
    elif path.suffix == ".py" and "notebooks" not in path.parts:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    else:
        yield re.sub(r"\s*\n# ?", " ", path.read_text("utf-8"))


def _files() -> list[Path]:
    patterns = (*PAGES, *CODE, "mlops_lab/teaching/checks/*.toml")
    return sorted({path for pattern in patterns for path in REPOSITORY.glob(pattern)})


def test_no_text_has_an_old_word() -> None:
    found = {str(path.relative_to(REPOSITORY)): told for path in _files() if (told := faults(" ".join(_texts(path))))}

    assert len(_files()) > 80
    assert found == {}


@pytest.mark.parametrize(
    "planted", ["0.90 on paper", "good in service", "the door opens", "the legs of a matrix: 5 legs", "on that chart"]
)
def test_a_planted_word_is_seen(planted: str) -> None:
    assert faults(planted)
    assert not faults("offline and as served, a router, the aircraft's last leg, a service, 5 jobs, next door")
