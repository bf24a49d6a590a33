"""Question `capacity`: how many tokens may an expert take, and which ones are turned away?  An answer is a file here, such as batch.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from engine.declare.knobs import Choice, knob

if TYPE_CHECKING:
    from engine.labs.moe.models.capacity import Capacity, Limit
    from engine.labs.moe.models.layer_info import LayerInfo


KEPT = r"C=\lceil c\,\tfrac{nk}{E}\rceil,\quad \mathrm{kept}_{te}=[\,\mathrm{rank}_e(t)\le C\,]"


class CapacityChoice(Choice):
    """How many tokens may an expert take, and which ones are turned away?"""

    def build(self, info: LayerInfo) -> Capacity | None:
        """-> what turns tokens away in one layer; None: nothing does."""
        raise TypeError(f"{type(self).__name__} must define build(info)")


class LimitedChoice(CapacityChoice):
    """What every answer with a limit is asked."""

    factor: float = knob(
        1.25,
        "places of an expert, as a multiple of an even share of the assignments",
        source="Switch Transformers: 1.0 to 2.0, mostly 1.25",
        group="remedy",
        ge=0.01,
        le=256.0,
    )
    factor_eval: float = knob(
        2.0, "the same in evaluation", source="ST-MoE: 2.0 in evaluation, as we recall it", group="remedy", ge=0.01, le=256.0
    )
    group: Literal["sequence", "batch", "microbatch"] = knob(
        "batch", "which tokens share the places of an expert; a microbatch is group_size sequences", group="remedy"
    )
    group_size: int = knob(
        4, "sequences of a microbatch; the other groups do not ask for it", unit="sequences", group="size", ge=1, le=4096
    )

    def limit(self) -> Limit:
        from engine.labs.moe.models.capacity import Limit

        return Limit(self.factor, self.factor_eval, self.group, self.group_size)
