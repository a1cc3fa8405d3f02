"""The system below the server, as a folder that becomes an image: Python, a shell, and the libraries that they load.

    python system.py FOLDER PLACE...      PLACE: whatever else runs there; the libraries that it loads come along

No package manager, no compiler and no tools: less to fetch, less to keep patched. Scanners read which packages of
Debian the files are of in var/lib/dpkg/status.d.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

TOOLS = ("dash", "sleep")  # `serve` and `train` are of one line of shell; Kubernetes waits with sleep before it stops
KEPT = ("/etc/ssl", "/usr/lib/ssl", "/usr/share/ca-certificates", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf",
        "/etc/services", "/etc/protocols", "/etc/os-release", "/usr/lib/os-release", "/etc/debian_version",
        "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")  # fmt: skip
# Time zones are in the package tzdata. Of Python stays out what installs, tests, or talks to a terminal or to NIS.
LEFT_OUT = ("site-packages", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tests",
            "tkinter", "turtledemo", "config-*", "curses", "_curses*", "_dbm*", "_gdbm*", "_test*", "_tkinter*",
            "nis.*", "readline*", "distutils")  # fmt: skip
RIGHTS = {"tmp": 0o1777, "var/tmp": 0o1777, "run": 0o755, "proc": 0o555, "sys": 0o555, "dev": 0o755, "root": 0o700}


def told(*command: str) -> str:
    """What a program of the base writes; it may know nothing of some of what it is asked."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603


def put(root: Path, path: Path) -> None:
    """Copy a file or folder to its place below `root`, and what it links to; /lib and /bin are links to /usr."""
    path = path.parent.resolve() / path.name
    target = root / path.relative_to("/")
    if target.exists() or target.is_symlink():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        target.symlink_to(path.readlink())
        if path.exists():
            put(root, path.parent / path.readlink())
    elif path.is_dir():
        shutil.copytree(path, target, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    elif path.exists():
        shutil.copy2(path, target)


def loaded(places: list[Path]) -> set[Path]:
    """The libraries of the system that programs and libraries in these places load."""
    files = [path for place in places for path in (place.rglob("*") if place.is_dir() else [place])]
    binary = [str(path) for path in files if ".so" in path.name or path in places]
    found = {Path(one) for one in re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", told("ldd", *binary), flags=re.MULTILINE)}
    return {path for path in found if not any(path.is_relative_to(place) for place in places)}


def note_packages(root: Path) -> None:
    """Write which packages of Debian the copied files are of."""
    files = [f"/{path.relative_to(root)}" for path in root.rglob("*") if path.is_file() and ".so" in path.name]
    short = [path.removeprefix("/usr") for path in files]  # where /lib is a link to /usr/lib, dpkg says /lib
    known = re.findall(r"^([a-z0-9][^,:\s]*(?::\w+)?): /", told("dpkg", "--search", *files, *short), flags=re.MULTILINE)
    folder = root / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True)
    for name in sorted({*known, "base-files", "ca-certificates", "coreutils", "dash", "netbase"}):
        if about := told("dpkg", "--status", name):
            (folder / name.partition(":")[0]).write_text(about, "utf-8")


def main(target: str, *others: str) -> None:
    """Make the folder."""
    root, stdlib = Path(target), Path(sysconfig.get_path("stdlib"))
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for name, rights in RIGHTS.items():
        (root / name).mkdir(parents=True)
        (root / name).chmod(rights)
    python = Path(sys.executable).resolve()
    programs = [python, *(Path(shutil.which(name) or name) for name in TOOLS)]
    for path in [stdlib, *programs, *map(Path, KEPT)]:
        put(root, path)
    for path in loaded([root / stdlib.relative_to("/"), *programs, *map(Path, others)]):
        put(root, path)
    for name in ("python3", "python"):
        (root / python.relative_to("/")).with_name(name).symlink_to(python.name)
    (root / "usr/bin/sh").symlink_to("dash")
    note_packages(root)


main(*sys.argv[1:])
