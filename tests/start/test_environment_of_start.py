"""scripts/environment.py: what it finds in `.venv`, what it does about it, and how it explains a failure."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
posix_only = pytest.mark.skipif(os.name == "nt", reason="plants programs as shell scripts")
READY = {"state": "ready", "extras": ["test"]}


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The module as it stands in a clone of its own, without uv on the path."""
    for name in (
        "scripts/environment.py",
        "scripts/failures.py",
        "scripts/locked.py",
        "pyproject.toml",
        "requirements.lock",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.syspath_prepend(tmp_path / "scripts")
    for name in ("failures", "locked"):  # those of another clone, which is gone
        monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.spec_from_file_location("environment_in_a_clone", tmp_path / "scripts/environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return module


def plant(environment, *modules, stamp=None):
    """A working environment that holds empty `modules`."""
    base = sys._base_executable
    subprocess.run([base, "-m", "venv", "--without-pip", environment.VENV], check=True)
    place = next(environment.VENV.glob("[Ll]ib*/**/site-packages"))
    for name in modules:
        (place / f"{name}.py").touch()
    if stamp is not None:
        environment.STAMP.write_text(json.dumps(stamp))


def ready(environment):
    return {**READY, "made_for": environment.fingerprint()}


def test_nothing_there_is_built(environment):
    assert environment.look("pytest", ["test"])[0] == "build"


def test_a_matching_stamp_needs_nothing(environment):
    plant(environment, "mlops_lab", "pytest", stamp=ready(environment))

    assert environment.look("pytest", ["test"]) == ("nothing", "")


def test_fewer_extras_than_installed_need_nothing(environment):
    plant(environment, "mlops_lab", "jupyterlab", stamp=ready(environment))

    assert environment.look("jupyterlab", [])[0] == "nothing"


def test_more_extras_than_installed_are_added(environment):
    plant(environment, "mlops_lab", "pytest", "pip", stamp={**ready(environment), "extras": []})

    assert environment.look("pytest", ["test"])[0] == "add"


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_a_changed_requirement_is_brought_up_to_date(environment, name):
    plant(environment, "mlops_lab", "pytest", "pip", stamp=ready(environment))
    with (environment.ROOT / name).open("a") as file:
        file.write("# changed\n")

    assert environment.look("pytest", ["test"])[0] == "add"


def test_an_environment_made_by_hand_is_kept_and_filled(environment):
    plant(environment, "pip")

    assert environment.look("pytest", ["test"])[0] == "add"


def break_python(environment):
    Path(environment.PYTHON).unlink()


def break_python_link(environment):
    break_python(environment)
    Path(environment.PYTHON).symlink_to("/nowhere/python")


def interrupt(environment):
    environment.write_stamp({"state": "installing"})


def lose_a_package(environment):
    next(environment.VENV.glob("[Ll]ib*/**/pytest.py")).unlink()


def forget(environment):
    environment.STAMP.unlink()


def let_another_python_shine_through(environment):
    lose_a_package(environment)
    (environment.VENV / "pyvenv.cfg").write_text("")


@posix_only
@pytest.mark.parametrize(
    "damage", [break_python, break_python_link, interrupt, lose_a_package, forget, let_another_python_shine_through]
)
def test_a_damaged_environment_is_built_anew(environment, damage):
    plant(environment, "mlops_lab", "pytest", stamp=ready(environment))

    damage(environment)

    assert environment.look("pytest", ["test"])[0] == "build"


def test_an_environment_of_another_python_is_built_anew(environment, monkeypatch):
    plant(environment, "mlops_lab", "pytest", "pip", stamp=ready(environment))

    monkeypatch.setattr(environment, "VERSION", "3.99")

    what, why = environment.look("pytest", ["test"])
    assert what == "build"
    assert why.endswith("making it anew for 3.99")


@pytest.mark.parametrize("damage", ["", "garbage", "[]", '{"state": '])
def test_a_damaged_stamp_counts_as_none(environment, damage):
    plant(environment, "mlops_lab", "pytest", "pip")
    environment.STAMP.write_text(damage)

    assert environment.read_stamp() == {}
    assert environment.look("pytest", ["test"])[0] == "add"


def fake_uv(tmp_path, monkeypatch, on_install: str) -> None:
    """A uv that makes a bare environment and then does what the test says."""
    folder = tmp_path / "bin"
    folder.mkdir()
    make = f'for last; do :; done; exec "{sys._base_executable}" -m venv --without-pip "$last"'
    ways = f'venv*) {make} ;; *--editable*) echo "told: $*" ;; *) {on_install} ;;'
    (folder / "uv").write_text(f'#!/bin/sh\ncase "$*" in {ways} esac\n')
    (folder / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


class Gate:
    """A named pipe on which an installer and a test wait for each other."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR)  # both ends, so that opening never waits

    def passed(self) -> bool:
        return bool(select.select([self.descriptor], [], [], 60)[0]) and bool(os.read(self.descriptor, 100))

    def open(self) -> None:
        os.write(self.descriptor, b"go\n")


@pytest.fixture
def gates(tmp_path):
    """`began`, which the installer opens, and `go`, for which it waits; and the shell words for both."""
    began, go = Gate(tmp_path / "began"), Gate(tmp_path / "go")
    yield began, go, f'echo > "{began.path}"; read line < "{go.path}"'
    go.open()
    os.close(began.descriptor)
    os.close(go.descriptor)


@posix_only
def test_an_installation_leaves_a_stamp_and_silences_the_news(environment, tmp_path, monkeypatch):
    fake_uv(tmp_path, monkeypatch, "echo told: $@")

    environment.prepare("pytest", ["test"], [].append)

    assert json.loads(environment.STAMP.read_text()) == ready(environment)
    packages, course = re.findall(r"^told: (.*)", environment.LOG.read_text(), re.MULTILINE)
    there = f"pip install --python {environment.PYTHON}"
    assert packages == f"{there} --require-hashes --requirement {environment.VENV / 'locked.txt'}"
    assert course == f"{there} --no-deps --no-build-isolation --editable ."
    assert "\npytest==" in (environment.VENV / "locked.txt").read_text()
    settings = environment.VENV / "share/jupyter/lab/settings/overrides.json"
    assert json.loads(settings.read_text())["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


@posix_only
def test_pip_is_tried_where_uv_fails(environment, tmp_path, monkeypatch):
    fake_uv(tmp_path, monkeypatch, "exit 1")
    steps = []

    def run(command, say, lock):
        steps.append(Path(command[0]).name + " " + " ".join(map(str, command[1:3])))
        environment.VENV.mkdir(exist_ok=True)
        return (1 if "uv" in steps[-1] else 0), "uv is not told of the index"

    monkeypatch.setattr(environment, "run", run)

    environment.prepare("pytest", ["test"], [].append)

    assert [step.split(" ", 1)[1] for step in steps] == ["venv --seed", "-m venv", "-m pip", "-m pip"]


def child(environment, code: str) -> subprocess.Popen[bytes]:
    head = f"import sys; sys.path.insert(0, r'{environment.ROOT}/scripts'); import environment as e; "
    quiet = subprocess.DEVNULL

    def hearing() -> None:  # what a test before this one, or a shell, made deaf to Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen([sys.executable, "-c", head + code], stdout=quiet, stderr=quiet, preexec_fn=hearing)


@posix_only
def test_a_second_start_waits_for_the_first(environment, tmp_path, monkeypatch, gates):
    began, go, wait = gates
    fake_uv(tmp_path, monkeypatch, wait)
    first = child(environment, "e.prepare('pytest', ['test'], print)")
    assert began.passed()
    said = []

    def say(text):
        said.append(text)
        go.open()  # only now may the first one end
        assert first.wait(60) == 0
        place = next(environment.VENV.glob("lib/*/site-packages"))
        for name in ("mlops_lab", "pytest"):  # what the fake did not install
            (place / f"{name}.py").touch()

    environment.prepare("pytest", ["test"], say)

    assert said == ["another start is installing just now; waiting for it."]


@posix_only
def test_a_killed_start_holds_the_lock_until_its_installer_has_ended(environment, tmp_path, monkeypatch, gates):
    began, go, wait = gates
    fake_uv(tmp_path, monkeypatch, wait)
    victim = child(environment, "e.prepare('pytest', [], print)")
    assert began.passed()

    victim.kill()
    victim.wait(60)

    said = []
    with environment.locked(lambda text: (said.append(text), go.open())):
        assert said == ["another start is installing just now; waiting for it."]
        assert environment.look("pytest", [])[1].startswith("an earlier installation was not finished")


@posix_only
def test_ctrl_c_stops_the_installer_and_the_next_start_repairs(environment, tmp_path, monkeypatch, gates):
    began, _, wait = gates
    fake_uv(tmp_path, monkeypatch, wait)
    interrupted = child(environment, "e.prepare('pytest', [], print)")
    assert began.passed()

    interrupted.send_signal(signal.SIGINT)

    assert interrupted.wait(60) != 0
    with environment.locked(pytest.fail):  # free at once: the installer was stopped too
        assert environment.look("pytest", [])[1].startswith("an earlier installation was not finished")


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize("when", ["before the start knows its installer", "with an installer that is slow to stop"])
def test_ctrl_c_at_a_bad_moment_leaves_no_installer_behind(environment, tmp_path, monkeypatch, gates, when):
    began, _, wait = gates
    slow = "trap 'sleep 1; exit 1' TERM; "
    fake_uv(tmp_path, monkeypatch, f"{slow if 'slow' in when else ''}{wait}")
    press = """
import os, signal, subprocess, sys
class Pressed(subprocess.Popen):
    def _execute_child(self, *rest):
        super()._execute_child(*rest)
        if "pip" in self.args[1]:
            os.kill(os.getpid(), signal.SIGINT)
e.subprocess.Popen = Pressed
e.prepare("pytest", [], print)
"""
    program = press if "before" in when else "e.prepare('pytest', [], print)"
    interrupted = child(environment, f"exec({program!r})")
    if "slow" in when:
        assert began.passed()
        interrupted.send_signal(signal.SIGINT)

    assert interrupted.wait(60) == -signal.SIGINT
    with environment.locked(pytest.fail):  # which the installer would hold
        assert environment.look("pytest", [])[1].startswith("an earlier installation was not finished")


def test_a_nearly_full_disk_is_refused_before_anything_is_made(environment, monkeypatch):
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 10**9))

    with pytest.raises(environment.Stop, match=r"nearly full: 1.0 GB are free where 1.5 GB are needed"):
        environment.prepare("pytest", ["test"], [].append)

    assert not environment.VENV.exists()


def test_a_python_without_ensurepip_names_the_debian_package(environment, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        environment.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else found(name)
    )

    with pytest.raises(environment.Stop, match=r"apt install python3\.\d+-venv"):
        environment.prepare("pytest", ["test"], [].append)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, "cannot be written"),
        (errno.EROFS, "cannot be written"),
        (errno.EPERM, "cannot be written"),
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC, "the disk is full"),
        (errno.EIO, "could not be installed"),
    ],
)
def test_a_system_error_becomes_a_sentence(environment, monkeypatch, number, sentence):
    def refuse():
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(environment, "clear", refuse)

    with pytest.raises(environment.Stop, match=sentence):
        environment.prepare("pytest", ["test"], [].append)


@pytest.mark.parametrize(
    ("words", "sentence", "is_whole"),
    [
        ("ERROR: [Errno 28] No space left on device", "disk is full", False),
        ("OSError: [WinError 112] There is not enough space on the disk", "disk is full", False),
        ("NewConnectionError(... Connection refused)\nERROR: No matching distribution found for x", "network", True),
        ("error: Failed to fetch: `x`\n Caused by: dns error", "network", True),
        ("SSLError(SSLCertVerificationError(1, 'certificate_verify_failed'))", "network", True),
        ("ERROR: Could not find a version (from versions: none)\nERROR: No matching distribution", "network", True),
        ("ERROR: No matching distribution found for numpy==2.4.6", "does not exist for Python", True),
        ("ERROR: [WinError 5] Access is denied: 'python.exe'", "cannot be written", False),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "by their hashes", False),
        ("error: Hash mismatch for `x==1`", "by their hashes", False),
        ("ERROR: Failed building wheel for x", "start.log", False),
    ],
)
def test_the_words_of_an_installer_become_a_sentence(environment, words, sentence, is_whole):
    told, whole = environment.explain(words, environment.ROOT)

    assert sentence in told
    assert "\n" not in told
    assert whole is is_whole


def test_a_failed_update_without_network_leaves_the_old_environment_usable(environment, monkeypatch):
    old = {**ready(environment), "extras": []}
    plant(environment, "mlops_lab", "pytest", "pip", stamp=old)
    monkeypatch.setattr(environment, "run", lambda *_: (1, "Connection refused"))

    with pytest.raises(environment.Stop):
        environment.prepare("pytest", ["test"], [].append)

    assert environment.read_stamp() == old


def test_foreign_packages_stay_out(environment, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/opt/elsewhere")

    variables = environment.variables()

    assert "PYTHONPATH" not in variables
    assert variables["PATH"].startswith(str(environment.SCRIPTS))


@pytest.mark.parametrize(
    "name",
    [
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_USER",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_CONSTRAINT",
        "PIP_PYTHON",
        "pip_target",
        "UV_SYSTEM_PYTHON",
        "UV_PYTHON",
        "UV_CONSTRAINT",
        "PYTHONUSERBASE",
        "PYTHONPATH",
    ],
)
def test_a_variable_that_leads_an_installation_elsewhere_stays_out(environment, monkeypatch, name):
    monkeypatch.setenv(name, "elsewhere")

    assert name not in environment.variables()


@pytest.mark.parametrize(
    "name",
    [
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_CERT",
        "PIP_PROXY",
        "PIP_TRUSTED_HOST",
        "PIP_CONFIG_FILE",
        "PIP_CACHE_DIR",
        "UV_DEFAULT_INDEX",
        "UV_INDEX",
        "UV_INDEX_URL",
        "UV_NATIVE_TLS",
        "HTTPS_PROXY",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "HOME",
    ],
)
def test_a_variable_by_which_packages_are_reached_stays(environment, monkeypatch, name):
    monkeypatch.setenv(name, "mine")

    assert environment.variables()[name] == "mine"


@pytest.mark.nightly
@posix_only
def test_pip_installs_into_the_environment_whatever_its_variables_say(environment, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    for name in ("PIP_TARGET", "PIP_PREFIX"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    lines = ["[install]", f"target = {tmp_path / 'elsewhere'}", "user = true", "[global]", "find-links = /a", " /b"]
    (tmp_path / "pip.conf").write_text("\n".join(lines))
    subprocess.run([sys._base_executable, "-m", "venv", environment.VENV], check=True)
    wheel = tmp_path / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        archive.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.dist-info/RECORD", "")

    with environment.locked(pytest.fail) as lock:
        kept = environment.configured()
        command = [environment.PYTHON, "-m", "pip", "install", "--no-index", str(wheel)]
        code, words = environment.run(command, [].append, lock)

    assert (kept["PIP_FIND_LINKS"], kept["PIP_CONFIG_FILE"]) == ("/a\n/b", os.devnull)
    assert code == 0, words
    assert next(environment.VENV.glob("[Ll]ib*/**/site-packages/tiny.py")).is_file()
