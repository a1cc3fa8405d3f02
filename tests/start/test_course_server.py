"""scripts/course_server.py: root is let in, the address comes last, and nothing but warnings before it."""

from __future__ import annotations

import logging
import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import course_server
import nbformat
import pytest
from nbformat.sign import NotebookNotary

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A person who has never used Jupyter on this machine."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return tmp_path


@pytest.fixture
def server(home):
    """JupyterLab as start.py opens it, its standard error in a file; the lines of its standard output."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "scripts" / "course_server.py"), "lab", "--no-browser", f"--port={port}"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        with process:
            yield process
            process.terminate()


@pytest.mark.slow
def test_the_address_comes_last_and_nothing_but_warnings_before_it(server, home):
    told = []
    for line in server.stdout:
        told.append(line.strip())
        if "the course is at" in line:
            break

    address = re.search(r"http://127\.0\.0\.1:\S+/lab/tree/\w+/00_start_here\.ipynb\?token=\w+$", told[-1])[0]
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310
        assert answer.status == 200
    assert (home / "log").read_text() == ""
    assert any("--allow-root" in line for line in told) == course_server.is_root()


@pytest.mark.parametrize(("user", "is_root"), [(0, True), (1000, False)])
def test_root_is_told_that_it_is_root(monkeypatch, user, is_root):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)

    assert course_server.is_root() is is_root


def test_a_signed_notebook_is_trusted_and_a_strange_file_stops_nobody(home, tmp_path, capsys):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=[])])
    nbformat.write(notebook, tmp_path / "00_mine.ipynb")
    (tmp_path / "01_torn.ipynb").write_text("{")

    course_server.sign([tmp_path / "00_mine.ipynb", tmp_path / "01_torn.ipynb"])

    notary = NotebookNotary()
    assert notary.check_signature(nbformat.read(tmp_path / "00_mine.ipynb", as_version=4))
    notary.store.close()
    assert capsys.readouterr().out.count("01_torn.ipynb") == 1


def test_only_warnings_and_the_address_get_through(capsys):
    filtering = course_server.LastWord("a logger of this test", "it is at {}")
    lines = [(logging.INFO, "loaded"), (logging.INFO, "running at:\nhttp://here/"), (logging.WARNING, "full")]

    kept = [text for level, text in lines if filtering.filter(logging.LogRecord("x", level, "", 0, text, None, None))]

    assert kept == ["full"]
    assert capsys.readouterr().out == "start.py: it is at http://here/\n"
