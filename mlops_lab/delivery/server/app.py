"""The addresses under which the server answers, and what happens to every request on its way.

One model behind the contracts of four kinds of client:

- SageMaker: `GET /ping`, `POST /invocations`
  (https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html);
- Vertex AI: `AIP_HEALTH_ROUTE`, `AIP_PREDICT_ROUTE`
  (https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements);
- KServe: `/v2/...` (the Open Inference Protocol) and `/v1/models/NAME:predict`;
- MLflow: `/ping`, `/version`, `/invocations`;

with `/metrics` for Prometheus and `/openapi.json` for whoever writes a client.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import MissingExtra, MlopsLabError
from mlops_lab.delivery.server.bodies import RequestError, Table
from mlops_lab.delivery.server.predictor import Answer, Predictor
from mlops_lab.delivery.server.state import Contract, ServerState

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

_CLOSED = {408, 413}  # the rest of the body is still on its way; only closing the connection spares us reading it
# A client that is still sending does not read: it would find its connection reset and never see why. So a body that is
# too large is read to its end and thrown away, up to here.
_LINGER = 64_000_000
_ID_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")
_BINARY_HEADER = "inference-header-content-length"


@dataclass
class Facts:
    """What a handler notes about its answer, for the log and the metrics.

    Attributes: `request_id`, `scores`, `is_probe` (not worth a line), `features_age` (seconds), `unknown_words`,
    `log` (whatever else goes into the line).
    """

    request_id: str
    scores: list[float] | None = None
    is_probe: bool = False
    features_age: float | None = None
    unknown_words: dict[str, int] = field(default_factory=dict)
    log: dict[str, Any] = field(default_factory=dict)


Handler = Callable[["Request", Facts], Awaitable["Response"]]


def create_app(state: ServerState, *, contract: Contract | None = None) -> FastAPI:
    """The routes of a server.

    Raises:
        MissingExtra: fastapi is not installed.

    >>> app = create_app(ServerState(name="late"))
    >>> sorted(path for path in app.openapi()["paths"] if path.startswith("/v2/health"))
    ['/v2/health/live', '/v2/health/ready']
    """
    try:
        from fastapi import FastAPI
        from fastapi.routing import APIRoute
        from starlette.exceptions import HTTPException
        from starlette.requests import Request
        from starlette.responses import JSONResponse, PlainTextResponse

        from mlops_lab.delivery.server import protocol
    except ImportError:
        raise MissingExtra("serve") from None
    from mlops_lab import __version__

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """The handler itself, which reads the request and makes the response."""
            handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
            return handler

    routes, found = _Routes(state), Contract() if contract is None else contract
    app = FastAPI(
        title=f"mlops-lab: {state.name}", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.router.route_class = Route
    failures = {"model": protocol.Failure, "description": "The request gets no answer; the body says why."}
    errors: dict[int | str, dict[str, Any]] = dict.fromkeys((404, 422, 503), failures)
    body_errors = errors | dict.fromkeys((400, 406, 408, 413, 415, 500), failures)

    def add(
        method: str,
        path: str,
        handler: Handler,
        *,
        label: str = "",
        answers: Any = None,
        media: tuple[str, ...] = (),
        body: dict[str, Any] | None = None,
    ) -> None:
        route = handled(state, label or path, handler, bounded=method == "POST")
        route.__annotations__ = {"request": Request}
        extra: dict[str, Any] = {"requestBody": {"required": True, "content": body}} if body else {}
        if "{" in path:
            names = [part[1 : part.index("}")] for part in path.split("/") if part.startswith("{")]
            kinds: dict[str, Any] = {"name": {"enum": [state.name]}, "version": {"pattern": "^[0-9]{1,4}$"}}
            extra["parameters"] = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string", **kinds[name]}}
                for name in names
            ]
        told: dict[int | str, dict[str, Any]] = {200: {"content": {one: {} for one in media}}} if media else {}
        told |= (
            body_errors if body else errors if "{" in path else {503: {"description": "Not ready."}} if label else {}
        )
        app.add_api_route(
            path,
            route,
            methods=[method],
            name=f"{method.lower()} {path}",
            response_model=answers,
            response_class=PlainTextResponse if media == ("text/plain",) else JSONResponse,
            responses=told,
            openapi_extra=extra,
        )

    rows = {"application/json": {"schema": {"$ref": "#/components/schemas/Instances"}}, "text/csv": {}}
    for path in dict.fromkeys(("/ping", found.health_route, "/v2/health/ready")):
        add("GET", path, routes.ready, label=path)
    add("GET", "/v2/health/live", routes.live)
    text = ("text/csv", "application/jsonlines")
    for path in dict.fromkeys(("/invocations", found.predict_route)):
        add("POST", path, routes.predict, answers=protocol.Predictions, media=text, body=rows)
    add("GET", "/v2", routes.about)
    add("GET", "/version", routes.version, media=("text/plain",))
    tensors = {"application/json": {"schema": {"$ref": "#/components/schemas/InferenceRequest"}}}
    for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        add("GET", path, routes.model, label="/v2/models")
        add("GET", f"{path}/ready", routes.model_ready, label="/v2/models/ready")
        label = "/v2/models/infer"
        answers, binary = protocol.InferenceResponse, ("application/octet-stream",)
        add("POST", f"{path}/infer", routes.infer, label=label, answers=answers, media=binary, body=tensors)
    add("GET", "/v1/models", routes.models)
    add("GET", "/v1/models/{name}", routes.model_ready, label="/v1/models")
    label = "/v1/models:predict"
    path, predictions = "/v1/models/{name}:predict", protocol.Predictions
    add("POST", path, routes.predict, label=label, answers=predictions, media=text, body=rows)
    add("GET", "/metrics", routes.metrics, media=("text/plain",))

    describe = app.openapi

    def openapi() -> dict[str, Any]:
        """The document, with the features of the model that answers once it is loaded."""
        app.openapi_schema = None
        found = describe()
        kinds = state.predictor.model.kinds if state.predictor is not None else {}
        schemas = found["components"]["schemas"]
        schemas["Instances"] = protocol.instances_schema(kinds)
        described = protocol.InferenceRequest.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= described.pop("$defs") | {"InferenceRequest": described}
        return found

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation has it

    @app.exception_handler(HTTPException)
    async def elsewhere(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        kinds = {404: ("UnknownRoute", "nothing is served at this address."), 405: ("WrongMethod", "not this way.")}
        kind, message = kinds.get(status, ("Refused", "the request was refused."))

        async def refuse(_request: Request, _facts: Facts) -> Response:
            raise RequestError(status, kind, message)

        response = await handled(state, "elsewhere", refuse)(request)
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    return app


def handled(
    state: ServerState, route: str, handler: Handler, *, bounded: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """The handler as a route: timed, counted and logged; a `RequestError` becomes its status, a bug a bare 500.

    One that is `bounded` counts towards the limit of requests at once; probes and metrics never do.
    """

    async def answer(request: Request) -> Response:
        from starlette.requests import ClientDisconnect

        began = time.perf_counter()
        facts = Facts(_id(request) or state.next_id())
        state.under_way += bounded
        try:
            if bounded and state.under_way > state.limits.connections:
                raise RequestError(503, "Busy", f"{state.limits.connections:,} requests are under way; ask again soon.")
            response = await handler(request, facts)
        except RequestError as error:
            facts.log["why"] = str(error)
            response = _failed(error.status, error.kind, str(error), facts.request_id)
        except ClientDisconnect:
            facts.log["why"] = "the client went away"
            response = _failed(499, "ClientGone", "the client went away.", facts.request_id)
        except Exception as error:  # whatever it is, the client hears of it without its inside
            facts.log |= {"why": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
            told = "the server failed; its log knows more of this request."
            response = _failed(500, "InternalError", told, facts.request_id)
        finally:
            state.under_way -= bounded
        _finish(state, route, request, response, facts, time.perf_counter() - began)
        return response

    answer.__name__ = route.strip("/").replace("/", "_") or "root"
    return answer


def _finish(state: ServerState, route: str, request: Request, response: Response, facts: Facts, seconds: float) -> None:
    """Headers, metrics and the log's line of a request that was answered."""
    headers = response.raw_headers
    headers.append((b"x-request-id", facts.request_id.encode()))
    if facts.features_age is not None:
        headers.append((b"x-features-age-seconds", f"{facts.features_age:.0f}".encode()))
        state.metrics.features_age.set(facts.features_age)
        facts.log["features_age"] = facts.features_age
    if state.stopping:
        headers.append((b"connection", b"close"))  # whoever asks again should ask another server
    if state.predictor is not None:
        model = state.predictor.model
        headers.append((b"x-model-name", model.name.encode("ascii", "replace")))
        headers.append((b"x-model-version", str(model.version).encode()))
        facts.log |= {"model": model.name, "version": model.version}
    state.metrics.answered(route, response.status_code, seconds=seconds, scores=facts.scores)
    for column, count in facts.unknown_words.items():
        state.metrics.unknown_words.labels(column).inc(count)
    if facts.unknown_words:
        facts.log["unknown_words"] = facts.unknown_words
    if facts.scores is not None:
        facts.log["rows"] = len(facts.scores)
    if facts.is_probe:
        return  # asked every few seconds by machines
    if trace_id := _trace_id(request):
        facts.log["trace_id"] = trace_id
    told = {"status": response.status_code, "ms": round(1000 * seconds, 3), "request_id": facts.request_id}
    state.log.request(route=route, **told, **facts.log)


