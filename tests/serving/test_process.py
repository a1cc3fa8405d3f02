"""A server as a process of its own: it comes up, is patient with nobody for ever, and loses no word when it goes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from mlops_lab.models.registry import Registry

ROW = {"airline": "UA", "hour": 7, "delay": 12.5, "waiting": 3.0, "in_air": True}
BODY = json.dumps({"instances": [ROW]}).encode()

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")


def ask(port, method="GET", path="/ping", body=None, headers=None):
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers or {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def raw(port, *parts):
    """A client that sends what it likes, and what comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at, part in enumerate(parts):
            time.sleep(0.05 * bool(at))  # so that it arrives alone
            client.sendall(part)
        found = b""
        with suppress(ConnectionResetError):  # as a server that closes leaves what was sent unread
            while part := client.recv(65536):
                found += part
        return found


@pytest.mark.slow
def test_one_server_through_its_whole_life(home, serve):
    server = serve(home, "--body-seconds", "1", "--max-body", "100000", "--drain", "1")
    server.read_until("listening")
    live = ask(server.port, path="/v2/health/live")[0]
    ready = server.read_until("ready")

    # it answers, and only this machine
    assert live == 200
    assert (ready["version"], ready["compiled"]) == (2, True)
    status, answer = ask(server.port, "POST", "/invocations", BODY)
    assert (status, json.loads(answer)["model_version"]) == (200, "2")

    # ten megabytes are refused, and the client hears why
    assert ask(server.port, "POST", "/invocations", b"[" + b"1," * 5_000_000 + b"1]")[0] == 413
    chunked = (
        b"POST /invocations HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 3
    )
    assert raw(server.port, chunked).startswith(b"HTTP/1.1 413")

    # slow clients are sent away: in the middle of the headers, and in the middle of the body
    head = b"POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    assert raw(server.port, head).startswith(b"HTTP/1.1 408")
    assert raw(server.port, head + b"content-length: 500\r\n\r\n{").startswith(b"HTTP/1.1 408")
    assert raw(server.port, b"not http at all\r\n\r\n").startswith(b"HTTP/1.1 400")

    # the artifact is tampered with and the registry locked: what was verified goes on answering
    artifact = Registry(home).get_model_version("late", 2).artifact
    path = Registry(home).artifacts.path(artifact)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    holder = sqlite3.connect(home / "registry.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert ask(server.port, "POST", "/invocations", BODY) == (status, answer)
    holder.close()

    # SIGTERM: not ready at once, still answering, and what has begun is finished
    slow = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    slow.sendall(head + b"content-length: %d\r\n\r\n" % len(BODY) + BODY[:10])
    server.process.send_signal(signal.SIGTERM)
    server.read_until("stopping")
    assert ask(server.port)[0] == 503
    slow.sendall(BODY[10:])
    assert slow.recv(65536).startswith(b"HTTP/1.1 200")
    slow.close()
    assert server.end() == 0
    assert not any("Traceback" in line for line in server.lines)


@pytest.mark.nightly
def test_kept_connections_are_fast_idle_ones_cost_nobody_and_a_crafted_body_costs_little(home, serve):
    server = serve(home, "--quiet", "--connections", "4", "--max-rows", "50000")
    server.read_until("ready")
    kept, waits = [HTTPConnection("127.0.0.1", server.port, timeout=60) for _ in range(40)], []

    def asked(connection, body=BODY):
        connection.request("POST", "/invocations", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    # forty clients keep their connections, ten times as many as may ask at once: nobody is turned away, no probe either
    assert [asked(one)[0] for one in kept] == [200] * 40
    assert [ask(server.port, path=path)[0] for path in ("/ping", "/v2/health/live", "/metrics")] == [200] * 3

    # the second request on a kept connection does not wait for an acknowledgement (40 ms)
    for _ in range(30):
        began = time.perf_counter()
        asked(kept[0])
        waits.append(time.perf_counter() - began)
    assert statistics.median(waits) < 0.02

    # every row with a column of its own, and a wide frame with a column twice: no work beyond the body's own size
    rows = b"[" + b",".join(b'{"k%d":1}' % at for at in range(40_000)) + b"]"
    names = [f"c{at}" for at in range(40_000)]
    wide = json.dumps({"dataframe_split": {"columns": [*names[:-1], names[-2]], "data": [[1] * 40_000]}}).encode()
    before = peak_mib(server.process.pid)
    for body, kind in ((rows, "MissingColumn"), (wide, "DuplicateColumn")):
        began = time.perf_counter()
        status, answer = asked(kept[0], body)
        assert (status, json.loads(answer)["kind"]) == (422, kind)
        assert time.perf_counter() - began < 2
    assert peak_mib(server.process.pid) - before < 200
    for one in kept:
        one.close()
    assert server.end() == 0


def peak_mib(pid):
    """The most memory a process has held; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) // 1024


def test_a_tampered_artifact_is_never_served(home, serve):
    path = Registry(home).artifacts.path(Registry(home).get_model_version("late", 2).artifact)
    path.write_bytes(path.read_bytes()[:-1] + b"!")

    server = serve(home)
    server.process.wait(timeout=120)

    assert server.end() == 1
    told = [line for line in server.lines if line.startswith("mlops-lab:")]
    assert len(told) == 1
    assert "damaged or was changed" in told[0]
    assert '"event": "ready"' not in "".join(server.lines)


@pytest.mark.nightly
def test_a_registry_that_another_process_holds_is_waited_for(home, serve):
    holder = sqlite3.connect(home / "registry.db", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    server = serve(home)
    server.read_until("listening")

    states = (ask(server.port, path="/v2/health/live")[0], ask(server.port)[0])
    asked = ask(server.port, "POST", "/invocations", BODY)[0]
    holder.close()
    server.read_until("ready")

    assert (*states, asked) == (200, 503, 503)
    assert ask(server.port, "POST", "/invocations", BODY)[0] == 200


@pytest.mark.nightly
def test_told_to_stop_in_the_middle_it_answers_whatever_is_on_its_way(home, serve):
    server = serve(home, "--quiet")
    server.read_until("ready")
    head = b"POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: "
    message = head + str(len(BODY)).encode() + b"\r\n\r\n" + BODY

    async def client(answered):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while True:  # one question after the other on the same connection, until it is told to go elsewhere
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert json.loads(await reader.readexactly(length))["model_version"] == "2"
            answered.append(head.split(b" ", 2)[1])
            if len(answered) == 200:
                os.kill(server.process.pid, signal.SIGTERM)
            if b"connection: close" in head.lower():
                writer.close()
                return "told"

    async def load():
        answered = []
        ends = await asyncio.gather(*(client(answered) for _ in range(16)), return_exceptions=True)
        return answered, ends

    answered, ends = asyncio.run(load())

    assert set(answered) == {b"200"}
    assert ends == ["told"] * 16
    assert server.end() == 0


HEAD = b"POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
WHOLE = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n"


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_a_request_without_end_costs_little_and_questions_without_an_answer_read_are_few(home, serve):
    import resource

    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most - 1, most))
    try:
        server = serve(home, "--quiet")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
    server.read_until("ready")
    before = peak_mib(server.process.pid)

    # headers, an address, one header, the end of a chunked body, a chunk's own words: 64 kB of each are enough
    header = b"x-a: " + b"b" * 1000 + b"\r\n"
    for begun, again in (
        (HEAD, header),
        (HEAD + b"x-a: ", header[5:-2]),
        (b"GET /" + header[5:-2], header[5:-2]),
        (CHUNKED + b"0\r\n", header),
        (CHUNKED + b"1;", header[5:-2]),
    ):
        assert 65_536 < sent_until_refused(server.port, begun, again * 64) < 4_000_000, begun[-20:]
    assert raw(server.port, HEAD + header * 66).startswith(b"HTTP/1.1 431 ")
    assert raw(server.port, WHOLE * 1000).count(b"HTTP/1.1 200 ") < 100
    assert peak_mib(server.process.pid) - before < 20

    # what a client may ask at once, a large header and an offer to speak another protocol are answered
    last = WHOLE.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)
    assert raw(server.port, WHOLE * 15 + last).count(b"HTTP/1.1 200 ") == 16
    assert raw(server.port, last.replace(b"\r\n", b"\r\n" + header * 30, 1)).startswith(b"HTTP/1.1 200 ")
    offer = b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"
    offered = WHOLE.replace(b"\r\n", offer, 1)
    chunked = CHUNKED.replace(b"\r\n", offer, 1) + b"0\r\n\r\n"
    assert raw(server.port, offered * 2 + chunked + WHOLE + offered + last).count(b"HTTP/1.1 200 ") == 6
    for cut in (offered.index(b"pgrade: h2c"), offered.index(b"h2c"), offered.index(b"\r\n\r\n") + 2):
        assert raw(server.port, offered[:cut], offered[cut:] + last).count(b"HTTP/1.1 200 ") == 2, offered[:cut]
    assert raw(server.port, b"CONNECT a:1 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")

    # as many connections as the machine gives, whatever the shell that started it was content with
    assert f"Max open files {most} {most}" in " ".join(Path(f"/proc/{server.process.pid}/limits").read_text().split())
    assert server.end() == 0
    assert all(line.startswith("{") for line in server.lines)


def sent_until_refused(port, begun, again, most=20_000_000):
    """How many bytes a client sends before the server hangs up."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        try:
            client.sendall(begun)
            while sent < most:
                sent += client.send(again)
        except OSError:
            return sent
    return sent


@pytest.mark.nightly
def test_every_line_of_the_log_is_json_whatever_is_sent(home, serve):
    server = serve(home)
    server.read_until("ready")

    answer = raw(server.port, b"\x16\x03\x01\x02\x00\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert server.end() == 0
    assert [json.loads(line) for line in server.lines][-3]["why"] == "Invalid HTTP request received."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["late", "--home", "nowhere"], "no home folder nowhere", id="no-home"),
        pytest.param(["other"], "no registered model 'other'", id="no-model"),
        pytest.param(["late", "9"], "no version '9'", id="no-version"),
        pytest.param(["late", "1"], "v1 is archived", id="archived"),
        pytest.param(["late", "--host", "203.0.113.1"], "cannot listen at 203.0.113.1", id="another-machine"),
        pytest.param(["late", "--port", "70000"], "70000 is not in the range", id="no-port"),
    ],
)
def test_what_cannot_be_served_ends_with_one_line_and_exit_code_1(filled_home, words, said, capfd, monkeypatch):
    from mlops_lab.cli import main

    monkeypatch.setenv("MLOPS_LAB_HOME", str(filled_home))

    code = main(["serve", *words, *([] if "--port" in words else ["--port", "0"])])

    last = capfd.readouterr().err.splitlines()[-1]
    assert code == 1
    assert said in last
    assert last.startswith("mlops-lab: ")


