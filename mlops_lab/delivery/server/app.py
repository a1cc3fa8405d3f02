"""Under which addresses does the server answer?

One model behind the contracts of four kinds of client:

- SageMaker: `GET /ping`, `POST /invocations`
  (https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html);
- Vertex AI: `AIP_HEALTH_ROUTE`, `AIP_PREDICT_ROUTE`
  (https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements);
- KServe: `/v2/...` (the Open Inference Protocol) and `/v1/models/NAME:predict`;
- MLflow: `/ping`, `/version`, `/invocations`;

and `/metrics` for Prometheus.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import MissingExtra, MlopsLabError
from mlops_lab.delivery.server.answering import Handler, Told, answering, read_body, reply, wanted_type
from mlops_lab.delivery.server.contract import Contract
from mlops_lab.delivery.server.refusal import Refusal
from mlops_lab.delivery.server.station import Station
from mlops_lab.delivery.server.tensors import metadata_of, tensors_of

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["create_app"]


def create_app(station: Station, *, contract: Contract | None = None) -> FastAPI:
    """The routes of a server.

    Raises:
        MissingExtra: fastapi is not installed.

    >>> from mlops_lab.delivery.server.telling import Log
    >>> app = create_app(Station(name="late"))
    >>> sorted(route.path for route in app.routes if route.path.startswith("/v2/health"))
    ['/v2/health/live', '/v2/health/ready']
    """
    try:
        from fastapi import FastAPI
        from starlette.exceptions import HTTPException
    except ImportError:
        raise MissingExtra("serve") from None
    routes, found = _Routes(station), Contract() if contract is None else contract
    app = FastAPI(title=f"mlops-lab: {station.name}", docs_url=None, redoc_url=None, openapi_url=None)

    def add(method: str, path: str, handler: Handler, *, label: str = "") -> None:
        route = answering(station, label or path, handler, bounded=method == "POST")
        app.router.add_route(path, route, methods=[method])

    for path in dict.fromkeys(("/ping", found.health_route, "/v2/health/ready")):
        add("GET", path, routes.ready)
    add("GET", "/v2/health/live", routes.live)
    for path in dict.fromkeys(("/invocations", found.predict_route)):
        add("POST", path, routes.predict)
    add("GET", "/v2", routes.about)
    add("GET", "/version", routes.version)
    for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        add("GET", path, routes.model, label="/v2/models")
        add("GET", f"{path}/ready", routes.model_ready, label="/v2/models/ready")
        add("POST", f"{path}/infer", routes.infer, label="/v2/models/infer")
    add("GET", "/v1/models", routes.models)
    add("GET", "/v1/models/{name}", routes.model_ready, label="/v1/models")
    add("POST", "/v1/models/{name}:predict", routes.predict, label="/v1/models:predict")
    add("GET", "/metrics", routes.metrics)

    @app.exception_handler(HTTPException)
    async def elsewhere(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        kinds = {404: ("UnknownRoute", "nothing is served at this address."), 405: ("WrongMethod", "not this way.")}
        kind, message = kinds.get(status, ("Refused", "the request was refused."))

        async def refuse(_request: Request, _told: Told) -> Response:
            raise Refusal(status, kind, message)

        response = await answering(station, "elsewhere", refuse)(request)
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    return app


class _Routes:
    def __init__(self, station: Station) -> None:
        self._station = station

    async def live(self, _request: Request, told: Told) -> Response:
        told["probe"] = True
        return reply({"live": True})

    async def ready(self, _request: Request, told: Told) -> Response:
        told["probe"] = True
        if self._station.ready:
            return reply({"ready": True})
        response = reply({"ready": False, "error": f"not ready: {self._station.why}."}, status=503)
        response.headers["retry-after"] = "1"
        return response

    async def about(self, _request: Request, _told: Told) -> Response:
        from mlops_lab import __version__

        return reply({"name": "mlops-lab", "version": __version__, "extensions": []})

    async def version(self, _request: Request, _told: Told) -> Response:
        from starlette.responses import PlainTextResponse

        from mlops_lab import __version__

        return PlainTextResponse(__version__)

    async def metrics(self, _request: Request, told: Told) -> Response:
        told["probe"] = True
        from starlette.responses import Response

        return Response(self._station.figures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def models(self, _request: Request, _told: Told) -> Response:
        return reply({"models": [self._station.name]})

    async def model(self, request: Request, _told: Told) -> Response:
        self._named(request)
        model = self._station.working_desk().model
        return reply(metadata_of(model.name, model.version, dict(model.kinds)))

    async def model_ready(self, request: Request, _told: Told) -> Response:
        self._named(request)
        return reply(
            {"name": self._station.name, "ready": self._station.ready}, status=200 if self._station.ready else 503
        )

    async def predict(self, request: Request, told: Told) -> Response:
        """Rows in, probabilities out, in the form of SageMaker, Vertex AI and MLflow."""
        self._named(request)
        desk = self._station.working_desk()
        kind = request.headers.get("content-type", "application/json")
        as_text = kind.lstrip().lower().startswith(("text/csv", "application/csv"))
        wanted = wanted_type(request, usual="text/csv" if as_text else "application/json")
        table = desk.table(await read_body(request, self._station), kind)
        scores = await self._scores(table, as_text=as_text)
        told["scores"] = scores
        self._tell_age(desk, table, told)
        if wanted != "application/json":
            from starlette.responses import Response

            shape = "{}\n" if wanted == "text/csv" else '{{"prediction": {}}}\n'
            return Response("".join(map(shape.format, scores)), media_type=wanted)
        model = desk.model
        return reply({"predictions": scores, "model_name": model.name, "model_version": str(model.version)})

    async def infer(self, request: Request, told: Told) -> Response:
        """Tensors in, a tensor out, in the form of KServe's V2."""
        self._named(request)
        desk = self._station.working_desk()
        if "inference-header-content-length" in request.headers:
            raise Refusal(415, "UnsupportedType", "binary tensors are not read here; send the data as JSON.")
        table, asked = desk.tensors(await read_body(request, self._station))
        scores = await self._scores(table)
        told["scores"] = scores
        self._tell_age(desk, table, told)
        return reply(tensors_of(scores, desk.model.name, desk.model.version, asked))

    def _tell_age(self, desk: Any, table: Any, told: Told) -> None:
        if desk.lookup is not None and desk.needs_lookup(table):
            with suppress(MlopsLabError):  # the answer is there; only how old its features were is not known
                told["features_age"] = desk.lookup.age()

    async def _scores(self, table: Any, *, as_text: bool = False) -> list[float]:
        desk = self._station.working_desk()
        if desk.model.compiled and not desk.needs_lookup(table):
            return desk.scores(table, as_text=as_text)
        import asyncio
        from functools import partial

        from anyio import to_thread  # a slow model, or a disk that makes us wait: others go on meanwhile

        limit = self._station.limits.answer_seconds
        try:
            async with asyncio.timeout(limit):
                return await to_thread.run_sync(partial(desk.scores, table, as_text=as_text), abandon_on_cancel=True)
        except TimeoutError:
            raise Refusal(503, "TooSlow", f"no answer within {limit:g} seconds; ask again in a moment.") from None

    def _named(self, request: Request) -> None:
        """Is it this model, and this version, that the address names?"""
        asked, version = request.path_params.get("name"), request.path_params.get("version")
        if asked is not None and asked != self._station.name:
            raise Refusal(404, "UnknownModel", f"there is no model {asked!r:.80} here, only {self._station.name!r}.")
        if version is not None and version != str(self._station.working_desk().model.version):
            raise Refusal(404, "UnknownModel", f"there is no version {version!r:.20} of {self._station.name!r} here.")
