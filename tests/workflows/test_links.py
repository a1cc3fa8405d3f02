"""Links in texts and notebooks lead somewhere, and each kind of broken one is found. The web is not asked."""

from __future__ import annotations

import json
import subprocess
import urllib.error
from pathlib import Path

import check_links
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_every_link_of_the_repository_leads_somewhere():
    assert check_links.findings(ROOT) == []


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "b.md").write_text("# One `thing` & *more*\n\n## [Linked](x) heading\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("[x](absent.md)", "no such file"),
        ("[x](b.md#absent)", "no such heading"),
        ("[x](#absent)", "no such heading"),
        ("[x](../outside.md)", "outside the repository"),
        ("![x](absent.png)", "no such file"),
        ('<a href="absent.md">x</a>', "no such file"),
        ("[x][1]\n\n[1]: absent.md", "no such file"),
        ('[x](absent.md "title")', "no such file"),
        ("[x](b.md)", ""),
        ("[x](b.md#one-thing--more)", ""),
        ("[x](b.md#linked-heading)", ""),
        ("`[x](absent.md)`", ""),
        ("```\n[x](absent.md)\n```", ""),
        ("[x](https://example.org/absent)", ""),
        ("[x](mailto:a@example.org)", ""),
    ],
)
@pytest.mark.parametrize("kind", ["md", "ipynb"])
def test_a_link_is_judged_by_where_it_leads(texts, link, why, kind):
    cell = {"cell_type": "markdown", "source": ["# Title\n", "\n", link], "metadata": {}}
    notebook = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    (texts / f"a.{kind}").write_text(f"# Title\n\n{link}\n" if kind == "md" else notebook, encoding="utf-8")

    found = [sentence for sentence in check_links.findings(texts) if sentence.startswith("a.")]

    assert [sentence.endswith(why) for sentence in found] == ([True] if why else [])


def test_an_address_that_is_gone_is_found_and_one_that_refuses_programs_is_not(monkeypatch):
    def answer(request, timeout):
        code = int(request.full_url[-3:])
        raise urllib.error.HTTPError(request.full_url, code, "", None, None)

    monkeypatch.setattr(check_links.urllib.request, "urlopen", answer)

    assert check_links.broken_there("https://example.org/404") == "answers 404"
    assert check_links.broken_there("https://example.org/403") == ""
