"""The lab's own addresses beside the pages: /live, /snapshot, /image, /still, /export, /panel, /plotly.js and /healthz.

In the browser pages/parts/charts/live_hub.js asks the first two, pages/parts/graph/graph.js posts to /panel.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import gzip
import importlib.metadata
import importlib.util
import json
import os
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.background import BackgroundTask
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from engine.core.disk import refused
from engine.core.files import regular
from engine.declare.lab_catalog import LabsUnreadable
from engine.declare.resolve import KnobError
from engine.index.export import FORMATS, write
from engine.labs.panel_frames import encoded
from engine.runs.folder import RunFolder, run_folder
from engine.runs.pictures import picture_file
from engine.server import stills
from engine.server.answers import BadRequest, Json, answered, answered_async
from engine.server.descriptors import raise_limit
from engine.server.event_stream import EventStream, Streams
from engine.server.gate import BROWSER
from engine.server.panels import LONGEST, PanelError
from engine.server.service import Service, close, service

MOST_RUNS, MOST_SERIES = 64, 256
MOST_POINTS, MOST_ROWS, MOST_EVENTS = 20_000, 300, 2_000
MOST_PANELS = 16  # that are computed or waited for at a time: the other routes and the pages have threads left
MOST_BYTES = 16 * 2**20  # of a picture
FARTHEST = 2**62  # a step; the index counts in 64 bits

streams = Streams()


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Owner and supervisor start before the first page; streams end before the server waits for them."""
    raise_limit()
    await asyncio.to_thread(service)
    gc.collect()
    gc.freeze()  # modules and tables live as long as the server: looking through them again would hold up pages by a tenth of a second
    try:
        with streams.ended_by_signals():
            yield
    finally:
        await asyncio.to_thread(close)


def routes(find_service: Callable[[], Service] = service, prefix: str = "") -> list[Route]:
    """The routes for `st.App`, below the path `prefix`; `find_service` finds the service (another one in tests).

    /healthz answers without the prefix too: whoever watches the server need not know it.
    """

    computing = anyio.CapacityLimiter(MOST_PANELS)

    async def live(request: Request) -> Response:
        runs = request.query_params.getlist("run")
        if not 1 <= len(runs) <= MOST_RUNS:
            raise BadRequest(f"/live received {len(runs)} runs; give one to {MOST_RUNS} as run=ID.")
        for run in runs:
            run_folder(find_service().data, run)
        return EventStream(find_service().owner.subscribe, set(runs), streams, browser_of(request.scope))

    def snapshot(request: Request) -> Response:
        return Json(take_snapshot(find_service(), request.query_params))

    def image(request: Request) -> Response:
        return picture(_run(find_service(), request.query_params), request)

    def still(request: Request) -> Response:
        return stills.answer(find_service().labs(), request)

    def export(request: Request) -> Response:
        folder, form = _run(find_service(), request.query_params), request.query_params.get("format", "csv")
        if form not in FORMATS:
            raise BadRequest(f'/export received format="{form}"; allowed are {", ".join(FORMATS)}.')
        path = exported(find_service(), folder.run, form)
        kind = "text/csv" if form == "csv" else "application/vnd.apache.parquet"
        return FileResponse(path, media_type=kind, filename=f"{folder.run}.{form}", background=BackgroundTask(path.unlink))

    async def panel(request: Request) -> Response:
        name, knobs = await question_of(request)
        return Json(await anyio.to_thread.run_sync(framed, find_service(), name, knobs, limiter=computing))

    def healthz(_request: Request) -> Response:
        return Json({"ok": True, "role": find_service().owner.role, "labs": find_service().labs()["state"], "streams": len(streams)})

    at = "/" + prefix.strip("/") if prefix.strip("/") else ""
    below = [
        Route(f"{at}/live", answered_async(live)),
        Route(f"{at}/snapshot", answered(snapshot)),
        Route(f"{at}/image", answered(image)),
        Route(f"{at}/still", answered(still)),
        Route(f"{at}/export", answered(export)),
        Route(f"{at}/panel", answered_async(panel), methods=["POST"]),
        Route(f"{at}/plotly.js", plotly_js),
        Route(f"{at}/healthz", healthz),
    ]
    return [*below, *([Route("/healthz", healthz)] if at else [])]


def browser_of(scope: Mapping[str, Any]) -> str | None:
    """The id of the browser that asks, as the gate has written it into the request; None where no gate stands before the routes."""
    return dict(scope["headers"]).get(BROWSER.encode(), b"").decode("latin-1") or None


