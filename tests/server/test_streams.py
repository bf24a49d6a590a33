"""What waits for a browser is bounded and shared; streams are limited in number, and none outlives its browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.server.channels import Mailbox, Pending
from engine.server.event_stream import EventStream, Streams
from engine.server.routes import browser_of
from tests.support import own_loop

PATIENCE = 30.0


def message(steps: list[int], **more: Any) -> dict[str, Any]:
    points = {"a": {"steps": steps, "t": [0.0] * len(steps), "values": [float(s) for s in steps]}}
    return {"run": "r", "points": points, "vectors": {}, "events": [], **more}


def read(frames: bytes) -> list[tuple[str, Any]]:
    """The events of what was sent; heartbeats and the opening left out."""
    texts = [text.split("\n") for text in frames.decode().split("\n\n") if text.startswith("event: ")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in texts]


def frame_of(*messages: dict[str, Any], most: int = 50_000) -> tuple[str, Any]:
    pending = Pending("r", most)
    for one in messages:
        pending.add(one)
    [event] = read(pending.frame())
    return event


# -- one run ---------------------------------------------------------------------------------------


def test_messages_of_one_run_are_merged_in_order() -> None:
    name, told = frame_of(message([0, 1], state={"status": "running"}), message([2], events=[{"step": 2}]))
    assert (name, told["run"]) == ("delta", "r")
    assert told["points"]["a"]["steps"] == [0, 1, 2]
    assert (told["state"], told["events"]) == ({"status": "running"}, [{"step": 2}])


def test_a_new_attempt_takes_back_what_still_waits_from_the_old_one() -> None:
    _, told = frame_of(message([0, 1, 2, 3], events=[{"step": 3}]), message([2, 3], reset=2))
    assert told["points"]["a"]["steps"] == [0, 1, 2, 3]
    assert told["reset"] == 2
    assert told["events"] == []


def test_a_run_that_tells_more_than_fits_is_fetched_again() -> None:
    assert frame_of(*(message([n]) for n in range(20)), most=10) == ("resync", {"runs": ["r"]})


def test_names_of_non_finite_values_pass_through() -> None:
    _, told = frame_of({"run": "r", "points": {"a": {"steps": [1], "t": [0.0], "values": ["NaN"]}}})
    assert told["points"]["a"]["values"] == ["NaN"]


# -- one browser -----------------------------------------------------------------------------------


def test_a_browser_that_is_too_slow_is_told_once_to_start_afresh_and_then_goes_on() -> None:
    async def slow() -> None:
        mailbox, frame = Mailbox(most=1000), Pending("r")
        frame.add(message([0]))
        for run in ("a", "b"):
            for _ in range(1000):
                mailbox.put(run, frame.frame())
                assert sum(len(one) for _, one in mailbox.frames) <= 1000
        events = read(mailbox.take())
        assert events[0] == ("resync", {"runs": ["a", "b"]})
        assert len([name for name, _ in events if name == "resync"]) == 1
        mailbox.put("a", frame.frame())
        assert [name for name, _ in read(mailbox.take())] == ["delta"]

    own_loop.run(slow())


def test_a_frame_alone_is_never_too_large() -> None:
    async def one() -> None:
        mailbox = Mailbox(most=10)
        mailbox.put("r", b"x" * 100)
        assert mailbox.take() == b"x" * 100

    own_loop.run(one())


# -- many browsers ---------------------------------------------------------------------------------


class Index:
    """What a channel subscribes to, with nothing behind it."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[dict[str, Any]], None]] = []
        self.subscriptions = 0

    def subscribe(self, _runs: set[str], callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        self.subscriptions += 1
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)


class Browser:
    """One client of a stream, without a socket: what it was sent, and a way to leave.  A deaf one takes nothing after the first frame."""

    def __init__(self, index: Index, streams: Streams, *, name: str | None = None, deaf: bool = False) -> None:
        self.status, self.bodies, self.left, self.deaf = 0, [], asyncio.Event(), deaf
        answer = EventStream(index.subscribe, {"r"}, streams, name)
        self.task = asyncio.ensure_future(answer({"type": "http"}, self.receive, self.send))

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, part: dict[str, Any]) -> None:
        self.status = part.get("status", self.status)
        if "body" in part:
            self.bodies.append(part["body"])
        while self.deaf and len(self.bodies) > 1:
            await asyncio.sleep(3600)


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.001)


