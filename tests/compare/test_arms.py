"""Which runs make an arm, what the arms are called, which of them are compared, and which runs are missing."""

from __future__ import annotations

from typing import Any

import pytest

from engine.compare.arms import ChoiceError, Spec, arms_of, baseline_of, by_of
from engine.compare.more import missing
from engine.statistics.sequence import LONGEST


def spec(run: str, lab: str = "moe", preset: str | None = "collapse", created: float = 0.0, **knobs: Any) -> Spec:
    seed = knobs.pop("seed", 0)
    whole = {"seed": seed, "data_seed": knobs.pop("data_seed", seed), "probes": "cheap", "lr": 1e-3} | knobs
    return {"run": run, "lab": lab, "preset": preset, "created": created, "knobs": whole, "edition": 99}


def names(*specs: Spec) -> list[str]:
    return [arm.name for arm in arms_of(specs, None, {}).arms]


def test_seed_data_order_and_probes_make_no_other_arm() -> None:
    arms = arms_of([spec("a", seed=1), spec("b", seed=0, data_seed=7), spec("c", seed=0, probes="dear")], None, {})
    assert [(arm.name, arm.runs) for arm in arms.arms] == [("collapse", {(0, 0): "c", (0, 7): "b", (1, 1): "a"})]
    assert arms.differing == ()


def test_a_whole_number_and_the_same_as_a_fraction_are_one_value() -> None:
    assert len(arms_of([spec("a", clip=1), spec("b", clip=1.0, seed=1)], None, {}).arms) == 1
    assert len(arms_of([spec("a", clip=True), spec("b", clip=1, seed=1)], None, {}).arms) == 2


def test_an_arm_is_called_by_what_tells_it_from_the_others() -> None:
    hashed, free = {"is": "hash", "k": 1}, {"is": "loss_free", "k": 1, "update_rate": 0.1}
    faster = {**free, "update_rate": 0.2}
    assert names(spec("a", router=hashed), spec("b", router=free)) == ["router=hash", "router=loss_free"]
    assert names(spec("a", router=free), spec("b", router=faster)) == ["router.update_rate=0.1", "router.update_rate=0.2"]
    assert names(spec("a", router=hashed), spec("b", router=free), spec("c", router=faster)) == [
        "router=hash",
        "router=loss_free, router.update_rate=0.1",
        "router=loss_free, router.update_rate=0.2",
    ]
    long = {f"a_knob_with_a_long_name_{n}": n for n in range(4)}
    other = dict.fromkeys(long, 9)
    assert names(spec("a", preset="one", **long), spec("b", preset="two", **other)) == ["one", "two"]
    assert names(spec("a", **long), spec("b", **other)) == ["arm 1", "arm 2"]


def test_arms_of_one_number_ascend_and_others_come_as_they_were_made() -> None:
    assert names(spec("a", lr=0.1), spec("b", lr=0.01), spec("c", lr=1.0)) == ["lr=0.01", "lr=0.1", "lr=1"]
    assert names(spec("a", created=2.0, kind="x"), spec("b", created=1.0, kind="y")) == ["kind=y", "kind=x"]


def test_of_runs_with_one_seed_the_first_that_tells_counts() -> None:
    specs = [spec(run, created=n) for n, run in enumerate(("stopped", "first", "second", "going"))]
    standing = {"stopped": "stopped", "first": "diverged", "second": "finished", "going": "running"}
    arm = arms_of(specs, None, standing).arms[0]
    assert (arm.runs, arm.repeats) == ({(0, 0): "first"}, ("stopped", "second", "going"))


def test_what_cannot_be_compared_is_refused_in_one_sentence() -> None:
    for specs, words in (
        ([], "No run was given"),
        ([spec("a"), spec("b", lab="unet")], "of the labs moe, unet"),
        ([spec(str(n), seed=n) for n in range(101)], "101 runs were given; a comparison takes 100"),
    ):
        with pytest.raises(ChoiceError, match=words):
            arms_of(specs, None, {})


def test_a_baseline_is_an_arm_by_name_by_run_or_by_knobs() -> None:
    arms = arms_of([spec("a", lr=0.1, clip=1), spec("b", lr=0.2, clip=1, seed=3), spec("c", lr=0.2, clip=2)], None, {})
    assert baseline_of(arms, None) is arms.arms[0]
    assert baseline_of(arms, "b").knobs["lr"] == 0.2
    assert baseline_of(arms, "lr=0.1").name == "lr=0.1, clip=1"
    with pytest.raises(ChoiceError, match=r'"lr=0\.2" fits 2 arms'):
        baseline_of(arms, "lr=0.2")
    with pytest.raises(ChoiceError, match=r'"sgd" fits no arm; the arms are lr=0\.1, clip=1; '):
        baseline_of(arms, "sgd")
    assert by_of(arms, "clip") == "clip"
    with pytest.raises(ChoiceError, match='do not differ in "steps"; they differ in lr, clip'):
        by_of(arms, "steps")


@pytest.mark.parametrize("typed", ["lr=1e-3", "lr=0.001", "lr=.001", "lr=0.0010 clip=1.0", "clip=1,lr=1E-3"])
def test_a_number_of_a_baseline_may_be_typed_in_any_way(typed: str) -> None:
    arms = arms_of([spec("a", lr=0.001, clip=1, router="1e-3"), spec("b", lr=0.002, clip=2, router="0.001")], None, {})
    assert baseline_of(arms, typed) is arms.arms[0]
    with pytest.raises(ChoiceError, match="fits no arm"):
        baseline_of(arms, "lr=low")
    assert baseline_of(arms, "router=0.001") is arms.arms[1], "a word is no number"


def test_by_a_knob_only_arms_that_differ_in_it_alone_are_compared() -> None:
    grid = [spec(f"{lr}{kind}", lr=lr, router={"is": kind, **inner}) for lr in (0.1, 0.2) for kind, inner in (("a", {}), ("b", {"k": 2}))]
    arms = arms_of(grid, None, {})
    base = baseline_of(arms, "0.1a")
    assert [arm.runs[0, 0] for arm in arms.equal_but("lr", base)] == ["0.1a", "0.2a"]
    assert [arm.runs[0, 0] for arm in arms.equal_but("router", base)] == ["0.1a", "0.1b"]
    assert len(arms.equal_but("", base)) == 4


def test_missing_runs_complete_every_pair_and_add_seeds_above_the_largest() -> None:
    specs = [spec(f"{lr}-{seed}", lr=lr, seed=seed) for lr, seeds in ((0.1, (0, 1)), (0.2, (1, 5))) for seed in seeds]
    standing = {one["run"]: "finished" for one in specs} | {"0.1-1": "failed", "0.2-5": "running"}
    wanted = missing(arms_of(specs, None, standing), standing, 2)
    assert wanted == [
        ("lr=0.2", (0, 0)),
        ("lr=0.1", (1, 1)),
        ("lr=0.1", (5, 5)),
        ("lr=0.1", (6, 6)),
        ("lr=0.2", (6, 6)),
        ("lr=0.1", (7, 7)),
        ("lr=0.2", (7, 7)),
    ]


def test_new_seeds_keep_the_data_order_that_all_have_and_end_with_the_series() -> None:
    specs = [spec(str(seed), seed=seed, data_seed=4) for seed in range(3)]
    standing = {one["run"]: "finished" for one in specs}
    assert missing(arms_of(specs, None, standing), standing, 1) == [("collapse", (3, 4))]
    many = [spec(str(seed), seed=seed) for seed in range(LONGEST)]
    assert missing(arms_of(many, None, {}), dict.fromkeys(map(str, range(LONGEST)), "finished")) == []
