"""Work of others, done in a forked child with limits: whatever the child does, this process goes on and can say how it ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

GIB = 2**30
EVERY = 0.2  # seconds between two looks whether the child has ended without closing its pipe


@dataclass(frozen=True)
class Limits:
    """What a child may use: seconds of processor time, seconds by the clock, bytes of memory more than it began with."""

    cpu: int = 20
    seconds: float = 60.0
    memory: int = 2 * GIB


@dataclass
class Outcome:
    """What a child said before it ended: its `answer` if it came to one, every other message, and `why` there is no answer."""

    answer: Any = None
    answered: bool = False
    messages: list[Any] = field(default_factory=list)
    why: str = ""


LIMITS = Limits()
Say = Callable[[Any], None]

living: set[int] = set()  # children of this process that work now


def in_child(work: Callable[[Say], Any], limits: Limits) -> Outcome:
    """Do `work` in a fork of this process.  What it says and what it returns must be JSON; what it prints is thrown away."""
    read, write = os.pipe()
    watch, tie = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.close(watch)
        _run(work, write, tie, limits)
    living.add(pid)
    os.close(write)
    os.close(tie)
    outcome, text = Outcome(), b""
    until, status = time.monotonic() + limits.seconds, None
    try:
        while status is None and not outcome.answered:
            if time.monotonic() > until:
                outcome.why = f"took longer than {limits.seconds:g} s and was stopped: it waits for something, or the machine is too busy"
                break
            chunk = _read(read, EVERY)
            if chunk == b"" or chunk is None:
                status = _ended(pid)
                while status is not None and (chunk := _read(read, 0.0)):  # what it said last
                    text += chunk
            text += chunk or b""
            text = _take(text, outcome)
            if chunk == b"" and status is None:  # the pipe is closed, so the child is about to end
                time.sleep(0.01)
    finally:
        os.close(read)
        os.close(watch)
        if status is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        living.discard(pid)
    if not outcome.answered and not outcome.why:
        assert status is not None
        outcome.why = _how(os.waitstatus_to_exitcode(status), limits)
    return outcome


def kill_living() -> None:
    """End the children that work now; for a process that is about to leave."""
    for pid in tuple(living):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _read(pipe: int, seconds: float) -> bytes | None:
    """Some bytes; b"" at the end; None when there are none within `seconds`."""
    return os.read(pipe, 65536) if select.select([pipe], [], [], seconds)[0] else None


def _take(text: bytes, outcome: Outcome) -> bytes:
    """Put whole lines into the outcome -> the line that has only begun."""
    *lines, rest = text.split(b"\n")
    for line in lines:
        kind, message = json.loads(line)
        if kind == "answer":
            outcome.answer, outcome.answered = message, True
        else:
            outcome.messages.append(message)
    return rest


def _ended(pid: int) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    return status if done else None


def _how(code: int, limits: Limits) -> str:
    if code == -signal.SIGXCPU:
        return f"took more than {limits.cpu} s of processor time and was stopped: it loops, or computes too much too early"
    if code == -signal.SIGKILL:
        return "was killed: it took too much memory, or somebody killed it"
    if code < 0:
        return f"crashed Python with {signal.strsignal(-code)} (signal {-code})"
    return f"ended Python with exit code {code}"


def _run(work: Callable[[Say], Any], pipe: int, tie: int, limits: Limits) -> None:
    """In the child, which leaves without a look back."""
    code = 1
    try:
        for number in (signal.SIGALRM, signal.SIGXCPU, signal.SIGTERM, signal.SIGIO):
            signal.signal(number, signal.SIG_DFL)
        _end_with_the_parent(tie)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent decides
        signal.setitimer(signal.ITIMER_REAL, limits.seconds + 5.0)  # should the parent be gone by then
        for fd in (int(name) for name in os.listdir("/dev/fd")):  # whoever listens to our parent must hear of its end
            if fd not in (0, 1, 2, pipe, tie):
                with contextlib.suppress(OSError):
                    os.close(fd)
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        _limit(resource.RLIMIT_CPU, limits.cpu, limits.cpu + 5)
        _limit(resource.RLIMIT_CORE, 0, 0)
        limit_memory(limits.memory)
        answer = work(lambda message: _say(pipe, "message", message))
        _say(pipe, "answer", answer)
        code = 0
    finally:
        os._exit(code)


def _end_with_the_parent(tie: int) -> None:
    """The kernel sends SIGIO when nobody holds the other end of this pipe any more, which ends code that never comes back, too."""
    if hasattr(os, "O_ASYNC"):
        fcntl.fcntl(tie, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(tie, fcntl.F_SETFL, fcntl.fcntl(tie, fcntl.F_GETFL) | os.O_ASYNC)
    end = select.poll()
    end.register(tie, 0)
    if end.poll(0):  # it left before the kernel was asked: no signal will come
        os._exit(1)


def _say(pipe: int, kind: str, message: Any) -> None:
    line = json.dumps([kind, message], allow_nan=False).encode() + b"\n"
    while line:
        line = line[os.write(pipe, line) :]


def limit_memory(more: int) -> None:
    """From here on this process gets so many bytes more than it has, and a MemoryError beyond; a lower limit stays."""
    _limit(resource.RLIMIT_DATA, _data() + more)


def _limit(what: int, soft: int, hard: int = resource.RLIM_INFINITY) -> None:
    """Lower a limit; one that is lower already stays."""
    ceiling = resource.getrlimit(what)[1]
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), ceiling if hard == resource.RLIM_INFINITY else min(hard, ceiling)
    resource.setrlimit(what, (soft, hard))


def _data() -> int:
    """Bytes of private writable memory that this process has mapped; 0 where the kernel does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmData:")), 0)
    except OSError:
        return 0
