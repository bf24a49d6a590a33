"""Pictures of a run: their names and files, and how the worker writes them.

A picture is `images/<name>-<step>.png`, written beside its place and renamed, and then announced by an event of kind "image" whose
rule is the name.  The events say which pictures count: those of steps that a resumed run goes through again are void until they are
written anew, over the old file.  No file is ever deleted.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.core.files import replace
from engine.runs.event import Event

if TYPE_CHECKING:
    import numpy as np

FOLDER = "images"
NAME = re.compile(r"[a-z][a-z0-9_]{0,59}", re.ASCII)
LARGEST = 4096  # pixels on a side
MANY = 200  # pictures of one name after which they are kept at growing distances
ODD = (255, 0, 255)  # the colour of pixels that are no finite number

log = logging.getLogger(__name__)


def picture_file(run: Path, name: str, step: int) -> Path:
    """Where a picture of the run in folder `run` lies.  ValueError, in one sentence, for a name or step that none can have."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{name!r:.80} is no name of a picture; allowed are up to 60 lower-case letters, digits and _, a letter first.")
    if not 0 <= step < 2**63:
        raise ValueError(f"{step} is no step of a picture; the first step is 0.")
    return run / FOLDER / f"{name}-{step}.png"


class Picture(NamedTuple):
    """An image that a probe hands out beside its readings; stored as `images/<name>-<step>.png` and told by an `image` event.

    `name`: lower-case letters, digits and `_`.  `pixels`: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGB with
    opacity, a tensor of floats in [0, 1] or uint8; on a GPU it is copied at once, so make pictures rarely.  `message`: one sentence,
    "what am I seeing?".
    """

    name: str
    pixels: Any
    message: str = ""


class Pictures:
    """The writing side, one per attempt.  `dropped` counts the pictures that the disk refused."""

    def __init__(self, run: Path) -> None:
        self.run, self.dropped = run, 0
        self._kept: dict[str, list[int]] = {}  # name -> how many, and the step of the last one
        self._warned: set[str] = set()

    def take(self, step: int, picture: Picture, *, last: bool = False) -> Event | None:
        """Write one picture -> the event that announces it; None, after a line in the log, when there is nothing to announce.

        After MANY pictures of a name the next one is kept once it is half a percent further on than the one before, and the last
        step always: a run of a million steps ends with about a thousand pictures.
        """
        name = picture.name
        count, before = self._kept.get(name, (0, -1))
        if count >= MANY and step < before + before // MANY and not last:
            self._tell(f"{name} thinned", f"There are {count} pictures {name}; from step {step} on they are kept at growing distances.")
            return None
        try:
            path = picture_file(self.run, name, step)
            pixels, notes = readable(picture.pixels)
        except ValueError as error:
            self._tell(f"{name} refused", f"A picture of step {step} was refused: {error}")
            return None
        try:
            write_png(path, pixels)
        except OSError as error:
            self.dropped += 1
            self._tell("disk", f"The picture {path.name} could not be written ({error.strerror or error}); the training goes on.")
            return None
        self._kept[name] = [count + 1, step]
        return Event(step, "image", rule=name, message=" ".join([str(picture.message), *notes]).strip())

    def state(self) -> dict[str, Any]:
        """For a checkpoint: a resumed run keeps the pictures that an uninterrupted one would keep."""
        return {name: list(kept) for name, kept in self._kept.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        self._kept = {name: list(kept) for name, kept in state.items()}

    def _tell(self, what: str, message: str) -> None:
        """One line in the run's log for each kind of trouble."""
        if what not in self._warned:
            self._warned.add(what)
            log.warning("%s", message)


def readable(pixels: Any) -> tuple[np.ndarray, list[str]]:
    """-> uint8 of the shape of `pixels`, and sentences on pixels that a picture cannot show.

    ValueError, in one sentence, for anything else.
    """
    import numpy as np

    if hasattr(pixels, "detach"):
        pixels = pixels.detach().cpu()
        pixels = (pixels.float() if pixels.is_floating_point() else pixels).numpy()
    if not isinstance(pixels, np.ndarray):
        raise ValueError(f"its pixels are of type {type(pixels).__name__}; give a tensor of floats in [0, 1] or of uint8.")
    grey, colour = pixels.ndim == 2, pixels.ndim == 3 and pixels.shape[2] in (3, 4)
    if not (grey or colour) or not all(1 <= side <= LARGEST for side in pixels.shape[:2]):
        raise ValueError(f"its pixels have the shape {pixels.shape}; give (H, W), (H, W, 3) or (H, W, 4) with sides of 1 to {LARGEST}.")
    if pixels.dtype == np.uint8:
        return pixels, []
    if pixels.dtype.kind != "f":
        raise ValueError(f"its pixels are {pixels.dtype}; give floats in [0, 1] or uint8.")
    nonfinite = ~np.isfinite(pixels)
    outside = np.isfinite(pixels) & ((pixels < -1e-3) | (pixels > 1 + 1e-3))
    whole = np.round(255 * np.clip(np.where(nonfinite, 0.0, pixels), 0.0, 1.0)).astype(np.uint8)
    notes = [f"{outside.sum():,} values lie outside [0, 1] and are drawn as the nearer end."] if outside.any() else []
    if nonfinite.any():
        whole = whole if colour else np.repeat(whole[:, :, None], 3, axis=2)
        whole[nonfinite.any(axis=2) if colour else nonfinite] = [*ODD, 255][: whole.shape[2]]
        notes.append(f"{nonfinite.sum():,} values are not finite and are drawn in magenta.")
    return whole, notes


def write_png(path: Path, pixels: np.ndarray) -> None:
    """A reader sees the whole picture or none.  OSError when the disk refuses it."""
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    path.parent.mkdir(exist_ok=True)
    replace(path, lambda beside: beside.write_bytes(held.getvalue()))
