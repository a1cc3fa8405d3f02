"""Does every link in the texts and notebooks lead somewhere?

    python scripts/check_links.py              files and headings of this repository; no network
    python scripts/check_links.py --external   ask the web for the addresses too

Prints `file:line: link: why` for each broken one; the exit code is 1 when there is one.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
_FENCE = re.compile(r"^( *)(```+|~~~+).*?^ *\2 *$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'][^)]*)?\)|^ *\[[^\]]+\]:\s+(\S+)|(?:href|src)=\"([^\"]+)\"|<(https?://[^>\s]+)>",
    re.MULTILINE,
)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$", re.MULTILINE)
_AGENT = {"User-Agent": "mlops-lab link check"}
_SECONDS = 20
_ALIVE = (401, 403, 405, 429, 999)  # there, and not for programs


def texts(path: Path) -> list[tuple[int, str]]:
    """The Markdown of a file, without its code, as (line it begins at, text); a notebook's, cell by cell from 1."""
    raw = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return [(1, _without_code(raw))]
    cells = json.loads(raw)["cells"]
    return [
        (number, _without_code("".join(cell["source"])))
        for number, cell in enumerate(cells, start=1)
        if cell["cell_type"] == "markdown"
    ]


def _without_code(text: str) -> str:
    blanked = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    return re.sub(r"(`+)[^`\n]+\1", "", blanked)


def anchors(path: Path) -> set[str]:
    """The names that a heading can be called by: GitHub's, and Jupyter's for a notebook."""
    found: set[str] = set()
    for _, text in texts(path) if path.suffix in (".md", ".ipynb") else ():
        for heading in _HEADING.findall(path.read_text("utf-8") if path.suffix == ".md" else text):
            plain = re.sub(r"[`*]|\b_|_\b|\[([^\]]*)\]\([^)]*\)", lambda each: each[1] or "", heading)
            found |= {re.sub(r"[^\w\- ]", "", plain).lower().replace(" ", "-"), plain.replace(" ", "-")}
        found |= set(re.findall(r'(?:id|name)="([^"]+)"', text))
    return found


def links(path: Path) -> Iterator[tuple[int, str]]:
    """The links of a file with their lines; in a notebook, with the number of the cell."""
    for begin, text in texts(path):
        for match in _LINK.finditer(text):
            line = begin if path.suffix == ".ipynb" else begin + text.count("\n", 0, match.start())
            yield line, next(group for group in match.groups() if group)


def broken_here(path: Path, link: str, root: Path) -> str:
    """Why a link to the repository itself leads nowhere; the empty string when it leads somewhere, or elsewhere."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or link.startswith("attachment:"):
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_relative_to(root):
        return "is outside the repository"
    if not target.exists():
        return "there is no such file"
    fragment = unquote(parts.fragment)
    if fragment and target.suffix in (".md", ".ipynb") and fragment not in anchors(target):
        return f"{target.name} has no such heading"
    return ""


def broken_there(link: str) -> str:
    """Why an address of the web does not answer; the empty string when it does."""
    address = link.partition("#")[0]
    for method in ("HEAD", "GET"):
        request = urllib.request.Request(address, method=method, headers=_AGENT)  # noqa: S310 (http and https only)
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310
                return ""
        except urllib.error.HTTPError as error:
            if error.code in _ALIVE:
                return ""
            why = f"answers {error.code}"
        except (OSError, ValueError) as error:
            why = f"does not answer: {error}"
    return why


def files(root: Path) -> list[Path]:
    """The texts and notebooks that git knows."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md", "*.ipynb"]
    done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    return sorted(path for name in done.stdout.decode().split("\0") if name and (path := root / name).is_file())


def findings(root: Path, *, external: bool = False) -> list[str]:
    """One sentence for each broken link."""
    found: list[str] = []
    asked: dict[str, str] = {}
    for path in files(root):
        for line, link in links(path):
            why = broken_here(path, link, root)
            if external and urlsplit(link).scheme in ("http", "https") and urlsplit(link).hostname != "localhost":
                address = link.partition("#")[0]
                if address not in asked:
                    asked[address] = broken_there(address)
                why = asked[address]
            if why:
                found.append(f"{path.relative_to(root).as_posix()}:{line}: {link}: {why}")
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Look for broken links.")
    parser.add_argument("--external", action="store_true", help="ask the web for the addresses too")
    found = findings(ROOT, external=parser.parse_args(arguments).external)
    print("\n".join(found) or "every link leads somewhere")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
