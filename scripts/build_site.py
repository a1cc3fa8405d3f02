"""The course as a website, built from the notebooks with their stored outputs, docstrings and commands.

    python start.py site [FOLDER]     build it into FOLDER (else build/site) and show it on this machine
    python start.py site --build-only FOLDER

Nothing is executed and nothing is fetched. A warning of Sphinx is an error.
"""

from __future__ import annotations

import ast
import functools
import http.server
import json
import os
import re
import shutil
import sys
import time
import webbrowser
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)\[([^\]\[]*)\]\(([^)\s]+)\)")
CHECK = re.compile(r'\bcheck\("(\d\d\.\d+)"')
#: where a file of the repository stands on the site
PAGES = {
    **{f"notebooks/{path.name}": f"notebooks/{path.name}" for path in sorted(ROOT.glob("notebooks/[0-9]*.ipynb"))},
    "notebooks/teacher/README.md": "teacher.md",
    "notebooks/GLOSSARY.md": "glossary.md",
    "notebooks/CHEATSHEET.md": "cheatsheet.md",
    "ARCHITECTURE.md": "architecture.md",
    "docs/github.md": "github.md",
    "docs/elsewhere.md": "elsewhere.md",
    "CHANGELOG.md": "changelog.md",
    ".github/CONTRIBUTING.md": "contributing.md",
}
LAYERS = {
    "base": "Errors, clock, fingerprint",
    "data": "Features",
    "models": "Training, gates, registry, rollout",
    "pipeline": "DAG and pipelines",
    "ci": "GitHub Actions",
    "adapters": "Engines",
    "delivery": "Serving",
    "teaching": "Drawings, panels, exercises",
    "cli": "Commands",
}