def take_snapshot(lab: Service, query: QueryParams) -> dict[str, Any]:
    """What a chart draws first: series and vectors of one run, its newest events and how many there are, its state.

    `vector` asks for the rows with the largest elements, `even` for rows at even distances, as a film needs them.

    `upto` is read before the series: a delta at a later step may already be among them, one at an
    earlier step never needs to be drawn again.
    """
    folder = _run(lab, query)
    lo, hi = _whole(query, "lo"), _whole(query, "hi")
    points = _whole(query, "points") or 1000
    wanted, vectors, evens = query.getlist("series"), query.getlist("vector"), query.getlist("even")
    if not 2 <= points <= MOST_POINTS:
        raise BadRequest(f"points={points} is out of bounds; give 2 to {MOST_POINTS}.")
    if (many := len(wanted) + len(vectors) + len(evens)) > MOST_SERIES:
        raise BadRequest(f"/snapshot received {many} series; give at most {MOST_SERIES}.")
    store, run, rows = lab.store, folder.run, min(points, MOST_ROWS)
    upto = store.upto(run)
    series = store.many([(run, *store.split(key)) for key in wanted], lo=lo, hi=hi, points=points)
    return {
        "run": run,
        "series": dict(zip(wanted, series, strict=True)),
        "vectors": {key: store.vectors(run, *store.split(key), lo=lo, hi=hi, rows=rows) for key in vectors},
        "evens": {key: store.vectors(run, *store.split(key), lo=lo, hi=hi, rows=rows, even=True) for key in evens},
        "events": store.events(run, newest=MOST_EVENTS),
        "events_total": store.count_events(run),
        "state": {**store.state(run), "says": (folder.exit() or {}).get("says", "")},
        "upto": upto,
    }


def exported(lab: Service, run: str, form: str) -> Path:
    """A file with every point of a run, for one answer; among the machine's temporary files where the data folder takes no writes."""
    frame, name = lab.store.frame(run), f"export-{run}-{os.getpid()}-{secrets.token_hex(3)}.{form}"
    try:
        (lab.data / "cache").mkdir(parents=True, exist_ok=True)
        path = lab.data / "cache" / name
        write(frame, path, form)
    except OSError as error:
        if not refused(error):
            raise
        path = Path(tempfile.gettempdir()) / name
        write(frame, path, form)
    return path


def picture(folder: RunFolder, request: Request) -> Response:
    """One picture of a run.  A browser keeps it and asks whether it still holds: a resumed run may write it anew."""
    name, step = request.query_params.get("name", ""), request.query_params.get("step", "")
    if not re.fullmatch(r"\d{1,18}", step, re.ASCII):
        raise BadRequest(f"step={step:.80} is no step; give a whole number from 0 on.")
    try:
        path = picture_file(folder.path, name, int(step))
    except ValueError as error:
        raise BadRequest(str(error)) from None
    try:
        with open(path, "rb", opener=regular) as file:
            found, content = os.fstat(file.fileno()), file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES or path.parent.is_symlink() or folder.unreadable():
            raise OSError("too large, or behind a link")
    except OSError:  # not there, a link, a folder
        raise KeyError(f'Run {folder.run} has no picture "{name}" of step {step}.') from None
    tag = f'"{found.st_ino:x}-{found.st_mtime_ns:x}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="image/png", headers=headers)


async def question_of(request: Request) -> tuple[str, dict[str, Any]]:
    """What /panel is asked with, `{"panel": NAME, "knobs": {flat name: value}}` -> its two parts."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > 2 * LONGEST:
            raise BadRequest(f"/panel received more than {2 * LONGEST:,} bytes and allows no more; ask with shorter knobs.")
    try:
        asked = json.loads(bytes(body))
        return str(asked["panel"]), dict(asked["knobs"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadRequest('/panel received no question; send JSON such as {"panel": NAME, "knobs": {}}.') from None


def framed(lab: Service, name: str, knobs: Mapping[str, Any]) -> dict[str, Any]:
    """What a panel answers, as a browser can read it: {"frames": …}, or {"says": sentence, "unanswered": bool}."""
    try:
        return {"frames": encoded(lab.panel(name, knobs))}
    except PanelError as error:
        return {"says": str(error), "unanswered": error.unanswered}
    except (KnobError, LabsUnreadable) as error:
        raise BadRequest(str(error)) from None


def _run(lab: Service, query: QueryParams) -> RunFolder:
    run = query.get("run")
    if run is None:
        raise BadRequest("No run was given; give one as run=ID.")
    return run_folder(lab.data, run)


def _whole(query: QueryParams, name: str) -> int | None:
    value = query.get(name, "")
    if not value:
        return None
    try:
        whole = round(float(value))  # a chart's axis range has fractions
    except (ValueError, OverflowError):
        raise BadRequest(f"{name}={value:.80} is not a number of steps.") from None
    if abs(whole) > FARTHEST:
        raise BadRequest(f"{name}={value:.80} is out of bounds; give {-FARTHEST} to {FARTHEST}.")
    return whole


# -- plotly.js -------------------------------------------------------------------------------------


@functools.cache
def _plotly() -> tuple[bytes, bytes, str]:
    """-> (the script of the installed wheel, the same in gzip, its tag), without importing plotly."""
    found = importlib.util.find_spec("plotly")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("plotly is not installed; run `make app` again.")
    script = (Path(found.submodule_search_locations[0]) / "package_data" / "plotly.min.js").read_bytes()
    return script, gzip.compress(script, 6), f'"plotly-{importlib.metadata.version("plotly")}"'


def plotly_js(request: Request) -> Response:
    script, small, tag = _plotly()
    headers = {"ETag": tag, "Cache-Control": "public, max-age=604800", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(small, media_type="text/javascript", headers={**headers, "Content-Encoding": "gzip"})
    return Response(script, media_type="text/javascript", headers=headers)
