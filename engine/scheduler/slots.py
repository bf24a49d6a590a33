"""Slots: which run fits on this machine now, and in words why another has to wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.runs.folder import RunFolder


class Slots:
    """What `living` runs leave free: a CPU run takes its `threads` of `cores`, a GPU run takes one of `gpus`.

    First in, first out on each device: once a run had to wait for a device, no later one passes it there.
    """

    def __init__(self, cores: int, gpus: Sequence[str], living: Iterable[RunFolder]) -> None:
        self.cores, self.gpus = cores, list(gpus)
        self._busy_cores = 0
        self._busy_gpus: list[str] = []
        self._full: set[str] = set()
        for folder in one_per_worker(living):
            kind, threads = needs(folder)
            if kind == "cpu":
                self._busy_cores += threads
            else:
                self._busy_gpus.append(folder.gpu() or kind)

    def fits(self, folder: RunFolder) -> tuple[bool, str | None, str]:
        """-> (whether it can start now, the GPU it would get, else why it waits).  What has to wait closes its device to the next."""
        kind, threads = needs(folder)
        gpu: str | None = None
        if kind == "cpu":
            free = self._busy_cores == 0 or self._busy_cores + threads <= self.cores
        else:
            gpu = self._free_gpu(kind)
            free = gpu is not None
        if kind not in self._full and free:
            return True, gpu, ""
        self._full.add(kind)
        return False, None, self._why(kind, threads)

    def free(self, folder: RunFolder) -> int:
        """How many runs like this one could start now."""
        kind, threads = needs(folder)
        if kind == "cpu":
            return max(1, (self.cores - self._busy_cores) // threads)
        return 1 if kind != "cuda" else len([name for name in self.gpus if name not in self._busy_gpus])

    def fits_both(self, one: RunFolder, other: RunFolder) -> tuple[bool, str]:
        """-> (whether both could start now, else why they wait).  A pair that has to wait closes its devices as `fits` does."""
        if _both(self._copy(), one, other):
            return True, ""
        (kind, threads), (other_kind, more) = needs(one), needs(other)
        self._full |= {kind, other_kind}
        return False, self._why("cpu", threads + more) if kind == other_kind == "cpu" else "the two need a free device each"

    def ever_both(self, one: RunFolder, other: RunFolder) -> bool:
        """Whether both would fit at once if nothing else ran on this machine."""
        return _both(Slots(self.cores, self.gpus, ()), one, other)

    def _copy(self) -> Slots:
        same = Slots(self.cores, self.gpus, ())
        same._busy_cores, same._busy_gpus, same._full = self._busy_cores, [*self._busy_gpus], {*self._full}
        return same

    def take(self, folder: RunFolder, gpu: str | None) -> None:
        """The run has been started."""
        if gpu is not None:
            self._busy_gpus.append(gpu)
        else:
            self._busy_cores += needs(folder)[1]

    def _why(self, kind: str, threads: int) -> str:
        if kind == "cpu":
            wants = f", and it needs {threads}" if threads > 1 else ""
            return f"{self._busy_cores} of {self.cores} CPU slots are taken{wants}"
        if not self.gpus:
            return "this machine shows no GPU"
        return f"{'every GPU' if kind == 'cuda' else kind} is taken"

    def _free_gpu(self, kind: str) -> str | None:
        """A free GPU for "cuda" (any) or "cuda:N" (that one).  The busy ones are named, or as the knob of a run that sees them all."""
        numbered = {f"cuda:{n}": name for n, name in enumerate(self.gpus)}
        free = [name for name in self.gpus if name not in {numbered.get(b, b) for b in self._busy_gpus}]
        wanted = free if kind == "cuda" else [name for name in free if name == numbered.get(kind)]
        return wanted[0] if wanted else None


def _both(slots: Slots, one: RunFolder, other: RunFolder) -> bool:
    for folder in (one, other):
        free, gpu, _ = slots.fits(folder)
        if not free:
            return False
        slots.take(folder, gpu)
    return True


def one_per_worker(living: Iterable[RunFolder]) -> list[RunFolder]:
    """Runs that are trained together take what one of them takes."""
    workers: dict[object, RunFolder] = {}
    for folder in living:
        workers.setdefault(folder.process() if folder.stack() else folder.run, folder)
    return list(workers.values())


def needs(folder: RunFolder) -> tuple[str, int]:
    """-> (device, CPU threads) of a declaration."""
    knobs = (folder.spec() or {}).get("knobs", {})
    return str(knobs.get("device", "cpu")), int(knobs.get("threads", 1))
