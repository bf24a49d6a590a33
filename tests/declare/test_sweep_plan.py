"""From a request for a sweep to declarations: the grid, ladders, knobs of one answer, draws, and what a rule refuses."""

from __future__ import annotations

from typing import Any

import pytest

from engine.declare.knobs import unnest
from engine.declare.resolve import KnobError, RuleBroken, resolve
from engine.declare.sweep import of_points, plan
from tests.support.lab_pages import ENTRIES

MOE, UNET, CONSISTENCY = (ENTRIES[name] for name in ("moe", "unet", "consistency"))


def table(planned: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(one.flat.get(name) for name in names) for one in planned.declarations]


def test_the_grid_of_the_issue() -> None:
    planned = plan(MOE, "collapse", {"steps": "60", "router": "softmax_top_k,loss_free,hash", "seed": "0..2"})
    assert planned.base == {"steps": 60}
    assert planned.axes == {"router": ("softmax_top_k", "loss_free", "hash")}
    assert planned.seeds == (0, 1, 2)
    assert table(planned, "router", "seed") == [(r, s) for r in ("softmax_top_k", "loss_free", "hash") for s in (0, 1, 2)]
    assert {one.preset for one in planned.declarations} == {"collapse"}
    assert all(one.flat["data_seed"] == one.flat["seed"] for one in planned.declarations), "an open data_seed follows the seed"


def test_each_declaration_is_what_run_would_declare() -> None:
    for one in plan(MOE, "collapse", {"router": "loss_free,hash", "lr": "1e-3,1e-2"}).declarations:
        given = {name: one.flat[name] for name in ("router", "lr")}
        assert one == resolve(MOE, "collapse", given)


def test_a_ladder_brings_its_values_unless_the_knob_is_given() -> None:
    ladder = CONSISTENCY["presets"]["fourier"]["grid"]
    assert plan(CONSISTENCY, "fourier", {}).axes == {name: tuple(values) for name, values in ladder.items()}
    assert table(plan(CONSISTENCY, "fourier", {}), "fourier_scale") == [(float(v),) for v in ladder["fourier_scale"]]
    assert table(plan(CONSISTENCY, "fourier", {"fourier_scale": "2"}), "fourier_scale") == [(2.0,)]
    assert table(plan(CONSISTENCY, "fourier_4", {}), "fourier_scale") == [(4.0,)], "an arm is one value of its ladder"


def test_a_knob_of_one_answer_goes_with_that_answer_only() -> None:
    planned = plan(MOE, "collapse", {"router": "hash,loss_free", "router.update_rate": "1e-3,1e-2"})
    assert table(planned, "router", "router.update_rate") == [("hash", None), ("loss_free", 1e-3), ("loss_free", 1e-2)]
    with pytest.raises(KnobError, match=r"router\.update_rate belongs to router=deepseek_v3 or loss_free"):
        plan(MOE, "collapse", {"router": "hash,softmax_top_k", "router.update_rate": "1e-3,1e-2"})
    with pytest.raises(KnobError, match="No knob of moe"):
        plan(MOE, "collapse", {"router": "hash,loss_free", "router.rate": "1,2"})


def test_what_a_rule_refuses_is_named_before_anything_is_made_or_left_out_when_that_is_said() -> None:
    with pytest.raises(RuleBroken, match=r"^1 combination is refused by a rule of the lab: heads=3 \(heads=3 does not divide") as refusal:
        plan(MOE, "collapse", {"heads": "2,3,4", "seed": "0..2"})
    assert "\n" not in str(refusal.value)
    planned = plan(MOE, "collapse", {"heads": "2,3,4", "seed": "0..2"}, leave_out=True)
    assert table(planned, "heads", "seed") == [(h, s) for h in (2, 4) for s in (0, 1, 2)]
    assert len(planned.left_out) == 1
    with pytest.raises(KnobError, match="refuses every combination, such as heads=3"):
        plan(MOE, "collapse", {"heads": "3,5"}, leave_out=True)
    with pytest.raises(KnobError, match="out of bounds"):
        plan(MOE, "collapse", {"lr": "1e-3,-1"}, leave_out=True)


def test_draws_are_the_same_again_and_more_of_them_begin_with_those_of_fewer() -> None:
    given = {"lr": "1e-4..1", "router": "softmax_top_k,loss_free,hash", "router.update_rate": "1e-3..1e-1", "seed": "0..1"}
    few, many = (plan(MOE, "collapse", given, drawn=n) for n in (4, 9))
    assert len(few.declarations) == 8
    assert few.declarations == many.declarations[:8]
    assert plan(MOE, "collapse", given, drawn=4) == few
    points = table(many, "lr", "router", "router.update_rate")
    assert len(set(points)) == 9
    assert all((router == "loss_free") == (rate is not None) for _, router, rate in points)
    assert len(plan(MOE, "collapse", {"heads": "1,2,4"}, drawn=50).declarations) == 3, "of a grid no more than it has"


def test_a_sweep_has_a_thousand_runs_at_most() -> None:
    assert len(plan(MOE, "collapse", {"seed": "0..999"}).declarations) == 1000
    for given in ({"seed": "0..499", "lr": "1,2,3"}, {"seed": "0..999", "lr": "1,2"}, {"steps": "1..900", "warmup": "0..900"}):
        with pytest.raises(KnobError, match="at most 1000"):
            plan(MOE, "collapse", given)


def test_nothing_given_is_one_declaration() -> None:
    (one,) = plan(MOE, "collapse", {}).declarations
    assert one == resolve(MOE, "collapse", {})
    assert unnest(one.nested) == dict(one.flat)


def test_points_that_follow_need_not_give_every_answer_that_a_knob_belongs_to() -> None:
    """A sweep that grows comes to rounds in which only one of its answers goes on."""
    base = {"router.update_rate": 0.01}
    with pytest.raises(KnobError, match="update_rate"):
        of_points(MOE, "collapse", base, [{"router": "hash"}], (0,))
    planned = of_points(MOE, "collapse", base, [{"router": "hash"}], (0,), part=True)
    assert table(planned, "router", "router.update_rate") == [("hash", None)]
    mixed = of_points(MOE, "collapse", {}, [{"router": "hash"}, {"router": "loss_free", "router.update_rate": 0.5}], (0,), part=True)
    assert mixed.axes == {"router": ("hash", "loss_free"), "router.update_rate": (0.5,)}