def reply(value: Any, *, status: int = 200) -> Response:
    """A JSON answer."""
    from starlette.responses import Response

    return Response(json.dumps(value, allow_nan=False), status_code=status, media_type="application/json")


def predictions(said: Mapping[str, Any]) -> Response:
    """A JSON answer of many finite numbers, for which `reply` takes ten times as long."""
    from pydantic_core import to_json
    from starlette.responses import Response

    return Response(to_json(said), media_type="application/json")


def _failed(status: int, kind: str, message: str, number: str) -> Response:
    """The answer to a request that gets no prediction; V2 asks for the key `error`."""
    response = reply({"error": message, "kind": kind, "status": status, "request_id": number}, status=status)
    if status in _CLOSED:
        response.headers["connection"] = "close"
    if status == 503:
        response.headers["retry-after"] = "1"
    return response


async def read_body(request: Request, state: ServerState) -> bytes:
    """The body, if it is not too large and comes in time.

    Raises:
        RequestError: 400, 408, 413 or 415.
    """
    limit = state.limits.body_bytes
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError(415, "UnsupportedType", "a compressed body is not read here.")
    too_large = RequestError(413, "TooLarge", f"the body is larger than {limit:,} bytes.")
    length = request.headers.get("content-length", "")
    announced = int(length[:19]) if length.isdigit() else 0
    if announced > _LINGER or (announced > limit and request.headers.get("expect")):
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(state.limits.body_seconds):
            async for part in request.stream():
                size += len(part)
                if size <= limit:
                    parts.append(part)
                elif size > _LINGER:
                    raise too_large
    except TimeoutError:
        if size > limit:
            raise too_large from None
        told = f"the body did not arrive within {state.limits.body_seconds:g} seconds."
        raise RequestError(408, "SlowBody", told) from None
    if size > limit:
        raise too_large
    if not size:
        raise RequestError(400, "MalformedBody", "the body is empty.")
    return b"".join(parts)


