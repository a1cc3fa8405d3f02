"""Is `.venv` what the course needs, and if not, how does it become so?

`start.py` calls `prepare`. What an installation leaves behind is told by a stamp inside `.venv`: it says `installing`
before the first package is touched and `ready` after the last, so nothing half made is ever taken for whole.
"""

from __future__ import annotations

import ast
import errno
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from failures import explain
from locked import requirements

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = str(SCRIPTS / ("python.exe" if os.name == "nt" else "python"))
STAMP = VENV / "start.json"
LOG = VENV / "start.log"
PINNED = ("pyproject.toml", "requirements.lock")
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
# What may lead an installation elsewhere: of pip's and uv's variables all but those by which packages are reached.
# And what keeps Python from keeping its bytecode, as containers often ask: hundreds of processes would compile anew.
ELSEWHERE = (
    r"(PYTHON(PATH|HOME|USERBASE|DONTWRITEBYTECODE)|__PYVENV_LAUNCHER__)$"
    r"|(PIP|UV)_(?!\w*(INDEX|LINKS|HOST|CERT|PROXY|TLS|TIMEOUT|RETRIES|CACHE|KEYRING|CONFIG_FILE|OFFLINE))"
)
GIGABYTES = {"build": 1.5, "add": 0.5}
# JupyterLab's first question, whether it may fetch news, stands between a learner and the notebook.
NO_NEWS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
PROBE = """
import importlib.util, json, sys
specs = {name: importlib.util.find_spec(name) for name in sys.argv[1:]}
found = {name: spec.origin for name, spec in specs.items() if spec and spec.origin}
print(json.dumps({"python": "%d.%d" % sys.version_info[:2], "prefix": sys.prefix, "found": found}))
"""


class Stop(Exception):
    """What the person at the keyboard has to know and can put right, in one sentence."""


def prepare(module: str, extras: Sequence[str], say: Callable[[str], None]) -> None:
    """Make `.venv` hold the course, `extras` of pyproject.toml and `module`; do nothing when it already does."""
    if look(module, extras)[0] == "nothing":
        return
    try:
        with locked(say) as lock:
            what, why = look(module, extras)  # again: another start may have done it meanwhile
            if what != "nothing":
                say(why + ".")
                began = time.monotonic()
                install(what, extras, say, lock)
                say(f"ready after {time.monotonic() - began:.0f} s.")
    except OSError as error:
        raise Stop(explain(f"{error} (errno {error.errno})", ROOT)[0]) from error


def look(module: str, extras: Sequence[str]) -> tuple[str, str]:
    """What has to be done, `nothing`, `add` (install over what is there) or `build` (from nothing), and why."""
    if not os.path.lexists(VENV):
        return "build", "making .venv, the course's own environment"
    stamp = read_stamp()
    try:  # isolated, or the folder one stands in would count as installed
        command = [PYTHON, "-I", "-c", PROBE, "mlops_lab", "pip", module]
        seen = json.loads(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return "build", ".venv has no working Python; making it anew"
    here = {name for name, origin in seen["found"].items() if is_own(origin)}
    if not is_own(seen["prefix"]) or here != set(seen["found"]):
        return "build", ".venv is damaged; making it anew"
    if seen["python"] != VERSION:
        return "build", f".venv was made for Python {seen['python']}; making it anew for {VERSION}"
    if stamp.get("state") == "installing":
        return "build", "an earlier installation was not finished; making .venv anew"
    if stamp.get("made_for") == fingerprint() and set(extras) <= set(stamp.get("extras", [])):
        if {"mlops_lab", module} <= here:
            return "nothing", ""
        return "build", "packages have vanished from .venv; making it anew"
    if "pip" not in here:
        return "build", ".venv has no pip; making it anew"
    return "add", "bringing .venv up to date"


def is_own(path: str) -> bool:
    """Whether a path lies in the course or its `.venv`, rather than in another Python that shines through."""
    return any(Path(path).resolve().is_relative_to(place) for place in (ROOT, VENV.resolve()))


def fingerprint() -> str:
    """A hash of what decides the packages in `.venv`: where it is, its Python and the two files that name them."""
    digest = hashlib.sha256(f"{ROOT}\n{VERSION}\n".encode("utf-8", "surrogateescape"))
    for name in PINNED:
        digest.update(hashlib.sha256((ROOT / name).read_bytes()).digest())
    return digest.hexdigest()


def read_stamp() -> dict[str, Any]:
    """What an earlier start wrote down about `.venv`; empty when it wrote nothing readable."""
    try:
        stamp = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp: dict[str, Any]) -> None:
    """Write the stamp whole or not at all."""
    new = STAMP.with_suffix(".new")
    new.write_text(json.dumps(stamp), "utf-8")
    new.replace(STAMP)


def variables() -> dict[str, str]:
    """The environment variables of everything started here: `.venv` comes first, what leads elsewhere stays out."""
    kept = {key: value for key, value in os.environ.items() if not re.match(ELSEWHERE, key, re.IGNORECASE)}
    return {**kept, "VIRTUAL_ENV": str(VENV), "PATH": f"{SCRIPTS}{os.pathsep}{kept.get('PATH', os.defpath)}"}


@contextmanager
def locked(say: Callable[[str], None]) -> Iterator[int]:
    """One start at a time may change `.venv`; yields the lock's file descriptor.

    The lock is on this very file, so nothing is left behind, and the installer inherits it: when a start is killed, the
    next one waits until the orphaned installer has ended too.
    """
    with open(__file__, "rb") as file:
        told = False
        while not taken(file.fileno()):
            if not told:
                say("another start is installing just now; waiting for it.")
                told = True
            time.sleep(0.2)
        yield file.fileno()


