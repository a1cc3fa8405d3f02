"""The router sends each flight to the version that its key decides, loses none, and lets out no one taken back."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_lab.base.errors import HomeError
from mlops_lab.delivery.live import Answer, Client, Entry, Journal, Plan, Router, Routing, Unreachable, listening_router
from mlops_lab.delivery.server import RequestError
from mlops_lab.models.registry import Registry
from mlops_lab.models.rollout import RolloutPolicy, answered_by_challenger, begin, look, stop

RUNNING = Plan(champion=1, challenger=2, weight=25, state="running")
BACK = Plan(champion=1, challenger=None, state="rolled_back")
KNOWN = {"airline": "UA", "hour": 7, "delay": 12.5, "waiting": 3.0, "in_air": True}
ROWS = [{"flight_id": f"flight {number}"} for number in range(200)]


class Stub:
    """A server that says its version for every row, or what it is told to do."""

    def __init__(self, version: int):
        self.version, self.asked, self.act = version, 0, None

    async def __call__(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                self.asked += 1
                status, said = 200, {"predictions": [self.version / 10] * len(json.loads(body)["instances"])}
                if self.act is not None:
                    status, said = await self.act(said)
                if status == 0:
                    break
                text = json.dumps(said).encode()
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (status, len(text)) + text)
                await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def stubs():
    servers, clients, found = [], {}, {}
    for version in (1, 2):
        found[version] = Stub(version)
        servers.append(await asyncio.start_server(found[version], "127.0.0.1", 0))
        clients[version] = Client("127.0.0.1", servers[-1].sockets[0].getsockname()[1], seconds=5)
    try:
        yield found, clients
    finally:
        for server, client in zip(servers, clients.values(), strict=True):
            await client.close()
            server.close()


def run(body):
    async def bounded():
        async with stubs() as (servers, clients):
            return await asyncio.wait_for(body(servers, clients), 60)

    return asyncio.run(bounded())


def versions(answers):
    return [version for version, _ in answers]


def test_the_key_of_each_row_decides_and_the_order_stays():
    async def ask(servers, clients):
        return await Router(lambda: RUNNING, clients).answer(ROWS)

    answers = run(ask)

    expected = [2 if own else 1 for own in answered_by_challenger([row["flight_id"] for row in ROWS], 25)]
    assert versions(answers) == expected
    assert [score for _, score in answers] == [version / 10 for version in expected]


@pytest.mark.parametrize("fault", ["gone", "500", "cut off"])
@pytest.mark.parametrize("broken", [1, 2])
def test_whoever_cannot_answer_is_replaced_by_the_other(broken, fault):
    async def act(said):
        if fault == "500":
            return 500, {"error": "broken"}
        return 0, said

    async def ask(servers, clients):
        servers[broken].act = act
        if fault == "gone":
            clients = {version: client for version, client in clients.items() if version != broken}
        router = Router(lambda: RUNNING, clients)
        return await router.answer(ROWS), router.counts

    answers, counts = run(ask)

    assert set(versions(answers)) == {3 - broken}
    assert counts[f"failed v{broken}"] == 1


def test_both_gone_for_a_moment_nothing_is_lost():
    async def ask(servers, clients):
        there = {}
        router = Router(lambda: RUNNING, there)
        asked = asyncio.create_task(router.answer(ROWS))
        await asyncio.sleep(0.3)
        there.update(clients)
        return await asked

    assert len(run(ask)) == len(ROWS)


def test_both_gone_for_good_is_a_503_and_not_silence():
    async def ask(servers, clients):
        await Router(lambda: RUNNING, {}, seconds=0.2).answer(ROWS)

    with pytest.raises(RequestError, match="no server could answer") as refused:
        run(ask)

    assert refused.value.status == 503


def test_a_refusal_of_the_rows_is_passed_on_and_no_failure():
    async def act(said):
        return 422, {"kind": "MissingColumn", "error": "the model needs 'hour'."}

    async def ask(servers, clients):
        servers[1].act = servers[2].act = act
        router = Router(lambda: RUNNING, clients)
        try:
            await router.answer(ROWS[:1])
        except RequestError as error:
            return error.status, error.kind, str(error), dict(router.counts)

    assert run(ask) == (422, "MissingColumn", "the model needs 'hour'.", {})


@pytest.mark.parametrize(
    ("status", "said"),
    [
        pytest.param(422, {"kind": "MissingColumn", "error": "the model needs 'wind'."}, id="a-422-of-its-own"),
        pytest.param(302, {"predictions": [0.5] * 200}, id="a-redirect"),
        pytest.param(200, {"predictions": [float("nan")] * 200}, id="nan"),
        pytest.param(200, {"predictions": [None] * 200}, id="null"),
        pytest.param(200, {"predictions": [7.5] * 200}, id="no-probability"),
        pytest.param(200, {"predictions": [0.5]}, id="too-few"),
        pytest.param(200, [], id="no-object"),
        pytest.param(200, {"error": "overloaded"}, id="a-200-that-is-an-error"),
        pytest.param(200, {"predictions": [0.5] * 200, "errors": [{"row": 777}]}, id="an-error-of-no-row"),
        pytest.param(200, {"predictions": [None] + [0.5] * 199, "errors": [{"row": False}]}, id="a-row-that-is-false"),
        pytest.param(429, {"error": "slow down"}, id="too-many-requests"),
    ],
)
def test_what_the_challenger_garbles_the_champion_answers_and_it_is_counted(status, said):
    async def act(_said):
        return status, said

    async def ask(servers, clients):
        servers[2].act = act
        router = Router(lambda: RUNNING, clients)
        return await router.answer(ROWS), router.counts, servers[2].asked

    answers, counts, asked = run(ask)

    assert set(versions(answers)) == {1}
    assert (counts["failed v2"], asked) == (1, 1)


@pytest.mark.parametrize("how", ["rows", "whole"])
@pytest.mark.parametrize("status", [500, 0], ids=["500", "cut off"])
def test_a_mistake_of_both_that_repeats_itself_is_asked_about_three_times_and_not_for_ever(how, status):
    async def act(_said):
        return status, {"error": "broken"}

    async def ask(servers, clients):
        servers[1].act = servers[2].act = act
        router = Router(lambda: RUNNING, clients)
        body = b'{"instances": [[1]]}'
        asked = (
            router.answer(ROWS[:1]) if how == "rows" else router.pass_on("/invocations", body, "application/json", "k")
        )
        with pytest.raises(RequestError, match="failed at this request 3 times"):
            await asked
        return servers[1].asked + servers[2].asked

    assert run(ask) == 3


def test_an_answer_that_comes_after_its_version_was_taken_back_never_leaves():
    plans = [RUNNING]

    async def act(said):
        plans[0] = BACK  # taken back while it was thinking
        return 200, said

    async def ask(servers, clients):
        servers[2].act = act
        router = Router(lambda: plans[0], clients)
        return await router.answer(ROWS), router.counts

    answers, counts = run(ask)

    assert set(versions(answers)) == {1}
    assert len(answers) == len(ROWS)
    assert counts["withheld v2"] == 1


def test_in_the_shadow_the_challenger_is_asked_and_never_heard():
    entries = []
    shadow = Plan(champion=1, challenger=2, weight=0, state="running", shadow=True)

    async def ask(servers, clients):
        router = Router(lambda: shadow, clients, on_entry=entries.append)
        first = await router.answer(ROWS)
        await router.settled()
        router = Router(lambda: shadow, {2: clients[2]}, seconds=0.2)
        with pytest.raises(RequestError):  # rather nobody than the one in the shadow
            await router.answer(ROWS)
        return first

    answers = run(ask)

    assert set(versions(answers)) == {1}
    assert [(entry.challenger, entry.champion, entry.answered_by) for entry in entries] == [(0.2, 0.1, 1)] * len(ROWS)


def test_both_models_are_asked_and_what_failed_is_noted():
    entries = []

    async def act(said):
        return 500, {}

    async def ask(servers, clients):
        servers[2].act = act
        router = Router(lambda: RUNNING, clients, on_entry=entries.append)
        await router.answer(ROWS)
        await router.settled()

    run(ask)

    assert len(entries) == len(ROWS)
    assert {(entry.challenger, entry.champion, entry.seconds) for entry in entries} == {(None, 0.1, None)}


def test_what_is_not_rows_goes_whole_to_the_version_of_its_routing_key():
    body = b'{"instances": [[1, 2]]}'

    async def ask(servers, clients):
        router = Router(lambda: RUNNING, clients)
        async with listening_router(router, "late") as port:
            client = Client("127.0.0.1", port)
            found = [
                await client.ask("POST", "/invocations", body, headers={"x-routing-key": f"flight {number}"})
                for number in range(20)
            ]
            await client.close()
        return found

    found = run(ask)

    expected = [0.2 if own else 0.1 for own in answered_by_challenger([f"flight {n}" for n in range(20)], 25)]
    assert [json.loads(answer.body)["predictions"][0] for answer in found] == expected


def test_the_router_refuses_what_the_servers_would_and_stays_open():
    async def ask(servers, clients):
        async with listening_router(Router(lambda: RUNNING, clients), "late") as port:
            client = Client("127.0.0.1", port)
            found = [
                (await client.ask(*words)).status
                for words in (
                    ("POST", "/invocations", b" " * 2_000_000),
                    ("POST", "/invocations", b""),
                    ("GET", "/nowhere"),
                    ("GET", "/ping"),
                    ("POST", "/invocations", json.dumps({"instances": ROWS}).encode()),
                )
            ]
            await client.close()
        return found

    assert run(ask) == [413, 400, 404, 200, 200]


@pytest.mark.parametrize(
    ("accept", "host", "status", "kind"),
    [
        ("application/json;q=0.1, text/csv", "127.0.0.1", 200, "text/csv"),
        ("application/jsonlines", "127.0.0.1", 200, "application/jsonlines"),
        ("application/geo+json", "127.0.0.1", 406, "application/json"),
        ("application/*", "127.0.0.1", 200, "application/json"),
        ("*/*", "[", 200, "application/json"),
        ("*/*", "other/nowhere?", 200, "application/json"),
    ],
)
def test_no_accept_and_no_host_of_a_client_makes_the_router_misread_its_servers(app, accept, host, status, kind):
    class Real(Client):
        async def ask(self, method, path, body=b"", *, headers=None):
            found = await asyncio.to_thread(app, method, path, body, **{"content-type": "application/json"} | headers)
            return Answer(found.status, found.headers, found.body)

    async def ask(servers, clients):
        router = Router(lambda: RUNNING, {one: Real("127.0.0.1", 9) for one in clients})
        async with listening_router(router, "late") as port:
            client = Client("127.0.0.1", port)
            await client.ask("GET", "/ping")  # over this connection goes what another host is told
            client.host = host
            body = json.dumps({"instances": [KNOWN]}).encode()
            found = await client.ask("POST", "/invocations", body, headers={"accept": accept})
            await client.close()
        return found, [what for what in router.counts if what.startswith("failed")]

    found, failed = run(ask)

    assert (found.status, found.headers["content-type"].partition(";")[0], failed) == (status, kind, [])


@pytest.mark.parametrize("path", ["/invocations", "/predict"])
def test_more_rows_than_one_request_may_have_are_refused_before_any_is_looked_at(path):
    async def ask(servers, clients):
        router = Router(lambda: RUNNING, clients)
        router.key_of = None  # to look at a row would fail
        async with listening_router(router, "late") as port:
            client = Client("127.0.0.1", port)
            found = await client.ask("POST", path, json.dumps({"instances": [{}] * 300_000}).encode())
            await client.close()
        return found.status, json.loads(found.body)["kind"], [one.asked for one in servers.values()]

    assert run(ask) == (413, "TooManyRows", [0, 0])


def test_the_router_says_live_ready_and_what_it_did():
    async def ask(servers, clients):
        servers[2].act = broken
        async with listening_router(Router(lambda: RUNNING, clients), "late") as port:
            client = Client("127.0.0.1", port)
            await client.ask("POST", "/invocations", json.dumps({"instances": ROWS}).encode())
            paths = ("/health", "/v2/health/live", "/v2/health/ready", "/v2/models/late/ready", "/metrics")
            found = [await client.ask("GET", path) for path in paths]
            await client.close()
        return found

    async def broken(_said):
        return 500, {}

    found = run(ask)

    assert [answer.status for answer in found] == [200] * 5
    assert b'mlops_lab_routed{did="failed",version="v2"} 1.0' in found[-1].body
    assert b'mlops_lab_requests_total{route="/invocations",status="200"} 1.0' in found[-1].body


@pytest.mark.parametrize("bad", [1, 2])
def test_a_row_that_the_champion_cannot_answer_is_named_and_one_of_the_challenger_s_is_asked_again(bad):
    def half(said):
        errors = [{"row": 0, "kind": "UnknownEntity", "error": "nobody knows it."}]
        return {"predictions": [None, *said["predictions"][1:]], "errors": errors}

    async def act(said):
        return 200, half(said)

    async def ask(servers, clients):
        servers[bad].act = act
        errors = []
        answers = await Router(lambda: RUNNING, clients).answer(ROWS, errors=errors)
        return answers, errors

    answers, errors = run(ask)

    unanswered = [at for at, (_, score) in enumerate(answers) if score is None]
    first_of_champion = next(
        at for at, own in enumerate(answered_by_challenger([row["flight_id"] for row in ROWS], 25)) if not own
    )
    assert unanswered == [one["row"] for one in errors] == ([first_of_champion] if bad == 1 else [])


def test_one_id_is_in_the_header_the_body_and_the_server_s_request():
    heard = []

    class Listening(Client):
        async def ask(self, *words, headers=None, **more):
            heard.append((headers or {}).get("x-request-id"))
            return await super().ask(*words, headers=headers, **more)

    async def ask(servers, clients):
        inner = {version: Listening(one.host, one.port) for version, one in clients.items()}
        async with listening_router(Router(lambda: BACK, inner), "late") as port:
            client = Client("127.0.0.1", port)
            body = json.dumps({"instances": ROWS[:1]}).encode()
            mine = await client.ask("POST", "/invocations", body, headers={"x-request-id": "mine-7"})
            own = await client.ask("POST", "/invocations", body)
            refused = await client.ask("POST", "/invocations", b"", headers={"x-request-id": "mine-8"})
            await client.close()
        for one in inner.values():
            await one.close()
        return mine, own, refused

    mine, own, refused = run(ask)

    assert heard == ["mine-7", own.headers["x-request-id"]]
    assert mine.headers["x-request-id"] == "mine-7"
    assert json.loads(refused.body)["request_id"] == refused.headers["x-request-id"] == "mine-8"


def test_csv_and_tensors_count_in_the_watch():
    entries = []

    async def ask(servers, clients):
        router = Router(lambda: RUNNING, clients, is_number=True, on_entry=entries.append)
        await router.pass_on("/invocations", b'{"instances": [[1]]}', "application/json", "flight 7")
        await router.settled()
        servers[2].version = 15 * 10**308  # the sum of two such predictions is more than a float holds
        await router.pass_on("/invocations", b'{"instances": [[1], [2]]}', "application/json", "flight 7")
        await router.settled()

    run(ask)

    assert [(entry.key, entry.challenger, entry.champion) for entry in entries] == [
        ("flight 7", 0.2, 0.1),
        ("flight 7", 1.5e308, 0.1),
    ]


@pytest.mark.parametrize("said", [500, 0, 422, 302], ids=str)
def test_whom_nobody_hears_is_asked_three_times_at_most_however_patient_the_watch_is(said):
    async def act(_said):
        return said, {"error": "broken"}

    async def ask(servers, clients):
        servers[1].act = act
        router = Router(lambda: RUNNING, clients, on_entry=lambda _entry: None)
        own = [row for row in ROWS if RUNNING.answers(row["flight_id"]) == 2]
        await router.answer(own)
        await router.settled()
        return servers[1].asked

    assert run(ask) == (1 if said == 422 else 3)


ROW = {"airline": "UA", "flight_id": "x"}
STRANGE = {
    "a-long-key": json.dumps({"instances": [{**ROW, "flight_id": "k" * 100_000}]}),
    "a-long-row": json.dumps({"instances": [{"airline": "k" * 100_000}]}),
    "half-a-character": '{"instances": [{"flight_id": "\\ud800"}, {"airline": "\\ud800"}]}',
    **{f"nested-{deep}": '{"instances": [{"flight_id": ' + "[" * deep + "]" * deep + "}]}" for deep in (150, 400)},
    **{f"row-{deep}": '{"instances": [{"a": ' + "[" * deep + "]" * deep + "}]}" for deep in (150, 400)},
}


@pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE)
def test_a_key_of_any_form_and_length_is_answered_and_the_journal_s_line_is_short(body, tmp_path):
    async def ask(servers, clients):
        with Journal(tmp_path, 9) as journal:
            router = Router(lambda: RUNNING, clients, on_entry=journal.write)
            async with listening_router(router, "late") as port:
                client = Client("127.0.0.1", port)
                found = await client.ask("POST", "/invocations", body.encode())
                more = {"x-routing-key": "k" * 10_000, "content-type": "text/csv"}
                await client.ask("POST", "/invocations", b'{"instances": [[1]]}', headers=more)
                await client.close()
            await router.settled()
        return found.status

    assert run(ask) == 200
    assert 0 < max(map(len, (tmp_path / "rollouts" / "9.jsonl").read_text().splitlines())) < 400


@pytest.mark.parametrize(
    "body",
    [b"no json", b"[]", b'{"predictions": [7.5]}', b'{"predictions": [true]}', b'{"predictions": []}', b"{}"],
    ids=str,
)
def test_garbage_of_the_challenger_for_a_body_that_is_passed_on_is_answered_by_the_champion(body):
    class Garbled(Client):
        async def ask(self, *words, **more):
            return Answer(200, {"content-type": "application/json"}, body)

    async def ask(servers, clients):
        garbled = Garbled("127.0.0.1", 9)
        router = Router(lambda: Plan(1, 2, weight=100, state="running"), {1: clients[1], 2: garbled})
        found = await router.pass_on("/invocations", b'{"instances": [[1]]}', "application/json", "k")
        await garbled.close()
        return json.loads(found.body), dict(router.counts)

    said, counts = run(ask)

    assert said == {"predictions": [0.1]}
    assert counts == {"failed v2": 1, "delivered v1": 1}


def test_a_client_that_goes_away_leaves_the_router_working():
    async def slow(said):
        await asyncio.sleep(0.2)
        return 200, said

    async def ask(servers, clients):
        servers[1].act = servers[2].act = slow
        async with listening_router(Router(lambda: RUNNING, clients), "late") as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            body = json.dumps({"instances": ROWS}).encode()
            writer.write(b"POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
            writer.close()
            client = Client("127.0.0.1", port)
            found = await client.ask("POST", "/invocations", body)
            await client.close()
        return found.status

    assert run(ask) == 200


def test_the_router_is_not_ready_while_nobody_stands_behind_it():
    async def ask(_servers, clients):
        there = dict(clients)
        async with listening_router(Router(lambda: RUNNING, there), "late") as port:
            client, found = Client("127.0.0.1", port), []
            for gone in (1, 2):
                found.append((await client.ask("GET", "/ping")).status)
                del there[gone]
            found.append((await client.ask("GET", "/ping")).status)
            await client.close()
        return found

    assert run(ask) == [200, 200, 503]


def test_what_cannot_be_noted_is_told_and_judged_by_nobody():
    def full(_entry):
        raise HomeError("home", "No space left on device")

    async def ask(_servers, clients):
        router = Router(lambda: RUNNING, clients, on_entry=full)
        answers = await router.answer(ROWS[:3])
        while router._behind:
            await asyncio.sleep(0.01)
        try:
            await router.settled()
        except HomeError as error:
            return len(answers), error.why

    assert run(ask) == (3, "No space left on device")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_once_and_not_again_when_the_journal_is_closed(tmp_path):
    (tmp_path / "rollouts").mkdir()
    (tmp_path / "rollouts" / "9.jsonl").symlink_to("/dev/full")
    journal = Journal(tmp_path, 9)

    with pytest.raises(HomeError, match="No space left"):
        journal.write(Entry("a", 1, 0.3, 0.2, 0.004))
    journal.close()

    assert repr(journal) == "Journal(9.jsonl)"


def test_kept_connections_that_the_server_closes_are_replaced_and_every_form_of_answer_is_read():
    answers = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
    ]
    connections = []

    async def ask():
        async def serve(reader, writer):
            connections.append(writer)
            with suppress(asyncio.IncompleteReadError):
                while True:
                    await reader.readuntil(b"\r\n\r\n{}")
                    writer.write(answers[len(found) % 3])
            writer.close()

        found = []
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            client = Client("127.0.0.1", server.sockets[0].getsockname()[1])
            for _ in range(6):
                found.append(await client.ask("POST", "/v2/models/l ä/infer", b"{}"))
                if len(found) == 4:  # hung up on while nobody asks, as a server that stops does
                    connections[-1].close()
                    await asyncio.sleep(0.05)
            await client.close()
            await asyncio.sleep(0.05)  # until the server has seen it
        return [(one.status, one.body) for one in found]

    assert asyncio.run(ask()) == [(200, b"{}")] * 6
    assert len(connections) == 3  # kept for two; closed as announced; hung up on, and then kept for two again


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"HTTP/1.1 103 Hints\r\n\r\n",
        b"HTTP/1.1 101 Other\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * 60_000,
    ],
    ids=[
        "nothing",
        "no-length",
        "nonsense",
        "cut-off",
        "two-lengths",
        "chunks",
        "hints-only",
        "other-protocol",
        "headers-for-ever",
    ],
)
def test_an_answer_that_is_none_counts_as_no_answer(answer, monkeypatch, caplog):
    monkeypatch.setattr("mlops_lab.delivery.live.client._MOST_BYTES", 50_000)

    async def ask():
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            client = Client("127.0.0.1", server.sockets[0].getsockname()[1])
            try:
                await client.ask("GET", "/")
            finally:
                await client.close()

    with pytest.raises(Unreachable):
        asyncio.run(ask())
    assert not caplog.records  # nothing was thrown at asyncio


def test_a_server_that_drips_is_too_late_and_what_it_says_unasked_is_nobody_s_answer():
    asked = []

    async def ask():
        async def serve(reader, writer):
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while question := await reader.readuntil(b"\r\n\r\n"):
                    asked.append(question)
                    good = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
                    writer.write(good * 2 if b"/two" in question else good.replace(b"2\r", b"99\r"))
                    while b"/drip" in question and not writer.is_closing():
                        writer.write(b" ")
                        await asyncio.sleep(0.02)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            client = Client("127.0.0.1", server.sockets[0].getsockname()[1], seconds=0.2)
            first = await client.ask("GET", "/two")
            with pytest.raises(Unreachable, match="too late") as late:
                await client.ask("GET", "/drip")
            await client.close()
            await asyncio.sleep(0.1)  # until the server has seen it
        return first.body, late.value.heard

    assert asyncio.run(ask()) == (b"{}", True)
    assert len(asked) == 2


def test_the_plan_follows_the_history_event_by_event(home, promotion, traffic):
    registry, routing = Registry(home), Routing(home, "late")
    policy = RolloutPolicy(weights=(20, 100), min_labels=20, margin=0.5)
    shown = traffic.assign(challenger=0.2, champion=0.2)
    plans = [routing.now()]

    begin(promotion, registry, policy=policy)
    plans.append(routing.now())
    for day in (1, 2):
        until = traffic["at"].iloc[0].floor("D") + timedelta(days=day)
        look(promotion, registry, seen=shown[shown["at"] < until], until=until.to_pydatetime(), policy=policy)
        plans.append(routing.now())

    assert [(plan.champion, plan.challenger, plan.weight, plan.state) for plan in plans] == [
        (1, None, 0, "none"),
        (1, 2, 20, "running"),
        (1, 2, 100, "running"),
        (2, None, 0, "finished"),
    ]


def test_stopped_by_another_process_the_very_next_question_goes_to_the_champion(home, promotion):
    begin(promotion, Registry(home), policy=RolloutPolicy(weights=(100,)))
    routing = Routing(home, "late")
    before = routing.now()

    stop(promotion, Registry(home), actor="grace", why="storm")

    assert (before.challenger, before.weight) == (2, 100)
    assert (routing.now().champion, routing.now().challenger) == (1, None)


def test_while_the_registry_is_locked_only_the_champion_is_trusted(home, promotion):
    begin(promotion, Registry(home), policy=RolloutPolicy(weights=(50, 100)))
    routing = Routing(home, "late")
    before = routing.now()
    routing.close()
    for name in ("registry.db-wal", "registry.db-shm"):
        (home / name).unlink(missing_ok=True)
    holder = sqlite3.connect(home / "registry.db", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")

    during = routing.now()
    holder.close()

    assert (before.challenger, during.challenger, during.champion) == (2, None, 1)
    assert routing.now() == before


def test_a_registry_that_could_never_be_read_is_said_to_be(home, promotion):
    routing = Routing(home, "late")
    (home / "registry.db").unlink()

    with pytest.raises(HomeError):
        routing.now()


def test_a_line_that_a_crash_cut_off_is_left_out_and_the_next_one_is_whole(tmp_path):
    with Journal(tmp_path, 9) as journal:
        journal.write(Entry("a", 1, 0.1, 0.2, 0.01))
    path = tmp_path / "rollouts" / "9.jsonl"
    path.write_bytes(path.read_bytes() + b'{"key": "b", "answ')
    with Journal(tmp_path, 9) as journal:
        journal.write(Entry("c", 2, 0.1, None, None))

    assert [entry.key for entry in Journal(tmp_path, 9)] == ["a", "c"]
