"""The run page says what it shows, of one preset, changed knobs or several labs; twins are told apart by colour and dash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.labs.chart import charts
from engine.runs.series import SeriesInfo
from engine.server import service as service_module
from engine.server.service import Service
from pages.parts.charts.rows import in_rows
from pages.parts.charts.run_styles import COLOURS, labels_of, ordered, run_styles
from pages.parts.runs import expected as expected_module
from pages.parts.runs.expected import AT_ONCE, expected
from pages.parts.runs.story import APART, UNKNOWN, changed_knobs, first_sentence, story
from tests.pages.test_pages import LAB, opened, said, taken_in
from tests.support.made_runs import KNOBS, MadeRun, readings

DEAD = "router/dead_experts@blocks.1.moe"
DECIDES = {"chart": "dead_experts", "metric": DEAD, "direction": "up", "says": "{value} experts get next to nothing to do"}


def declared(run: str, preset: str | None = "collapse", lab: str = "moe", twin: str = "", **knobs: Any) -> dict[str, Any]:
    return {"run": run, "lab": lab, "preset": preset, "twin": twin or None, "knobs": {"steps": 300, "seed": 0, **knobs}}


def laboratory(name: str = "moe", title: str = "Mixture of Experts") -> dict[str, Any]:
    numbers = {"steps": 300, "seed": 0, "lr": 0.001}
    free = {"choices": [], "min": None, "max": None, "unit": ""}
    knobs = [{"name": n, "kind": "float" if n == "lr" else "int", "default": v, **free} for n, v in numbers.items()]
    plain = {"story": "Experts idle. The rest is folded.", "see": "dead experts", "twin": None, "knobs": {}}
    presets = {"collapse": plain, "collapse_cured": {**plain, "broken": "collapse"}, "healthy": plain, "slower": plain}
    presets |= {f"slower_{n}": {**plain, "arm": "slower"} for n in (1, 2)}
    return {"lab": name, "title": title, "knobs": knobs, "presets": presets, "provides": ["routing"]}


LABS = {"moe": laboratory(), "unet": laboratory("unet", "UNet")}


@pytest.mark.parametrize(
    ("specs", "title", "own"),
    [
        ([declared("a")], "Mixture of Experts: Collapse", True),
        ([declared("a", seed=7)], "Mixture of Experts: Collapse", True),
        ([declared("a"), declared("b", "collapse_cured")], "Mixture of Experts: Collapse", True),
        ([declared("a", "slower_1"), declared("b", "slower_2")], "Mixture of Experts: Slower", True),
        ([declared("a", lr=0.003, steps=30)], "Mixture of Experts: Collapse with changed knobs: steps 30, lr 0.003", False),
        ([declared("a"), declared("b", lr=0.003)], "Mixture of Experts: Collapse with changed knobs", False),
        ([declared("a"), declared("b", "healthy")], "Mixture of Experts: 2 runs of 2 presets", False),
        ([declared("a"), declared("b", lab="unet"), declared("c")], "3 runs of 2 labs", False),
        ([declared("a", None)], "Mixture of Experts: Own knobs", False),
        ([declared("a", lab="gone")], "gone: Collapse", False),
    ],
)
def test_the_title_is_true_of_every_run_and_no_story_of_another_is_told(specs: list[dict[str, Any]], title: str, own: bool) -> None:
    found = story(specs, LABS)
    assert (found.title, found.own) == (title, own)
    assert ("Experts idle." in found.sentence) == own


@pytest.mark.parametrize("other", [declared("b", lab="unet"), declared("b", data={"is": "digits"}), declared("b", task="poisson")])
def test_losses_of_other_tasks_are_not_compared(other: dict[str, Any]) -> None:
    assert APART in story([declared("a"), other], LABS).sentence
    assert APART not in story([declared("a"), declared("b", seed=3)], LABS).sentence


def test_seeds_and_the_machine_change_no_preset() -> None:
    assert changed_knobs(LABS["moe"], declared("a", seed=9)) == {}
    assert changed_knobs(LABS["moe"], declared("a", lr=0.5)) == {"lr": 0.5}
    assert changed_knobs(None, declared("a", lr=0.5)) == {}


def test_a_story_is_cut_after_its_first_sentence() -> None:
    assert first_sentence("Most of 32 experts idle at 0.5. Then it ends.") == ("Most of 32 experts idle at 0.5.", "Then it ends.")
    assert first_sentence("One only") == ("One only", "")


# -- colours and labels ------------------------------------------------------------------------------


def lightness(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("theme", "behind"), [("light", "#FFFFFF"), ("dark", "#11151A")])
def test_a_broken_run_is_vermilion_and_dotted_and_its_cure_blue(theme: str, behind: str) -> None:
    pair = ordered([declared("b", "collapse_cured", twin="a"), declared("a", twin="b")])
    broken, cured = run_styles(pair, {}, theme)
    assert (broken.label, broken.colour, broken.dash) == ("broken", COLOURS[theme][1], "dot")
    assert (cured.label, cured.colour, cured.dash) == ("cured", COLOURS[theme][0], "solid")
    for colour in COLOURS[theme]:
        high, low = sorted((lightness(colour), lightness(behind)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3


def test_an_unchanged_run_and_its_change_have_the_same_two_colours() -> None:
    pair = ordered([declared("b", twin="a", rewiring="fosr"), declared("a", twin="b", rewiring="none")])
    styles = run_styles(pair, {}, "light")
    assert [(one.label, one.colour) for one in styles] == [("unchanged", COLOURS["light"][1]), ("changed", COLOURS["light"][0])]


def test_twins_of_which_none_is_broken_are_called_by_the_knobs_in_which_they_differ() -> None:
    """The anchor of the preset calm takes the samples farther from the data: neither is that training broken, nor the other one cured."""
    pair = [declared("a", "calm", "consistency", "b", anchor="none"), declared("b", "calm_cured", "consistency", "a", anchor="expanded")]
    assert labels_of(pair) == ["broken", "cured"]
    assert labels_of(pair, cure=False) == ["anchor=none", "anchor=expanded"]
    assert [one.label for one in run_styles(pair, {}, "light", cure=False)] == ["anchor=none", "anchor=expanded"]


def test_eight_runs_are_told_apart_by_colour_and_dash() -> None:
    specs = [declared(f"{n}", twin=f"{n ^ 1}", preset="collapse_cured" if n % 2 else "collapse") for n in range(8)]
    looks = {(one.colour, one.dash) for one in run_styles(specs, {}, "light")}
    assert len(looks) == 8


@pytest.mark.parametrize(
    ("specs", "labels"),
    [
        ([declared("a1", seed=1), declared("a2", seed=2, data_seed=2)], ["seed=1", "seed=2"]),
        ([declared("a1", router={"is": "hash"}), declared("a2", router={"is": "loss_free", "k": 1})], ["router=hash", "router=loss_free"]),
        ([declared("a1", lr=1e-3), declared("a2", lr=3e-3)], ["lr=0.001", "lr=0.003"]),
        ([declared("a1"), declared("a2", "healthy")], ["Collapse", "Healthy"]),
        (
            [declared("a1"), declared("a2", "healthy"), declared("a3", "healthy", seed=2)],
            ["Collapse", "Healthy, seed=0", "Healthy, seed=2"],
        ),
        ([declared("a1"), declared("a2", lab="unet")], ["Collapse (moe)", "Collapse (unet)"]),
        ([declared("run-a1a1"), declared("run-a2a2")], ["Collapse a1a1", "Collapse a2a2"]),
        ([declared("a1")], ["Collapse"]),
    ],
)
def test_labels_say_what_differs(specs: list[dict[str, Any]], labels: list[str]) -> None:
    assert labels_of(specs) == labels


# -- places held from the start ----------------------------------------------------------------------


def test_a_young_run_of_a_measured_preset_counts_as_having_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    summary = {"loss/train|last": {}, "loss/train|max": {}, f"{DEAD}|last": {}, "grad_norm|last": {}}
    monkeypatch.setattr(expected_module, "record_of", lambda lab, name: {"summary": summary, "knobs": {}} if name == "collapse" else None)
    load = {"name": "router/load", "kind": "vector", "layered": True}
    probes = [{"name": "router_load", "price": "cheap", "needs": "routing", "metrics": [load]}]
    probes += [{"name": "dear", "price": "dear", "needs": "", "metrics": [{"name": "jacobian", "kind": "vector", "layered": False}]}]
    found = expected(LABS["moe"], probes, declared("a"))
    assert SeriesInfo("router/dead_experts", "blocks.1.moe") in found
    assert SeriesInfo("router/load", "blocks.1.moe", kind="vector") in found
    assert "jacobian" not in {one.name for one in found}, "the knob probes does not buy it"
    for other in (declared("a", "healthy"), declared("a", lr=0.5), declared("a", None)):
        assert tuple(one.name for one in expected(LABS["moe"], probes, other)) == AT_ONCE


# -- the page ----------------------------------------------------------------------------------------


@pytest.fixture
def lab_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """As in test_pages.py, with a preset that says what decides it."""
    collapse = {**LAB["presets"]["collapse"], "decides": DECIDES, "breaks_at": 3.0}
    lab = {**LAB, "presets": {**LAB["presets"], "collapse": collapse}}
    document = {"state": "ready", "labs": [lab], "probes": [], "errors": [], "seconds": 0.0, "says": ""}
    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    monkeypatch.setattr(Service, "labs", lambda self: document)
    monkeypatch.setattr("engine.server.service._Catalog.refresh", lambda self: None)
    yield service_module.service()
    service_module.close()


def collapsing(lab_service: Service, **knobs: Any) -> MadeRun:
    made = MadeRun(lab_service.data, steps=60, knobs={**KNOBS, "steps": 300, **knobs}).declare()
    for step in range(60):
        scalars, load = readings(step, healthy=False)
        made.log({**scalars, DEAD: step // 10}, load=load)
    return made


def pressable(test: Any) -> list[str]:
    return [button.label for button in test.button if "experts get next to nothing" in button.label]


def test_the_verdict_comes_with_the_data_and_its_end_with_the_end(lab_service: Service) -> None:
    young = MadeRun(lab_service.data, steps=60, knobs={**KNOBS, "steps": 300}).declare()
    assert "No sign of trouble so far." in said(opened("run.py", run=young.run))
    young.end("stopped")
    made = collapsing(lab_service)
    taken_in(lab_service, made)
    crossing = "Step 40: 4 experts get next to nothing to do: above 3, where its preset counts as broken."
    assert pressable(opened("run.py", run=made.run)) == [crossing]
    made.end("stopped")
    for _ in range(200):
        lab_service.owner.step()
        if lab_service.store.state(made.run)["status"] == "stopped":
            break
    end, earlier = pressable(opened("run.py", run=made.run))
    assert end.startswith("At the end 5 experts get next to nothing to do, after 0 at step 0; ")
    assert earlier == crossing


def test_a_press_on_a_sentence_puts_its_steps_into_the_address_and_the_axis_counts_steps(lab_service: Service) -> None:
    made = collapsing(lab_service)
    taken_in(lab_service, made)
    test = opened("run.py", run=made.run)
    next(button for button in test.button if "experts get next" in button.label).click()
    test.run()
    assert not test.exception
    assert test.query_params["zoom"] in ("0,100", ["0,100"])
    assert test.session_state["x"] == "step"
    made.end("stopped")


def test_the_deciding_chart_stands_first_and_all_others_under_headings(lab_service: Service) -> None:
    made = collapsing(lab_service)
    taken_in(lab_service, made)
    test = opened("run.py", run=made.run)
    headings = [one.value for one in test.markdown if one.value.startswith("####")]
    assert headings[0].startswith("##### Dead experts")
    assert headings[1:3] == ["#### Training", "##### Loss"]
    assert "#### Events" in headings
    assert "Look here first" in said(test)
    made.end("stopped")


def test_without_a_preset_the_loss_stands_first(lab_service: Service) -> None:
    made = MadeRun(lab_service.data, preset="").declare()
    headings = [one.value for one in opened("run.py", run=made.run).markdown if one.value.startswith("#####")]
    assert headings[0] == "##### Loss"
    made.end("stopped")


def test_a_run_whose_lab_no_longer_knows_its_knobs_is_not_called_unchanged() -> None:
    lab = laboratory()
    lab["knobs"] = [{**one, "max": 0.1} if one["name"] == "lr" else one for one in lab["knobs"]]  # the run lies out of today's bounds
    assert changed_knobs(lab, declared("a", lr=0.5)) == {"lr": 0.5}
    assert changed_knobs(lab, declared("a", preset="gone", lr=0.5)) == {}, "without a preset nothing can be changed"


def test_where_the_lab_has_changed_too_much_nobody_says_whether_a_run_is_its_preset() -> None:
    lab = laboratory()
    assert changed_knobs(lab, declared("a", dropped=3)) is None, "the lab has dropped a knob of the run"
    assert changed_knobs(lab, declared("a", dropped=3, lr=0.5)) == {"lr": 0.5}, "that much is known"
    lab = laboratory()
    lab["presets"]["collapse"] = {**lab["presets"]["collapse"], "knobs": {"dropped": 1}}
    assert changed_knobs(lab, declared("a")) is None, "the lab no longer takes its own preset"
    found = story([declared("a")], {"moe": lab})
    assert (found.title, found.sentence, found.own, found.known) == ("Mixture of Experts: Collapse", UNKNOWN, False, False)
    assert APART in story([declared("a"), declared("b", task="poisson")], {"moe": lab}).sentence
    assert expected(lab, [], declared("a")) == [SeriesInfo(name) for name in AT_ONCE], "no record of the preset is taken for its own"


def test_the_page_of_such_a_run_says_so(lab_service: Service) -> None:
    made = MadeRun(lab_service.data, steps=300, knobs={"steps": 300, "seed": 0, "dropped": 3}).declare()
    text = said(opened("run.py", run=made.run))
    assert UNKNOWN in text
    assert "whether the runs here have its knobs cannot be known" in text
    assert "here knobs are changed" not in text
    made.end("stopped")


def test_two_runs_started_one_by_one_have_the_colours_of_twins_where_one_is_a_cure() -> None:
    blue, vermilion = COLOURS["light"][:2]
    alone = [declared("a"), declared("b", preset="collapse_cured")]
    assert [one.colour for one in run_styles(alone, {}, "light")] == [vermilion, blue]
    assert [one.colour for one in run_styles(alone[::-1], {}, "light")] == [blue, vermilion]
    assert [one.colour for one in run_styles([declared("a"), declared("b", preset="healthy")], {}, "light")] == [blue, vermilion]


def test_wide_charts_have_a_row_of_their_own_and_none_is_left_beside_nothing() -> None:
    catalog, _ = charts()
    assert {name for name, chart in catalog.items() if chart.wide} >= {"bytes_per_expert", "event_lane", "samples_plane", "jacobian_map"}
    assert in_rows(["losses", "bytes_per_expert", "grad_norm"], catalog) == (["losses", "grad_norm"], ["bytes_per_expert"])
    assert in_rows(["losses", "grad_norm", "dead_experts", "event_lane"], catalog) == (
        ["losses", "grad_norm"],
        ["dead_experts", "event_lane"],
    )
    assert in_rows(["event_lane"], catalog) == ([], ["event_lane"])


def test_the_buttons_of_twins_keep_their_row_when_one_of_them_ends(lab_service: Service) -> None:
    runs = [collapsing(lab_service) for _ in range(2)]
    for run in runs:
        run.log(*readings(0, healthy=True)[:1])
    lab_service.owner.catch_up()
    page = ",".join(run.run for run in runs)

    def words(label: str) -> list[str]:
        return [one.label for one in opened("run.py", run=page).button if one.label.startswith(label)]

    assert words("Stop")[-1] == "Stop all"
    runs[0].end()
    lab_service.owner.catch_up()
    assert words("Stop")[-1] == "Stop", "one row of buttons, for those that go on"
    assert "1 of 2 runs have ended." in said(opened("run.py", run=page))
    runs[1].end()