def wanted_type(request: Request, *, usual: str) -> str:
    """In which media type does the client want its answer?

    Raises:
        RequestError: 406, in none that is spoken here.
    """
    accept = request.headers.get("accept", "").lower()
    weights = _weights(accept or "*/*")

    def wish(media: str) -> tuple[float, int]:
        """How much it is wanted: the most specific range that it is in says so, of two the one that was named first."""
        ranges = (media, f"{media.partition('/')[0]}/*", "*/*")
        return next((weights[each] for each in ranges if each in weights), (0.0, 0))

    best = max((usual, "application/json", "text/csv", "application/jsonlines"), key=wish)  # the first of equals
    if wish(best)[0] > 0:
        return best
    raise RequestError(
        406, "NotAcceptable", f"no answer can be {accept!r:.80}; there is application/json and text/csv."
    )


def _weights(accept: str) -> dict[str, tuple[float, int]]:
    """For each media range of an Accept header its weight and minus its place (RFC 9110, 12.5.1)."""
    found: dict[str, tuple[float, int]] = {}
    for place, part in enumerate(accept.split(",")):
        media, *parameters = (word.strip() for word in part.split(";"))
        weight = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        with suppress(ValueError):
            if 0 <= float(weight) <= 1:
                found[media] = (float(weight), -place)
    return found


def _id(request: Request) -> str:
    """The name that the client gave its request, where it is harmless in a header and in a log."""
    found = request.headers.get("x-request-id", "")
    return found if len(found) <= 128 and set(found) <= _ID_LETTERS else ""


def _trace_id(request: Request) -> str:
    """The id that every service of a request shares: W3C's header, else the span of FastAPI's own OpenTelemetry."""
    parts = request.headers.get("traceparent", "").split("-")
    if len(parts) == 4 and len(parts[1]) == 32:
        return parts[1]
    trace = sys.modules.get("opentelemetry.trace")
    context = None if trace is None else trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context is not None and context.is_valid else ""


def _text(text: str | bytes, media: str) -> Response:
    from starlette.responses import Response

    return Response(text, media_type=media)