def run(scene: Callable[[Index, Streams], Awaitable[None]], streams: Streams | None = None) -> None:
    own_loop.run(scene(Index(), Streams() if streams is None else streams))  # type: ignore[arg-type]


def test_all_browsers_of_a_run_share_one_subscription_and_the_same_bytes() -> None:
    async def scene(index: Index, streams: Streams) -> None:
        browsers = [Browser(index, streams) for _ in range(20)]
        await until(lambda: all(b": open" in b"".join(browser.bodies) for browser in browsers))
        assert index.subscriptions == len(index.callbacks) == 1
        index.callbacks[0](message([7]))
        await until(lambda: all(len(browser.bodies) == 2 for browser in browsers))
        assert len({id(browser.bodies[1]) for browser in browsers}) == 1, "one frame in memory"
        [(name, told)] = read(browsers[0].bodies[1])
        assert (name, told["points"]) == ("delta", message([7])["points"])
        for browser in browsers:
            browser.left.set()
        await asyncio.gather(*(browser.task for browser in browsers))
        assert len(streams) == len(index.callbacks) == 0

    run(scene)


def test_one_that_does_not_read_holds_up_nobody_and_keeps_no_more_than_its_share() -> None:
    async def scene(index: Index, streams: Streams) -> None:
        deaf, reads = Browser(index, streams, deaf=True), Browser(index, streams)
        await until(lambda: deaf.bodies and reads.bodies)
        [stream] = [one for one in streams._open if one._task is deaf.task]
        stream.mailbox.most = 2000
        for n in range(10):
            index.callbacks[0](message(list(range(100 * n, 100 * n + 100))))
            await until(lambda n=n: f"{100 * n + 99}.0]" in b"".join(reads.bodies).decode())
        assert stream.mailbox.overflowed == {"r"}
        assert stream.mailbox.bytes == 0
        streams.end()
        await until(lambda: deaf.task.done() and reads.task.done())
        assert len(streams) == len(index.callbacks) == 0

    run(scene)


def test_streams_beyond_the_limits_are_refused_in_one_sentence_until_others_leave() -> None:
    async def scene(index: Index, streams: Streams) -> None:
        first = [Browser(index, streams, name="one") for _ in range(2)]
        await until(lambda: len(streams) == 2)
        third = Browser(index, streams, name="one")
        await third.task
        assert third.status == 503
        assert "This browser has 2 open streams" in json.loads(third.bodies[0])["error"]
        others = [Browser(index, streams, name="two"), *(Browser(index, streams) for _ in range(2))]
        await until(lambda: len(streams) == 5)
        sixth = Browser(index, streams, name="three")
        await sixth.task
        assert sixth.status == 503
        assert json.loads(sixth.bodies[0])["error"].startswith("The server has 5 open streams and allows no more")
        first[0].left.set()
        await first[0].task
        again = Browser(index, streams, name="one")
        await until(lambda: again.status == 200)
        for browser in (first[1], *others, again):
            browser.left.set()
            await browser.task
        assert not streams._of_browser

    run(scene, Streams(most=5, most_of_a_browser=2))


def test_a_browser_that_leaves_while_the_run_is_still_being_read_leaves_no_subscription() -> None:
    async def scene(index: Index, streams: Streams) -> None:
        reading, subscribe = asyncio.Event(), index.subscribe
        loop = asyncio.get_running_loop()

        def slowly(*arguments: Any) -> Callable[[], None]:
            asyncio.run_coroutine_threadsafe(reading.wait(), loop).result(PATIENCE)
            return subscribe(*arguments)

        index.subscribe = slowly  # type: ignore[method-assign]
        browser = Browser(index, streams)
        await until(lambda: len(streams) == 1)
        browser.task.cancel()
        await until(lambda: len(streams) == 0)
        reading.set()
        await until(lambda: index.subscriptions == 1 and not index.callbacks)

    run(scene)


@pytest.mark.parametrize(
    ("headers", "browser"), [([], None), ([(b"x-faultline-browser", b"")], None), ([(b"x-faultline-browser", b"b1")], "b1")]
)
def test_who_asks_is_read_from_what_the_gate_wrote(headers: list[tuple[bytes, bytes]], browser: str | None) -> None:
    assert browser_of({"headers": headers}) == browser
