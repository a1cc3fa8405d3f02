"""The website: built from the notebooks without a warning, whole in itself, readable by everybody, offline."""

from __future__ import annotations

import functools
import html.parser
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from urllib.parse import unquote, urljoin, urlsplit

import pytest

pytest.importorskip("sphinx_book_theme", reason="the extra `site` is not installed")
import build_site

READ = ("index.html", "notebooks/03_evaluation_gate.html", "api/data.html", "search.html")
WCAG = "{resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as a workflow builds it, and what the build printed."""
    folder = tmp_path_factory.mktemp("built") / "site"
    done = subprocess.run(
        [sys.executable, build_site.__file__, "--build-only", str(folder)],
        env={**os.environ, "GITHUB_REPOSITORY": "somebody/mlops-lab"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


LEADS = {"canonical", "author", "index", "search", "next", "prev"}  # a <link> that loads nothing


class Page(html.parser.HTMLParser):
    """The places that a page leads to, what it loads, and the places in it."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.anchors = set(), set(), set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.anchors |= {value for key, value in attributes if key in {"id", "name"} and value}
        if tag == "a" and named.get("href"):
            self.links.add(named["href"])
        if tag in {"img", "script", "iframe", "link", "source"} and (named.get("src") or named.get("href")):
            self.loads |= {named.get("src") or named["href"]} if named.get("rel") not in LEADS else set()


def broken(folder):
    """The links of a site that lead nowhere, and what its pages would fetch from elsewhere."""
    pages = {path: Page(path) for path in folder.rglob("*.html") if "_static" not in path.parts}
    found = []
    for path, page in pages.items():
        here = path.relative_to(folder).as_posix()
        found += [f"{here} loads {each}" for each in page.loads if each.startswith(("http:", "https:", "//"))]
        for link in page.links | page.loads:
            parts = urlsplit(urljoin(f"http://site/{here}", link))
            if parts.netloc != "site":
                continue
            target = folder / unquote(parts.path).lstrip("/")
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                found.append(f"{here} leads to {link}: no such file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{here} leads to {link}: no such place in the page")
    return sorted(found)


@pytest.mark.nightly
def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site):
    assert broken(site) == []


@pytest.mark.nightly
def test_a_planted_broken_link_anchor_and_foreign_script_are_found(site, tmp_path):
    shutil.copytree(site, tmp_path / "site")
    page = tmp_path / "site" / "commands.html"
    planted = (
        '<a href="nowhere.html">x</a><a href="index.html#nowhere">x</a><script src="https://cdn.example/x.js"></script>'
    )
    page.write_text(page.read_text("utf-8").replace("</body>", planted + "</body>"), "utf-8")

    assert sorted(each.partition(": ")[0] for each in broken(tmp_path / "site")) == [
        "commands.html leads to index.html#nowhere",
        "commands.html leads to nowhere.html",
        "commands.html loads https://cdn.example/x.js",
    ]


@pytest.mark.nightly
def test_every_exercise_has_its_hints_folded_and_no_solution(site):
    from mlops_lab.teaching.checks import all_exercises

    text = {path.name[:2]: path.read_text("utf-8") for path in (site / "notebooks").glob("*.html")}
    plain = {number: html.unescape(page) for number, page in text.items()}
    asked = [each for each in all_exercises() if f'"{each.id}"' in (build_site.ROOT / "notebooks").joinpath(
        next((build_site.ROOT / "notebooks").glob(f"{each.id[:2]}_*.ipynb")).name
    ).read_text("utf-8").replace("\\", "")]  # fmt: skip

    assert len(asked) > 20
    for number in text:
        exercises = [each for each in asked if each.id.startswith(number)]
        assert text[number].count("<details") >= 3 * len(exercises), number
        for each in exercises:
            lines = [line for line in each.solution.strip().splitlines() if line not in each.stub and len(line) > 40]
            assert not [line for line in lines if line in plain[number]], each.id


@pytest.mark.nightly
def test_the_reference_has_every_public_name_and_every_command(site):
    pages = {path.stem: path.read_text("utf-8") for path in (site / "api").glob("*.html")}
    commands = (site / "commands.html").read_text("utf-8")

    for layer, names in build_site.public_names().items():
        assert not [name for name in names if f">{name}<" not in pages[layer]], layer
    for command in ("run", "registry promote", "dag backfill", "workflow simulate", "export"):
        assert f"mlops-lab {command}<" in commands


@pytest.mark.nightly
def test_a_notebook_offers_to_be_run_where_the_repository_is_known(site):
    page = (site / "notebooks/03_evaluation_gate.html").read_text("utf-8")

    assert (
        "colab.research.google.com/github/somebody/mlops-lab/blob/main/notebooks/colab/03_evaluation_gate.ipynb" in page
    )
    assert "mybinder.org/v2/gh/somebody/mlops-lab/main" in page


@pytest.mark.nightly
def test_slides_and_the_picture_of_the_layers_are_there(site):
    slides = sorted(path.stem for path in (site / "slides").glob("*.html"))
    architecture = (site / "architecture.html").read_text("utf-8")

    assert slides == sorted(path.stem for path in build_site.ROOT.glob("notebooks/[0-9]*.ipynb"))
    assert all(f'href="slides/{name}.html"' in (site / "slides.html").read_text("utf-8") for name in slides)
    assert re.search(r'<img [^>]*src="_images/layers\.svg"', architecture)


def test_what_sphinx_reads_has_every_page_name_and_hint(tmp_path):
    """Each day, without a build: that takes its time, at night and whenever a workflow publishes."""
    build_site.write_sources(tmp_path / "sources")

    made = {path.relative_to(tmp_path / "sources").as_posix() for path in (tmp_path / "sources").rglob("*.*")}
    gate = (tmp_path / "sources/notebooks/03_evaluation_gate.ipynb").read_text("utf-8")
    assert {page for file, page in build_site.PAGES.items() if (build_site.ROOT / file).exists()} <= made
    assert {"slides.md", "extra/slides/00_start_here.html", "pictures/layers.svg", "commands.md"} <= made
    assert gate.count(":::{dropdown} Hint 1 of 3") > 2
    for layer, names in build_site.public_names().items():
        page = (tmp_path / "sources" / "api" / f"{layer}.md").read_text("utf-8")
        assert [name for name in names if f"## {name}\n" not in page] == []


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")  # Sphinx's own
def test_a_warning_stops_the_build_and_a_full_folder_is_left_alone(tmp_path, monkeypatch, capfd):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")

    def two_lines(folder):
        (folder / "conf.py").write_text("extensions = ['myst_nb']\n")
        (folder / "index.md").write_text("# A title\n\n[nowhere](nowhere.md)\n")

    monkeypatch.setattr(build_site, "write_sources", two_lines)

    assert build_site.build(tmp_path / "mine") == 1
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "dear"
    assert build_site.build(tmp_path / "site") == 1
    assert "nowhere.md" in capfd.readouterr().err


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that does not talk."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def opened(site):
    """`opened(page, width, scheme)`: a page of the site in a real browser that can reach nothing else."""
    from browser_lab import find_chromium

    if find_chromium() is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}/"
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        outside = []

        def goto(page, width=1280, scheme="light"):
            context = chromium.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
            )
            tab = context.new_page()
            tab.on("request", lambda asked: outside.append(asked.url) if not asked.url.startswith(base) else None)
            tab.on("pageerror", lambda error: outside.append(str(error)))
            tab.goto(base + page)
            return tab

        yield goto
        assert [each for each in outside if not each.startswith(("data:", "blob:"))] == []
        chromium.close()
        server.shutdown()


@pytest.mark.nightly
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_light_and_in_dark(opened, scheme):
    from axe_table import AXE

    found = {}
    for page in READ:
        tab = opened(page, scheme=scheme)
        tab.evaluate(AXE.read_text("utf-8"))
        result = tab.evaluate(f"async () => (await axe.run(document, {WCAG})).violations")
        found |= {f"{page}: {each['id']}": each["nodes"][0]["html"][:200] for each in result}
        tab.context.close()

    assert found == {}


@pytest.mark.nightly
def test_pages_fit_a_telephone(opened):
    wide = {}
    for page in [*READ, "notebooks/08_real_engines.html"]:
        tab = opened(page, width=390)
        wide[page] = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        tab.context.close()

    assert {page: by for page, by in wide.items() if by > 0} == {}


@pytest.mark.nightly
def test_the_search_finds_the_join(opened):
    tab = opened("search.html?q=point-in-time+join")
    tab.wait_for_function("document.querySelector('.search-summary')?.innerText.includes('finished')")
    tab.wait_for_selector("#search-results li:last-of-type a")

    found = tab.locator("#search-results li a").all_inner_texts()
    assert "What was known, and when?" in found, found


@pytest.mark.nightly
def test_a_chapter_prints(opened):
    data = opened("notebooks/03_evaluation_gate.html").pdf()

    assert data.startswith(b"%PDF")
    assert data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") > 5