def relink(text: str, source: str, page: str) -> str:
    """Markdown whose relative links lead to the site's pages, or to the repository, or nowhere when there is none."""
    repository = os.environ.get("GITHUB_REPOSITORY", "")

    def link(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        path, _, anchor = target.partition("#")
        file = os.path.normpath(os.path.join(os.path.dirname(source), path)).replace(os.sep, "/")
        if file in PAGES and (ROOT / file).exists():
            relative = os.path.relpath(PAGES[file], os.path.dirname(page) or ".").replace(os.sep, "/")
            place = anchor.lower() if file.endswith(".md") else anchor  # Sphinx names headings as GitHub does
            return f"[{words}]({relative}{'#' + place if place else ''})"
        if picture:
            relative = os.path.relpath(f"pictures/{Path(file).name}", os.path.dirname(page) or ".").replace(os.sep, "/")
            return f"![{words}]({relative})"
        return f"[{words}](https://github.com/{repository}/blob/main/{file})" if repository else words

    return LINK.sub(link, text)


def with_hints(cells: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The cells of a notebook, and below each exercise its hints, folded; its solution stays in the package."""
    from mlops_lab.teaching.checks import all_exercises

    exercises = {each.id: each for each in all_exercises()}
    for number, cell in enumerate(cells):
        yield cell
        found = CHECK.search("".join(cell["source"])) if cell["cell_type"] == "code" else None
        if found and found[1] in exercises:
            hints = [
                f":::{{dropdown}} Hint {place} of {len(exercises[found[1]].hints)}\n{hint}\n:::\n"
                for place, hint in enumerate(exercises[found[1]].hints, 1)
            ]
            yield {"cell_type": "markdown", "id": f"hints-{number}", "metadata": {}, "source": "\n".join(hints)}


def titled(file: str, page: str) -> str:
    """The entry of a notebook in the table of contents: its number and its title."""
    first = json.loads((ROOT / file).read_text("utf-8"))["cells"][0]
    title = "".join(first["source"]).split("\n")[0].lstrip("# ")
    return f"{Path(file).name[:2]} {title} <{page}>"


def write_notebook(file: str, page: Path) -> None:
    """One notebook with its stored outputs, hints below its exercises, links of the site."""
    notebook = json.loads((ROOT / file).read_text("utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = relink("".join(cell["source"]), file, PAGES[file])
        for output in cell.get("outputs", ()):
            if output["output_type"] == "error":  # a raised refusal is part of the lesson, not of the build
                output["traceback"] = output["traceback"][-1:]
            if "image/svg+xml" in output.get("data", {}):
                output["data"].pop("text/html", None)  # the same picture once more, for viewers that take SVG away
    notebook["cells"] = list(with_hints(notebook["cells"]))
    if repository := os.environ.get("GITHUB_REPOSITORY"):
        copy = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/colab/{page.name}"
        where = f"[Run it in Colab]({copy}), or [elsewhere](../elsewhere.md)."
        notebook["cells"].insert(1, {"cell_type": "markdown", "id": "run-it", "metadata": {}, "source": where})
    page.write_text(json.dumps(notebook), "utf-8")


def public_names() -> dict[str, list[str]]:
    """The names of the public list by layer."""
    names: dict[str, list[str]] = defaultdict(list)
    for each in ast.parse((ROOT / "mlops_lab/__init__.pyi").read_text("utf-8")).body:
        if isinstance(each, ast.ImportFrom) and each.module:
            names[each.module.split(".")[0]] += [alias.asname or alias.name for alias in each.names]
    return names


def write_api(folder: Path) -> None:
    """The reference of the public names, a page a layer, from their docstrings."""
    import inspect

    import mlops_lab

    folder.mkdir()
    for layer, names in public_names().items():
        parts = [f"# {LAYERS[layer]}\n"]
        for name in sorted(names, key=str.lower):
            value = getattr(mlops_lab, name)
            kind = "class" if inspect.isclass(value) else "function" if inspect.isroutine(value) else "data"
            if inspect.isclass(value) and issubclass(value, BaseException):
                kind = "exception"
            options = "   :members:\n" if kind in {"class", "exception"} else ""
            if kind == "data":
                shown = json.dumps(value, default=str) if isinstance(value, (dict, str)) else repr(value)
                parts.append(f"## {name}\n\nA `{type(value).__name__}`:\n\n```text\n{shown[:1000]}\n```\n")
                continue
            if inspect.ismodule(value):
                kind, options = "module", "   :members:\n   :no-index:\n"
            target = value.__name__ if inspect.ismodule(value) else f"mlops_lab.{name}"
            parts.append(f"## {name}\n\n```{{eval-rst}}\n.. auto{kind}:: {target}\n{options}```\n")
        (folder / f"{layer}.md").write_text("\n".join(parts), "utf-8")
    listed = "\n".join(f"api/{layer}" for layer in public_names())
    (folder.parent / "api.md").write_text(
        "# The package\n\nEvery name below is imported from `mlops_lab` itself; the pages follow its layers.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n",
        "utf-8",
    )


def write_commands(page: Path) -> None:
    """The reference of the command line: each command's own help."""
    import click

    from mlops_lab.cli.program import program

    parts = ["# The command line\n\nWhat `mlops-lab COMMAND --help` prints.\n"]

    def write(command: click.Command, context: click.Context, depth: int) -> None:
        if depth:
            parts.append(f"{'#' * min(depth + 1, 4)} {context.command_path}\n")
        parts.append(f"```text\n{command.get_help(context)}\n```\n")
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                if inner is not None and not inner.hidden:
                    write(inner, click.Context(inner, info_name=name, parent=context, max_content_width=88), depth + 1)

    write(program, click.Context(program, info_name="mlops-lab", max_content_width=88), 0)
    page.write_text("\n".join(parts), "utf-8")


def write_slides(folder: Path) -> None:
    """The slides of each notebook as a page that stands alone, and the page that lists them."""
    import nbformat
    import static_slides

    (folder / "extra" / "slides").mkdir(parents=True)
    items = []
    for path in sorted(ROOT.glob("notebooks/[0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        page = f"slides/{path.stem}.html"
        (folder / "extra" / page).write_text(static_slides.page(notebook), "utf-8")
        items.append(f'<li><a href="{page}">{titled(f"notebooks/{path.name}", "").partition(" <")[0]}</a></li>')
    words = "One idea a slide, the notes folded below it; `python scripts/static_slides.py` makes them as PDF too."
    (folder / "slides.md").write_text(f"# Slides\n\n{words}\n\n<ul>{''.join(items)}</ul>\n", "utf-8")


def layers() -> str:
    """The picture of the package's layers, from the imports as they are."""
    import draw_layers

    from mlops_lab.teaching.drawing.render import render

    return render(draw_layers.dot(draw_layers.imports()), title="Which package imports from which, by modules").decode()


def write_sources(folder: Path) -> None:
    """All that Sphinx reads."""
    shutil.copytree(ROOT / "site", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "notebooks/teacher/pictures", folder / "pictures")
    (folder / "notebooks").mkdir()
    written = [(file, page) for file, page in PAGES.items() if (ROOT / file).exists()]
    for file, page in written:
        if file.endswith(".ipynb"):
            write_notebook(file, folder / page)
        else:
            text = relink((ROOT / file).read_text("utf-8"), file, page)
            if "\n## " not in text:  # the cheat sheet's small headings, which keep it on one page of paper
                text = text.replace("\n### ", "\n## ")
            if page == "architecture.md":
                (folder / "pictures" / "layers.svg").write_text(layers(), "utf-8")
                picture = "![Which package imports from which, and from how many of its modules](pictures/layers.svg)"
                text = text.replace("\n## ", f"\n{picture}\n\n## ", 1)
            (folder / page).write_text(text, "utf-8")
    write_slides(folder)
    write_api(folder / "api")
    write_commands(folder / "commands.md")
    notebooks = "\n".join(titled(file, page) for file, page in written if file.endswith(".ipynb"))
    others = "\n".join(page for _, page in written if page.endswith(".md") and page != "changelog.md") + "\nslides.md"
    index = relink((folder / "index.md").read_text("utf-8"), "site/index.md", "index.md")
    (folder / "index.md").write_text(index.replace("@notebooks", notebooks).replace("@pages", others), "utf-8")


def build(folder: Path) -> int:
    """Build the site into a folder; the exit code of Sphinx. Earlier contents of a site are replaced."""
    from sphinx.cmd.build import main as sphinx

    if folder.exists() and any(folder.iterdir()) and not (folder / "objects.inv").exists():
        print(f"build_site.py: {folder} is not empty and holds no site; name another folder.", file=sys.stderr)
        return 1
    sources = folder.parent / f"{folder.name}-sources"
    for each in (sources, folder):
        shutil.rmtree(each, ignore_errors=True)
    began = time.monotonic()
    sources.mkdir(parents=True)
    write_sources(sources)
    code = sphinx(
        ["-q", "-W", "--keep-going", "-b", "html", "-d", str(sources / ".doctrees"), str(sources), str(folder)]
    )
    shutil.rmtree(sources)
    if not code:
        for page in folder.rglob("*.html"):  # the theme's arrow beside a page with pages below has no name of its own
            text = page.read_text("utf-8")
            page.write_text(text.replace("<summary><span", '<summary aria-label="pages below"><span'), "utf-8")
        (folder / ".nojekyll").touch()  # Pages would leave out folders that begin with an underscore
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"The site is in {folder}: {size / 1e6:.1f} MB, built in {time.monotonic() - began:.0f} s.")
    return code


def show(folder: Path) -> None:
    """Serve the site on this machine only, until Ctrl-C."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        print(f"Open {address}; Ctrl-C here ends it.", flush=True)
        webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def main(arguments: list[str]) -> int:
    """Build, and unless it is `--build-only` serve it too."""
    named = [each for each in arguments if not each.startswith("-")]
    wrong = [each for each in arguments if each.startswith("-") and each != "--build-only"]
    if wrong or len(named) > 1:
        print("build_site.py: usage: build_site.py [--build-only] [FOLDER]", file=sys.stderr)
        return 1
    folder = Path(named[0] if named else ROOT / "build" / "site").resolve()
    code = build(folder)
    if not code and "--build-only" not in arguments:
        show(folder)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