class _Routes:
    def __init__(self, state: ServerState) -> None:
        self._state = state

    async def live(self, _request: Request, facts: Facts) -> Response:
        facts.is_probe = True
        return reply({"live": True})

    async def ready(self, _request: Request, facts: Facts) -> Response:
        facts.is_probe = True
        if self._state.ready:
            return reply({"ready": True})
        response = reply({"ready": False, "error": f"not ready: {self._state.why}."}, status=503)
        response.headers["retry-after"] = "1"
        return response

    async def about(self, _request: Request, _facts: Facts) -> Response:
        from mlops_lab import __version__

        return reply({"name": "mlops-lab", "version": __version__, "extensions": ["binary_tensor_data"]})

    async def version(self, _request: Request, _facts: Facts) -> Response:
        from mlops_lab import __version__

        return _text(__version__, "text/plain")

    async def metrics(self, _request: Request, facts: Facts) -> Response:
        facts.is_probe = True
        return _text(self._state.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")

    async def models(self, _request: Request, _facts: Facts) -> Response:
        return reply({"models": [self._state.name]})

    async def model(self, request: Request, _facts: Facts) -> Response:
        self._named(request)
        from mlops_lab.delivery.server.protocol import metadata_of

        model = self._state.working_predictor().model
        return reply(metadata_of(model.name, model.version, model.kinds, model.output))

    async def model_ready(self, request: Request, _facts: Facts) -> Response:
        self._named(request)
        return reply({"name": self._state.name, "ready": self._state.ready}, status=200 if self._state.ready else 503)

    async def predict(self, request: Request, facts: Facts) -> Response:
        """Rows in, predictions out, in the form of SageMaker, Vertex AI and MLflow."""
        self._named(request)
        predictor = self._state.working_predictor()
        kind = request.headers.get("content-type", "application/json")
        as_text = kind.lstrip().lower().startswith(("text/csv", "application/csv"))
        wanted = wanted_type(request, usual="text/csv" if as_text else "application/json")
        table = predictor.table(await read_body(request, self._state), kind)
        # CSV has no place for an error beside a number; RFC 7240 is how a client asks for all or nothing.
        strict = wanted == "text/csv" or "handling=strict" in request.headers.get("prefer", "").lower()
        answer = await self._answer(predictor, table, facts, as_text=as_text, strict=strict)
        if wanted == "text/csv":
            return _text("".join(f"{one}\n" for one in answer.scores), wanted)
        if wanted == "application/jsonlines":
            lines = [
                {"prediction": one} | ({"error": answer.errors[at][1]} if at in answer.errors else {})
                for at, one in enumerate(answer.scores)
            ]
            return _text("".join(json.dumps(line) + "\n" for line in lines), wanted)
        model = predictor.model
        said: dict[str, Any] = {"predictions": answer.scores}
        said |= {"model_name": model.name, "model_version": str(model.version)}
        if answer.errors:
            said["errors"] = [{"row": at, "kind": kind, "error": told} for at, (kind, told) in answer.errors.items()]
            facts.log["row_errors"] = len(answer.errors)
        return predictions(said)

    async def infer(self, request: Request, facts: Facts) -> Response:
        """Tensors in, a tensor out, in the form of KServe's V2; the tensors may be in binary."""
        from starlette.responses import Response

        self._named(request)
        predictor = self._state.working_predictor()
        length = request.headers.get(_BINARY_HEADER)
        if length is not None and not (length.isascii() and length.isdigit()):
            raise RequestError(400, "MalformedBody", f"{_BINARY_HEADER} must be a number of bytes, not {length!r:.20}.")
        header = None if length is None else int(length[:19])
        table, asked = predictor.tensors(await read_body(request, self._state), header=header)
        await self._answer(predictor, table, facts, as_text=False, strict=True)  # a tensor has no place for an error
        model = predictor.model
        body, header = asked.answer(facts.scores or [], model.name, model.version, output_name=model.output)
        if header is None:
            return Response(body, media_type="application/json")
        return Response(body, media_type="application/octet-stream", headers={_BINARY_HEADER: str(header)})

    async def _answer(self, predictor: Predictor, table: Table, facts: Facts, *, as_text: bool, strict: bool) -> Answer:
        work = partial(predictor.answer, table, as_text=as_text, strict=strict)
        if predictor.model.compiled and not predictor.needs_lookup(table):
            answer = work()
        else:
            from anyio import to_thread  # a slow model, or a disk that makes us wait: others go on meanwhile

            limit = self._state.limits.answer_seconds
            try:
                async with asyncio.timeout(limit):
                    answer = await to_thread.run_sync(work, abandon_on_cancel=True)
            except TimeoutError:
                told = f"no answer within {limit:g} seconds; ask again in a moment."
                raise RequestError(503, "TooSlow", told) from None
        facts.scores = [one for one in answer.scores if one is not None]
        facts.unknown_words = dict(answer.unknown_words)
        if answer.looked_up and predictor.lookup is not None:
            with suppress(MlopsLabError):  # the answer is there; only how old its features were is not known
                facts.features_age = predictor.lookup.age()
        return answer

    def _named(self, request: Request) -> None:
        """Is it this model, and this version, that the address names?"""
        asked, version = request.path_params.get("name"), request.path_params.get("version")
        if asked is not None and asked != self._state.name:
            raise RequestError(404, "UnknownModel", f"there is no model {asked!r:.80} here, only {self._state.name!r}.")
        if version is not None and version != str(self._state.working_predictor().model.version):
            raise RequestError(
                404, "UnknownModel", f"there is no version {version!r:.20} of {self._state.name!r} here."
            )
