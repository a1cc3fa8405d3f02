"""Whatever a body of at most 1 MB holds, its answer takes less than a second and little memory, and is no 500."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mlops_lab.delivery.server import AccessLog, ServerState, create_app, load_predictor

JSON, CSV, LINES = "application/json", "text/csv", "application/jsonlines"
ROWS, TENSORS = "/invocations", "/v2/models/late/infer"
ROW = {"airline": "UA", "hour": 7, "delay": 12.5, "waiting": 3.0, "in_air": True}
KEYS = {"flight_id": "flight 3", "origin": "EWR"}
SIZE = 1_000_000
SEED = 20130101
Body = tuple[str, str, bytes]  # address, media type, bytes


def filled(part: str, size: int, *, joined: str = ",") -> str:
    """As many of a part as go into so many bytes; `@` in it is their number."""
    wide = len(part.encode()) + len(joined) + 6 * part.count("@")
    return joined.join(part.replace("@", str(at)) for at in range(max(2, size // wide)))


def tensor(name: str = "hour", shape: object = (1,), datatype: str = "INT64", data: object = (7,)) -> dict:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def crafted(size: int) -> Iterator[Body]:
    """Bodies of about this size, each made to cost its reader as much as possible."""
    half = max(1, size // 2)
    for values in ('{"k@":1}', "[]", "{}", '""', "1", "null", "[1]", '{"hour":1}', '"\\u0000"', "1e308", "[[]]"):
        rows = f"[{filled(values, size)}]"
        yield ROWS, JSON, rows.encode()
        yield ROWS, JSON, f'{{"instances":{rows}}}'.encode()
        yield ROWS, JSON, f'{{"dataframe_split":{{"columns":{rows},"data":[{rows}]}}}}'.encode()[:SIZE]
        yield ROWS, JSON, f'{{"inputs":{{"hour":{rows},"day":{rows}}}}}'.encode()[:SIZE]
        yield ROWS, LINES, filled(values, size, joined="\n").encode()
        yield TENSORS, JSON, json.dumps({"inputs": [tensor(data=json.loads(rows))]}).encode()[:SIZE]
    thousand = [dict.fromkeys((f"k{row}-{at}" for at in range(size // 14_000)), 1) for row in range(1000)]
    yield ROWS, JSON, json.dumps({"instances": thousand}).encode()
    yield ROWS, JSON, json.dumps({"instances": [ROW | row for row in thousand]}).encode()
    for names in (
        ["hour" + "r" * half],
        [f"hou{'r' * (half // 20)}{at}" for at in range(20)],
        [f"a{at}" for at in range(half // 8)],
    ):
        yield ROWS, JSON, json.dumps({"instances": [dict.fromkeys(names, 1)]}).encode()
        yield ROWS, JSON, json.dumps(dict.fromkeys(names, 1)).encode()
        yield ROWS, JSON, json.dumps({"dataframe_split": {"columns": [*names, names[0]], "data": [[1]]}}).encode()
        yield ROWS, CSV, (",".join(names) + "\n1").encode()
        yield TENSORS, JSON, json.dumps({"inputs": [tensor(name) for name in names[: half // 60]]}).encode()
    for text in ("x" * half, "é" * (half // 2), "0" * half, "9" * half, " " * half, "\t" * half, "\\" * (half // 2)):
        for name in ("airline", "hour"):
            yield ROWS, JSON, json.dumps({"instances": [ROW | {name: text}]}).encode()
            yield ROWS, JSON, json.dumps([ROW | {name: text[: size // 1500]}] * 900).encode()[:SIZE]
            yield ROWS, CSV, f"{name}\n{text}\n".encode()
        yield ROWS, JSON, json.dumps({"instances": [KEYS | {"flight_id": text}]}).encode()
        yield (
            ROWS,
            JSON,
            json.dumps([KEYS | {"flight_id": f"{at}{text[: size // 1500]}"} for at in range(900)]).encode(),
        )
        yield ROWS, JSON, text.encode()
        yield ROWS, CSV, text.encode()
        yield ROWS, LINES, text.encode()
    yield ROWS, JSON, json.dumps([KEYS | {"flight_id": at} for at in range(1000)]).encode()
    yield ROWS, JSON, json.dumps([KEYS | {"flight_id": [at]} for at in range(1000)]).encode()
    for mark in (
        "[",
        "{",
        '{"a":',
        "(",
        '"',
        ",",
        "\n",
        '\n"',
        "\r",
        ";",
        "1,",
        ",\n",
        '"",',
        "1e9",
        "-",
        "\\u",
        "\x00",
    ):
        for kind in (JSON, CSV, LINES):
            yield ROWS, kind, (mark * (size // len(mark))).encode()
        yield TENSORS, JSON, ('{"inputs":[' + mark * (size // len(mark))).encode()[:SIZE]
    for shape in (
        [1] * (half // 3),
        [10**18] * (half // 20),
        [2] * (half // 3),
        [10**400],
        [0],
        [half, 1],
        [[1]],
        [-1],
    ):
        yield TENSORS, JSON, json.dumps({"inputs": [tensor(shape=shape)]}).encode()
        yield TENSORS, JSON, json.dumps({"inputs": [tensor(shape=shape, data=None)]}).encode()
    for kind in ("BOOL", "BYTES", "FP32", "INT8", "UINT64"):
        data = [1] * (half // 3)
        yield TENSORS, JSON, json.dumps({"inputs": [tensor(shape=[len(data)], datatype=kind, data=data)]}).encode()
        yield TENSORS, JSON, json.dumps({"inputs": [tensor(shape=[len(data)], datatype=kind, data=[data])]}).encode()
    yield TENSORS, JSON, json.dumps({"inputs": [{"name": "hour"}] * (size // 20)}).encode()
    yield TENSORS, JSON, json.dumps({"inputs": [tensor(f"c{at}") for at in range(size // 80)]}).encode()
    yield (
        TENSORS,
        JSON,
        json.dumps({"inputs": [tensor()], "outputs": [{"name": f"o{at}"} for at in range(size // 30)]}).encode(),
    )
    for blob in (
        b"\0" * (size - 300),
        struct.pack("<I", 2**31) * (half // 4),
        b"\1\0\0\0a" * (size // 6),
        b"\xff" * half,
    ):
        for kind in ("BYTES", "UINT8", "FP16", "FP64"):
            about = tensor("airline", [len(blob)], kind, None) | {"parameters": {"binary_data_size": len(blob)}}
            header = json.dumps({"inputs": [about]}).encode()
            yield TENSORS, f"application/octet-stream;{len(header)}", header + blob


def drawn(chance: random.Random) -> Body:
    """A body of random bytes, of random JSON, or a good one that was damaged."""
    kind, size = chance.choice((JSON, CSV, LINES)), int(2 ** chance.uniform(0, 14 if chance.random() < 0.98 else 19.9))
    match chance.randrange(4):
        case 0:
            return chance.choice((ROWS, TENSORS)), kind, chance.randbytes(size)
        case 1:
            value = _value(chance, min(size, 4000))
            form = chance.choice(("instances", "dataframe_split", "inputs", "dataframe_records", "hour"))
            return chance.choice((ROWS, TENSORS)), JSON, json.dumps({form: value}).encode()
        case 2:
            rows = [
                {name: _value(chance, 3) if chance.random() < 0.2 else one for name, one in ROW.items()}
                for _ in range(3)
            ]
            return ROWS, JSON, json.dumps({"instances": rows * (1 + size // 300)}).encode()
    good = chance.choice(
        (
            (ROWS, JSON, json.dumps({"instances": [ROW, KEYS | ROW]}).encode()),
            (
                ROWS,
                JSON,
                json.dumps({"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())]}}).encode(),
            ),
            (ROWS, CSV, b"airline,hour,delay,waiting,in_air\nUA,7,12.5,3,True\n"),
            (TENSORS, JSON, json.dumps({"inputs": [tensor(name, [1], "FP64", [1.5]) for name in ROW]}).encode()),
        )
    )
    damaged = bytearray(good[2])
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(damaged))
        damaged[at : at + chance.randrange(3)] = chance.choice((b"", b'"', b"[", b"}", b"9" * 40, chance.randbytes(2)))
    return good[0], good[1], bytes(damaged)


def _value(chance: random.Random, budget: int) -> object:
    if budget > 2 and chance.random() < 0.6:
        parts = [_value(chance, budget // 3) for _ in range(chance.randrange(5))]
        return parts if chance.random() < 0.5 else {chance.choice([*ROW, "x", "data", "shape"]): one for one in parts}
    return chance.choice(
        (None, True, 7, -1.5, 10**30, 1e308, float("nan"), float("inf"), "", "UA", "\x00", "🛫" * 50, "-9e999", "٣")
    )


class Costs:
    """The routes of a server, asked one body after the other; what the worst answer took, in seconds of a core."""

    def __init__(self, home, runner: asyncio.Runner) -> None:
        self._runner = runner
        state = ServerState("late", log=AccessLog(quiet=True))
        state.open(load_predictor(home, "late"))
        self._app, self.slowest, self.statuses = create_app(state), (0.0, b""), dict[int, int]()

    def ask(self, body: Body) -> None:
        path, kind, data = body
        kind, _, header = kind.partition(";")
        headers = [(b"content-type", kind.encode())]
        headers += [(b"inference-header-content-length", header.encode())] if header else []
        about = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": headers}
        scope = about | {"query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": ""}
        told: list[dict] = []

        async def receive() -> dict:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: dict) -> None:
            told.append(message)

        began = time.process_time()
        self._runner.run(self._app(scope, receive, send))
        self.slowest = max(self.slowest, (time.process_time() - began, data[:60]))
        status = told[0]["status"]
        self.statuses[status] = self.statuses.get(status, 0) + 1
        assert status < 500, (status, data[:80])
        assert len(told[1]["body"]) < 2 * SIZE


@pytest.fixture
def costs(filled_home) -> Iterator[Costs]:
    with asyncio.Runner() as runner:
        found = Costs(filled_home, runner)
        gc.collect()
        gc.freeze()  # as `serve` does
        yield found
        gc.unfreeze()


def test_a_crafted_body_of_some_size_is_answered_and_never_a_500(costs):
    for body in crafted(1_000):
        costs.ask(body)

    assert costs.statuses.keys() >= {200, 400, 404, 422}
    assert costs.slowest[0] < 1, costs.slowest


@pytest.mark.nightly
def test_crafted_bodies_of_a_megabyte_cost_less_than_a_second_and_200_mib(costs):
    most = 0
    for size in (SIZE - 1000, SIZE // 2, SIZE // 3, SIZE // 7):
        for body in crafted(size):
            with suppress(OSError):  # Linux: the peak begins anew here
                Path("/proc/self/clear_refs").write_text("5")
            before = peak_mib()
            costs.ask(body)
            most = max(most, peak_mib() - before)

    assert costs.slowest[0] < 1, costs.slowest
    assert most < 200


def peak_mib() -> int:
    """The most memory that this process has held since its peak was forgotten; 0 where the system does not say."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) // 1024
    return 0


@pytest.mark.nightly
def test_ten_thousand_random_bodies_cost_less_than_a_second_each(costs):
    chance = random.Random(SEED)  # noqa: S311
    for _ in range(10_000):
        costs.ask(drawn(chance))

    assert costs.slowest[0] < 1, costs.slowest
    assert costs.statuses.keys() >= {200, 400, 413, 422}
