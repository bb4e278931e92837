"""The addresses of the service.

| address | what it answers |
| --- | --- |
| `POST /extract` | what `extract` finds in one text or in several |
| `POST /extract-lines` | the same as JSON lines, each as soon as it is there |
| `POST /draw` | one text with its drawing, for the page |
| `GET /health`, `GET /model` | whether it runs; labels and scores |
| `GET /openapi.json` | the OpenAPI document |
| `GET /` | the page |
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from joint_ner_re.documents import DocumentPredictor, Record, failure
from joint_ner_re.review.picture import picture_style
from joint_ner_re.service.batching import Batcher, Stopping
from joint_ner_re.service.drawing import drawing_of
from joint_ner_re.service.guard import Guard
from joint_ner_re.service.limits import Limits
from joint_ner_re.service.openapi import DRAW, EXTRACT, LINES
from joint_ner_re.service.requests import Refused, Wanted, read_request
from joint_ner_re.version import VERSION

logger = logging.getLogger(__name__)

LINES_TYPE = "application/x-ndjson"
_FOLDER = Path(__file__).parent
_PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


class Service:
    """A loaded model behind HTTP.

    # Parameters

    predictor : `DocumentPredictor`
        The loaded model, which nobody else may use meanwhile.
    limits : `Limits`, optional (default: `Limits()`)
    scores : `Mapping[str, float]`, optional (default = `None`)
        What training measured, for `GET /model`.
    hosts : `Collection[str]`, optional (default = `None`)
        The names and addresses that requests may be for; see `Guard`. Default: all.

    # Attributes

    app : `FastAPI`
        The application behind its guard, as servers run it.
    guard : `Guard`
        Setting its `stopping` refuses new requests.
    """

    def __init__(
        self,
        predictor: DocumentPredictor,
        limits: Limits | None = None,
        scores: Mapping[str, float] | None = None,
        hosts: Collection[str] | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.batcher = Batcher(predictor)
        self._about = {
            "entity_types": list(predictor.entity_types),
            "relation_types": list(predictor.relation_types),
            "threshold": self.batcher.default_threshold,
            "unit": predictor.unit,
            "scores": dict(scores) if scores else None,
            "version": VERSION,
            "limits": {
                "max_characters": self.limits.max_characters,
                "max_texts": self.limits.max_texts,
                "max_waiting": self.limits.max_waiting,
                "timeout": self.limits.timeout,
            },
        }
        self.inner = self._make_app()
        self.guard = Guard(self.inner, self.limits, hosts)
        self.app = self.guard

    def _make_app(self) -> FastAPI:
        app = FastAPI(
            title="joint_ner_re",
            version=VERSION,
            description="Entities and the relations between them, by one trained model.",
            # These pages would load scripts from a network.
            docs_url=None,
            redoc_url=None,
            lifespan=self._lifespan,
        )
        app.add_exception_handler(Refused, _refused)
        app.add_exception_handler(HTTPException, _not_there)
        app.add_exception_handler(Exception, _failed)
        app.post("/extract", openapi_extra=EXTRACT, response_model=None)(self.extract)
        app.post("/extract-lines", openapi_extra=LINES, response_model=None)(self.extract_lines)
        app.post("/draw", openapi_extra=DRAW, response_model=None)(self.draw)
        app.get("/health")(self.health)
        app.get("/model")(self.model)
        for address, (name, kind) in _PAGE.items():
            content = (_FOLDER / name).read_text(encoding="utf-8")
            app.get(address, include_in_schema=False)(_file(content, kind))
        app.get("/picture.css", include_in_schema=False)(_file(picture_style(), "text/css"))
        return app

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        self.batcher.start()
        try:
            yield
        finally:
            await run_in_threadpool(self.batcher.stop)

    async def extract(self, request: Request) -> Response:
        """Find the entities and relations of one text, or of several."""
        wanted = read_request(await request.body(), self.limits)
        if LINES_TYPE in request.headers.get("accept", ""):
            return self._lines(wanted)
        records = await self._records(request, wanted)
        return _json(records[0] if wanted.single else {"documents": records})

    async def extract_lines(self, request: Request) -> Response:
        """Find the entities and relations of many texts, a line of JSON for each."""
        return self._lines(read_request(await request.body(), self.limits))

    async def draw(self, request: Request) -> Response:
        """Find the entities and relations of one text, and draw them."""
        wanted = read_request(await request.body(), self.limits)
        if not wanted.single:
            raise Refused(422, 'the body has texts; only one text is drawn: {"text": "..."}')
        (record,) = await self._records(request, wanted)
        return _json(await run_in_threadpool(drawing_of, record))

    async def health(self) -> dict[str, str]:
        """Whether the service runs."""
        return {"status": "ok"}

    async def model(self) -> dict[str, Any]:
        """Labels, threshold, version and limits, and scores if the model has them."""
        return self._about

    def _submit(self, wanted: Wanted) -> list[Future[Record]]:
        try:
            return self.batcher.submit(wanted.texts, wanted.threshold)
        except Stopping as error:
            raise Refused(503, str(error)) from error

    async def _records(self, request: Request, wanted: Wanted) -> list[Record]:
        """The records of all texts of a request; if its client goes, what waits is dropped.

        # Raises

        `Refused`
            With 503 if it takes too long, with 422 if a text cannot be processed.
        """
        answers = self._submit(wanted)
        found = asyncio.gather(*map(asyncio.wrap_future, answers))
        # The body is read already, so the next message says that the client has gone.
        gone = asyncio.ensure_future(request.receive())
        try:
            await asyncio.wait(
                (found, gone), timeout=self.limits.timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if not found.done():
                raise Refused(503, "the client has gone" if gone.done() else self._too_slow())
            records = found.result()
        finally:
            gone.cancel()
            found.cancel()
            _forget(answers)
        for number, record in enumerate(records, start=1):
            if "error" in record:
                name = "the text" if wanted.single else f"text {number} of texts"
                raise Refused(422, f"{name} cannot be processed: {record['error']['message']}")
        return records

    def _lines(self, wanted: Wanted) -> Response:
        answers = self._submit(wanted)
        return StreamingResponse(self._streamed(answers), media_type=LINES_TYPE)

    async def _streamed(self, answers: Sequence[Future[Record]]) -> AsyncIterator[str]:
        """A line for each text, in order; one that took too long gets a line with an error."""
        try:
            late: Exception | None = None
            for number, answer in enumerate(answers, start=1):
                try:
                    if late is not None:
                        raise late
                    async with asyncio.timeout(self.limits.timeout):
                        record = await asyncio.wrap_future(answer)
                except TimeoutError:
                    late = late or TimeoutError(self._too_slow())
                    record = failure({}, number, late)
                except Exception:
                    # It is logged where it was raised.
                    record = failure({}, number, RuntimeError(_FAILED))
                yield json.dumps(record, ensure_ascii=False) + "\n"
        finally:
            _forget(answers)

    def _too_slow(self) -> str:
        return (
            f"no answer within {self.limits.timeout:g} seconds, the limit: send less text at "
            "once, ask again later, or start the service with a larger --timeout"
        )


_FAILED = "the service failed; its log has the reason"


def _forget(answers: Sequence[Future[Record]]) -> None:
    """Take the texts that nobody waits for out of the queue."""
    for answer in answers:
        answer.cancel()


def _json(content: Any) -> Response:
    text = json.dumps(content, ensure_ascii=False)
    return Response(text, media_type="application/json")


def _file(content: str, kind: str) -> Any:
    async def get() -> Response:
        return Response(content, media_type=kind)

    return get


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {"retry-after": "60"} if error.status == 503 else None
    return JSONResponse({"detail": str(error)}, error.status, headers=headers)


async def _not_there(request: Request, error: Exception) -> Response:
    """For an address that does not exist, and a method that it does not have."""
    assert isinstance(error, HTTPException)
    detail = error.detail
    if error.status_code in (404, 405):
        detail = (
            "there is no such address; expected POST /extract, POST /extract-lines, POST /draw, "
            "GET /health, GET /model, GET /openapi.json or GET /"
        )
    return JSONResponse({"detail": detail}, error.status_code, headers=error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": _FAILED}, 500)
