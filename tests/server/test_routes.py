"""The addresses beside the pages: what a browser gets, live and at once, is what is stored; the server lets go when told to."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import uvicorn
from starlette.applications import Starlette

from engine.core import locks
from engine.core.paths import ROOT
from engine.runs.ending import ENDED
from engine.runs.event import Event
from engine.runs.folder import RunFolder, new_run
from engine.runs.spool import Spool
from engine.scheduler.local import Local
from engine.server.routes import routes, streams
from engine.server.service import Service

FAKE = ROOT / "tests" / "support" / "fake"
PATIENCE = 60.0


def until(true: Callable[[], Any], seconds: float = PATIENCE) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.01)


def queue(data: Path, **knobs: Any) -> RunFolder:
    return new_run(data, "fake", {"preset": None, "knobs": {"threads": 1, "device": "cpu", **knobs}, "who": "me", "twin": None})


@pytest.fixture
def lab_service(tmp_path: Path) -> Iterator[Service]:
    found = Service(tmp_path, Local([sys.executable, str(FAKE / "worker.py")]))
    found.owner.start()
    found.supervisor.start()
    yield found
    for folder in (RunFolder(p) for p in (tmp_path / "runs").glob("*")):
        process = folder.process()
        if process is not None and process.alive():
            os.kill(process.pid, signal.SIGKILL)
    found.supervisor.close()
    found.owner.stop()


@pytest.fixture
def port(lab_service: Service) -> Iterator[int]:
    streams.ending = False
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes(lambda: lab_service)), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    until(lambda: server.started)
    yield listening.getsockname()[1]
    streams.end()
    server.should_exit = True
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert len(streams) == 0


def get(port: int, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def events(answer: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """The events of a stream until it ends."""
    name = ""
    for line in iter(answer.readline, b""):
        text = line.decode().rstrip("\n")
        if text.startswith("event: "):
            name = text.removeprefix("event: ")
        elif text.startswith("data: "):
            yield name, json.loads(text.removeprefix("data: "))


def test_live_deltas_carry_every_point_once_and_in_order(lab_service: Service, port: int) -> None:
    run = queue(lab_service.data, steps=190, pace=0.005)  # so few that no pass has so much to tell that it is thinned
    mine = locks.take(run.path / "claim")  # it starts when somebody listens
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", f"/live?run={run.run}")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.getheader("content-type").startswith("text/event-stream")
        mine.release()
        points: dict[str, list[tuple[int, float]]] = {}
        vectors: list[tuple[int, list[float]]] = []
        frames = 0
        for name, message in events(answer):
            assert name == "delta"
            assert message["run"] == run.run
            frames += 1
            for key, series in message.get("points", {}).items():
                points.setdefault(key, []).extend(zip(series["steps"], series["values"], strict=True))
            for series in message.get("vectors", {}).values():
                vectors += zip(series["steps"], series["v"], strict=True)
            if message.get("state", {}).get("status") in ENDED:
                break
    assert message["state"]["status"] == "finished"
    assert points == {
        "loss/train": [(n, 1.0 / (n + 1)) for n in range(190)],
        "grad_norm@a": [(n, float(n)) for n in range(190)],
    }
    assert vectors == [(n, [n, 1.0]) for n in range(190)]
    assert frames > 1, "they came while the run went on"


def test_a_stream_that_is_left_leaves_no_subscription(lab_service: Service, port: int) -> None:
    run = queue(lab_service.data, steps=1)
    opened = [http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE) for _ in range(3)]
    for connection in opened:
        connection.request("GET", f"/live?run={run.run}")
        assert connection.getresponse().readline() == b"retry: 1000\n"
    assert len(streams) == 3
    assert lab_service.owner._listeners.runs() == {run.run}
    for connection in opened:
        connection.sock.close() if connection.sock else None
        connection.close()
    until(lambda: len(streams) == 0 and not lab_service.owner._listeners.runs())


def test_a_snapshot_agrees_with_the_store(lab_service: Service, port: int) -> None:
    run = queue(lab_service.data, steps=500)
    until(lambda: lab_service.store.show(run.run)["status"] == "finished")
    status, _, body = get(port, f"/snapshot?run={run.run}&series=loss/train&series=grad_norm@a&vector=load@a&points=100")
    told = json.loads(body)
    assert status == 200
    assert told["series"] == {
        "loss/train": lab_service.store.series(run.run, "loss/train", points=100),
        "grad_norm@a": lab_service.store.series(run.run, "grad_norm", "a", points=100),
    }
    assert told["vectors"]["load@a"] == lab_service.store.vectors(run.run, "load", "a", rows=100)
    film = json.loads(get(port, f"/snapshot?run={run.run}&even=load@a&points=100")[2])
    assert film["evens"]["load@a"] == lab_service.store.vectors(run.run, "load", "a", rows=100, even=True)
    assert told["upto"] == 499
    assert told["state"]["status"] == "finished"
    zoomed = json.loads(get(port, f"/snapshot?run={run.run}&series=grad_norm@a&lo=10.4&hi=12&points=100")[2])
    assert zoomed["series"]["grad_norm@a"]["steps"] == [10, 11, 12]
    assert zoomed["series"]["grad_norm@a"]["exact"]


def test_a_series_that_is_not_there_yet_is_empty_and_no_error(lab_service: Service, port: int) -> None:
    run = queue(lab_service.data, steps=1, threads=1)
    told = json.loads(get(port, f"/snapshot?run={run.run}&series=not/yet&vector=not/yet@a")[2])
    assert told["series"]["not/yet"]["steps"] == told["vectors"]["not/yet@a"]["steps"] == []


@pytest.mark.parametrize(
    ("path", "status", "part"),
    [
        ("/live", 400, "/live received 0 runs"),
        ("/live?run=../../etc", 404, 'No run "../../etc"'),
        ("/snapshot", 400, "No run was given"),
        ("/snapshot?run=20990101-000000-moe-abcd", 404, "No run"),
        ("/snapshot?run={run}&points=1", 400, "points=1 is out of bounds"),
        ("/snapshot?run={run}&lo=left", 400, "lo=left is not a number"),
        ("/snapshot?run={run}&hi=inf", 400, "hi=inf is not a number"),
        ("/snapshot?run={run}&lo=-1e19", 400, "lo=-1e19 is out of bounds; give -4611686018427387904 to 4611686018427387904."),
        ("/snapshot?run={run}&hi=9223372036854775808", 400, "hi=9223372036854775808 is out of bounds"),
        ("/snapshot?run={run}" + "&series=a" * 300, 400, "300 series"),
        ("/export?run={run}&format=xls", 400, 'format="xls"'),
    ],
)
def test_bad_input_is_answered_in_one_sentence(lab_service: Service, port: int, path: str, status: int, part: str) -> None:
    found, _, body = get(port, path.format(run=queue(lab_service.data).run))
    message = json.loads(body)["error"]
    assert found == status
    assert part in message
    assert "\n" not in message


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_holds_every_point(lab_service: Service, port: int, form: str) -> None:
    run = queue(lab_service.data, steps=20)
    until(lambda: lab_service.store.show(run.run)["status"] == "finished")
    _, headers, body = get(port, f"/export?run={run.run}&format={form}")
    assert f'filename="{run.run}.{form}"' in headers["content-disposition"]
    frame = pl.read_csv(io.BytesIO(body)) if form == "csv" else pl.read_parquet(io.BytesIO(body))
    assert frame.columns == ["metric", "layer", "index", "step", "t", "value"]
    assert frame.height == 20 * 4
    until(lambda: not list((lab_service.data / "cache").glob("export-*")))


def test_plotly_comes_from_the_wheel_and_is_kept_by_the_browser(port: int) -> None:
    status, headers, plain = get(port, "/plotly.js")
    assert status == 200
    assert b"plotly.js v" in plain[:500]
    assert "max-age" in headers["cache-control"]
    assert get(port, "/plotly.js", **{"If-None-Match": headers["etag"]})[0] == 304
    small = get(port, "/plotly.js", **{"Accept-Encoding": "gzip"})
    assert small[1]["content-encoding"] == "gzip"
    assert gzip.decompress(small[2]) == plain


def test_the_server_says_that_it_is_well(port: int) -> None:
    told = json.loads(get(port, "/healthz")[2])
    assert told["ok"]
    assert told["role"] == "owner"


def test_a_server_with_open_streams_ends_promptly_even_if_one_does_not_read(tmp_path: Path) -> None:
    run = queue(tmp_path, behave="stoppable", steps=10**6, pace=0.0001)
    server = subprocess.Popen([sys.executable, str(FAKE / "server.py"), str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        reads = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        reads.request("GET", f"/live?run={run.run}")
        stream = events(reads.getresponse())
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port))
        deaf.sendall(f"GET /live?run={run.run} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        seen = 0
        while seen < 20_000:  # by then the one that does not read is far behind
            seen += sum(len(s["steps"]) for s in next(stream)[1].get("points", {}).values())
        server.send_signal(signal.SIGTERM)
        assert all(name == "delta" for name, _ in stream), "it ends by itself"
        assert server.wait(15) in (0, -signal.SIGTERM)
        assert server.stdout.read().strip() == "closed"
        assert run.status() == "running", "the worker goes on"
        reads.close()
        deaf.close()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
        process = run.process()
        if process is not None and process.alive():
            os.kill(process.pid, signal.SIGKILL)


def test_routes_stand_below_a_prefix_and_the_health_check_at_both_places(lab_service: Service) -> None:
    assert {route.path for route in routes(lambda: lab_service, "/class/lab/")} == {
        *(f"/class/lab/{name}" for name in ("live", "snapshot", "image", "still", "export", "panel", "plotly.js", "healthz")),
        "/healthz",
    }


def test_a_snapshot_holds_the_newest_events_and_says_how_many_there_are(lab_service: Service, port: int) -> None:
    run = new_run(lab_service.data, "fake", {"knobs": {}})
    run.write_exit("finished", code=0)
    with contextlib.closing(Spool(run.path / "spool.1.bin", run.run)) as spool:
        for step in range(3):
            spool.log(step, events=[Event(step, "spike", message=str(n)) for n in range(700)])
    until(lambda: lab_service.store.count_events(run.run) == 2100)
    told = json.loads(get(port, f"/snapshot?run={run.run}")[2])
    assert told["events_total"] == 2100
    assert [(e["step"], int(e["says"])) for e in told["events"]] == [(step, n) for step in range(3) for n in range(700)][100:]
