"""How a comparison is drawn: colours that a person knows from the run page, titles that a phone shows whole, whole steps."""

from __future__ import annotations

from engine.compare.overview import chosen, declared, overview, time_to
from engine.server.service import Service
from pages.parts.charts.run_styles import COLOURS
from pages.parts.compare.picture import LINE, Shown, broken_arm, in_lines, pictures, styles
from tests.pages.test_pages_compare import page, two_arms
from tests.support.compared_runs import METRIC, made


def test_a_broken_arm_and_its_cure_look_as_on_the_run_page(lab_service: Service) -> None:
    for first, last in (("collapse", "collapse_cured"), ("collapse_cured", "collapse")):
        runs = [
            made(lab_service.data, seed, [9.0, 8.0], preset=preset, router="hash" if preset == "collapse" else "loss_free")
            for preset in (first, last)
            for seed in range(2)
        ]
        first_column = page(lab_service, runs).table[0].value.iloc[:, 0].tolist()
        assert len({cell.partition(" ")[2] for cell in first_column}) == 2, "the rows show the dashes of their lines"
        specs = {spec["run"]: spec for spec in declared(lab_service.data, [run.run for run in runs])}
        arms = chosen(lab_service.store, list(specs.values()), None)
        look = {one.name: (one.colour, one.dash) for one in styles(arms, "light", broken_arm(arms, specs))}
        broken = next(arm.name for arm in arms.arms if arm.knobs["router"] == "hash")
        cured = next(arm.name for arm in arms.arms if arm.name != broken)
        assert look == {broken: (COLOURS["light"][1], "dot"), cured: (COLOURS["light"][0], "solid")}
    runs = two_arms(lab_service, 2)
    lab_service.owner.catch_up()
    specs = {spec["run"]: spec for spec in declared(lab_service.data, [run.run for run in runs])}
    assert broken_arm(chosen(lab_service.store, list(specs.values()), None), specs) == "", "neither is the cure of the other"


def test_a_long_title_of_an_axis_stands_in_lines_that_a_phone_shows(lab_service: Service) -> None:
    assert in_lines("loss/train") == "loss/train"
    title = in_lines("router/dead_experts@blocks.1.moe (experts), minus router=softmax_top_k")
    assert title == "router/dead_experts@blocks.1.moe<br>(experts), minus<br>router=softmax_top_k"
    runs = two_arms(lab_service, 2)
    lab_service.owner.catch_up()
    arms = chosen(lab_service.store, declared(lab_service.data, [run.run for run in runs]), None)
    found = overview(lab_service.store, arms, {}, METRIC, baseline=arms.arms[0])
    times = time_to(lab_service.store, arms, METRIC, 9.0, above=False, baseline=arms.arms[0])
    shown = Shown(found, None, times, 9.0, "nats per byte of the held-out text", False, "light")  # type: ignore[arg-type]  # draws no curves
    catalog, _ = pictures()
    lines = catalog["differences"].figure(shown).layout.xaxis.title.text.split("<br>")
    assert len(lines) > 1
    assert all(len(line) <= LINE for line in lines)
    steps = catalog["time_to_threshold"].figure(shown).layout.yaxis
    assert (steps.dtick, steps.range[1] >= 1, steps.range[0] > -1) == (1, True, True), "steps are whole and none is below 0"


def test_equal_values_lie_side_by_side_and_their_pairs_end_at_them(lab_service: Service) -> None:
    runs = [
        *[made(lab_service.data, seed, [9.0, 3.0], router="hash") for seed in range(4)],
        *[made(lab_service.data, seed, [9.0, value], router="loss_free") for seed, value in enumerate([1.0, 1.0, 5.0, 9.0])],
    ]
    lab_service.owner.catch_up()
    arms = chosen(lab_service.store, declared(lab_service.data, [run.run for run in runs]), None)
    found = overview(lab_service.store, arms, {}, METRIC, baseline=arms.arms[0])
    catalog, _ = pictures()
    for log in (False, True):
        shown = Shown(found, None, None, None, "nats", log, "light")  # type: ignore[arg-type]  # draws no curves
        figure = catalog["final_values"].figure(shown)
        dots = [
            list(zip(trace.x, trace.y, strict=True)) for trace in figure.data if trace.mode == "markers" and trace.customdata is not None
        ]
        assert [len(set(strip)) for strip in dots] == [4, 4], "no dot covers another"
        assert [[y for _, y in strip] for strip in dots] == [[3.0] * 4, [1.0, 1.0, 5.0, 9.0]], "values stay where they are"
        assert all(abs(x - n) < 0.3 for n, strip in enumerate(dots) for x, _ in strip)
        (lines,) = [trace for trace in figure.data if trace.name == "pairs"]
        ends = {(x, y) for x, y in zip(lines.x, lines.y, strict=True) if x is not None}
        assert ends == {dot for strip in dots for dot in strip}


def test_a_band_says_of_which_runs_it_is_and_that_it_holds_a_step_and_no_whole_curve() -> None:
    named, _ = pictures()
    assert "medians of those still finite" in named["curves"].about, "runs that diverged have left the median"
    assert "at each step by itself" in named["curves"].about
    assert "that does not diverge" in named["final_values"].about