def test_a_port_that_is_taken_is_said_to_be(filled_home):
    from mlops_lab.base.errors import InvalidData
    from mlops_lab.delivery.server import serve

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InvalidData, match="in use"):
        serve(lambda: None, "late", port=taken.getsockname()[1])


@pytest.mark.skipif(
    "serving" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(","),
    reason="python start.py test-engines serving runs it",
)
def test_an_orphan_does_not_stay(home):
    script = (
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-m', 'mlops_lab', 'serve', 'late', '--home', {str(home)!r},"
        " '--port', '0', '--with-parent'], stdin=subprocess.PIPE)\n"
        "sys.stdin.readline()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    port = json.loads(parent.stderr.readline())["port"]

    parent.kill()
    parent.stdin.close()
    rest = parent.stderr.read()  # ends when the last of the two has ended
    parent.stderr.close()
    parent.wait()

    with pytest.raises(ConnectionRefusedError):
        ask(port)
    assert '"event": "stopped"' in rest


@pytest.mark.nightly
def test_of_clients_that_come_at_once_none_waits_while_others_are_answered_again_and_again(home, serve):
    # uvloop, where it is installed, takes one new connection in each turn of its loop.
    server = serve(home, "--quiet")
    server.read_until("ready")
    body = json.dumps({"instances": [ROW] * 400}).encode()
    head = "POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    question = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    async def client(opened):
        reader, writer = opened
        waits = []
        while sum(waits) < 2:
            began = time.perf_counter()
            writer.write(question)
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(answer.split(b"content-length: ")[1].split(b"\r\n")[0]))
            waits.append(time.perf_counter() - began)
        writer.close()
        return waits

    async def crowd():
        opened = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", server.port) for _ in range(64)))
        return await asyncio.gather(*map(client, opened))

    waits = asyncio.run(crowd())

    assert max(found[0] for found in waits) < 5 * statistics.median(wait for found in waits for wait in found)