def taken(descriptor: int) -> bool:
    """Try once to take the lock."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # a locked byte cannot be read there: take one beyond the end
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # a file system without locks is no reason to stop
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def install(what: str, extras: Sequence[str], say: Callable[[str], None], lock: int) -> None:
    """Bring `.venv` to what pyproject.toml and requirements.lock say, with uv, then with pip."""
    old = {} if what == "build" else read_stamp()
    extras = sorted({*extras, *old.get("extras", [])})
    base = getattr(sys, "_base_executable", None) or sys.executable  # the running one may be in .venv, which may go
    uv = shutil.which("uv")
    ways = [("uv", [uv, "venv", "--seed", "--python", base, str(VENV)], [uv, "pip"], ["--python", PYTHON])]
    if not uv:
        ways.clear()
        if what == "build" and not importlib.util.find_spec("ensurepip"):
            raise Stop(f"this Python cannot make environments; on Debian or Ubuntu: apt install python{VERSION}-venv")
    ways.append(("pip", [base, "-m", "venv", str(VENV)], [PYTHON, "-m", "pip"], []))
    for name, make, tool, there in ways:
        if what == "build":
            clear()
        free = shutil.disk_usage(ROOT).free / 1e9
        if free < GIGABYTES[what]:
            raise Stop(f"the disk is nearly full: {free:.1f} GB are free where {GIGABYTES[what]} GB are needed.")
        say(f"installing with {name}; " + ("a minute or two, only once." if what == "build" else "some seconds."))
        code, words = run(make, say, lock) if what == "build" else (0, "")
        if code == 0:
            write_stamp({"state": "installing"})
            code, words = fill([*tool, "install", *there], extras, say, lock)
        if code == 0:
            settings = VENV / "share" / "jupyter" / "lab" / "settings"
            settings.mkdir(parents=True, exist_ok=True)
            (settings / "overrides.json").write_text(json.dumps(NO_NEWS), "utf-8")
            return write_stamp({"state": "ready", "made_for": fingerprint(), "extras": extras})
        sentence, is_whole = explain(words, ROOT)
        if "disk is full" in sentence:
            break
        if name == "uv":  # pip may know an index of which uv was not told
            say("uv could not do it; trying with pip.")
    if is_whole and what == "add":
        write_stamp(old)
    raise Stop(sentence)


def fill(tool: list[str], extras: Sequence[str], say: Callable[[str], None], lock: int) -> tuple[int, str]:
    """Install the packages by their hashes, and then, because a folder has none, the course itself.

    The environments of the engines have lists of their own, of versions without hashes.
    """
    if PINNED[1] != "requirements.lock":
        return run([*tool, "--constraint", PINNED[1], "--editable", f".[{','.join(extras)}]"], say, lock)
    chosen = VENV / "locked.txt"
    chosen.write_text(requirements(extras), "utf-8")
    code, words = run([*tool, "--require-hashes", "--requirement", str(chosen)], say, lock)
    if code == 0:
        code, words = run([*tool, "--no-deps", "--no-build-isolation", "--editable", "."], say, lock)
    return code, words


def clear() -> None:
    """Remove what is left of `.venv`, and find out whether it can be written before anything else needs it."""
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.is_dir():
        shutil.rmtree(VENV)
    elif VENV.exists():
        raise Stop(f"{VENV} is a file, where the course needs a folder; move it away and start again.")
    VENV.mkdir()
    VENV.rmdir()


def configured() -> dict[str, str]:
    """Where a file of pip's own leads an installation elsewhere: the rest of that file as variables, in its place."""
    command = [PYTHON, "-m", "pip", "config", "list"]
    told = subprocess.run(command, env=variables(), capture_output=True, text=True, check=False).stdout
    found = re.findall(r"^(?:global|install)\.([\w-]+)=(['\"].*)$", told, re.MULTILINE)
    names = {f"PIP_{key.upper().replace('-', '_')}": str(ast.literal_eval(value)) for key, value in found}
    kept = {name: value for name, value in names.items() if not re.match(ELSEWHERE, name)}
    return {} if kept == names else {**kept, "PIP_CONFIG_FILE": os.devnull}


def run(command: list[Any], say: Callable[[str], None], lock: int) -> tuple[int, str]:
    """Run a step of the installation; its exit code and its words, which also go to the log."""
    quiet = {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    whole = PINNED[1] == "requirements.lock"  # of an engine's thousands of modules Python compiles those it imports
    quiet |= {"UV_PYTHON_DOWNLOADS": "never", "UV_COMPILE_BYTECODE": str(int(whole))}  # pip compiles by itself
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    if command[1:3] == ["-m", "pip"]:
        quiet |= configured()
    inherited = () if os.name == "nt" else (lock,)
    began = told = time.monotonic()
    presses: list[int] = []
    process, heard = None, None
    hear = signal.signal(signal.SIGINT, lambda *_: presses.append(1))  # until there is something that can be stopped
    try:
        process = subprocess.Popen(command, cwd=ROOT, env={**variables(), **quiet}, pass_fds=inherited, **pipes)
        signal.signal(signal.SIGINT, hear)
        if presses:
            raise KeyboardInterrupt
        while heard is None:
            try:
                heard = process.communicate(timeout=1)[0]  # a wait without an end could miss Ctrl-C
            except subprocess.TimeoutExpired:
                if time.monotonic() - told > 15:
                    told = time.monotonic()
                    say(f"still installing after {told - began:.0f} s ...")
    except BaseException:
        if process:
            process.terminate()
            process.wait()
        raise
    finally:
        signal.signal(signal.SIGINT, hear)
    words = heard.decode("utf-8", "replace")
    if VENV.is_dir():
        with LOG.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(map(str, command))}\n{words}")
    return process.returncode, words
