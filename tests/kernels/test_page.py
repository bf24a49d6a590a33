"""The page of kernels tells what is recorded, says what is not, and offers no comparison that cannot be made."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core import device
from engine.server.service import Service
from kernels import recorded
from kernels.kernel import kernel, names
from pages.parts.kernels import evenness, tiles_by_work
from tests.pages.test_pages import opened, said


def test_every_kernel_shows_its_source_its_registers_and_its_proof(lab_service: Service) -> None:
    test = opened("cuda.py")
    text = said(test)
    assert [h.value for h in test.header][:-1] == [kernel(name).about().title for name in names()]
    assert [c.value for c in test.code][: len(names())] == [kernel(name).source.rstrip() for name in names()] or all(
        kernel(name).source.strip() in "\n".join(c.value for c in test.code) for name in names()
    )
    tables = [frame for frame in test.dataframe if "entry" in frame.value.columns]
    for name, frame in zip(names(), tables, strict=True):
        assert list(frame.value["entry"]) == list(kernel(name).entries)
        assert (frame.value["sm_90"] <= frame.value["budget"]).all()
        assert (frame.value["spilled bytes"] == 0).all()
    assert "The warp with the longest tile ends last." in text
    assert [b.label for b in test.get("tab") if b.label == "Load"] == ["Load"]
    assert "No GPU has measured this kernel yet" in text or recorded.benches()


def test_without_a_gpu_the_comparison_is_disabled_and_says_why(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "gpus", lambda: ())
    monkeypatch.setattr(device, "gpu_names", lambda: ())
    test = opened("cuda.py")
    compare = [b for b in test.button if b.label.startswith("Compare kernel")]
    assert len(compare) == len(names())
    assert all(b.disabled for b in compare)
    assert "No CUDA device is here" in said(test)
    assert "only the reference can run" in said(test)


def test_recorded_measurements_are_shown_with_device_and_date(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(seconds: float, launches: int) -> dict[str, Any]:
        spread = {"median": seconds, "lower": seconds, "upper": seconds}
        return {"cold": spread, "warm": spread, "host": 1e-5, "launches": launches}

    size = {"size": "beyond the L2 cache", "bytes": 10**9, "share_of_copy": 0.5, "not_run": {}}
    size["runs"] = {"ours": timed(1e-3, 1), "eager": timed(4e-3, 12)}
    told = {
        "device": "A made-up GPU",
        "versions": {"torch": "2.13"},
        "date": "2026-01-02",
        "copy_bytes_per_second": 2e12,
        "kernels": {"tensor_stats": {"parity": "passed", "problems": [], "sizes": [size]}},
    }
    monkeypatch.setattr(recorded, "benches", lambda: [told])
    test = opened("cuda.py")
    assert "Measured 2026-01-02 on A made-up GPU" in said(test)
    rows = next(f.value for f in test.dataframe if "peer" in f.value.columns)
    assert list(rows["peer takes"]) == ["4.00×"]
    assert list(rows["share of a copy"]) == ["50%"]


def test_the_load_of_each_strategy_is_drawn_as_it_is_recorded() -> None:
    rows = recorded.recorded()["kernels"]["csr_spmm"]["balance"]
    law, regular = evenness(rows).data
    by_name = {row["strategy"]: row["longest"] / row["mean"] for row in rows if row["graph"] == "power law"}
    assert dict(zip(law.x, law.y, strict=True)) == by_name
    assert by_name["node"] > 100 > 2 > by_name["merge"], "one warp has the hub to itself; the merge path is even"
    assert max(regular.y) < 2
    mine = [row for row in rows if row["graph"] == "power law"]
    assert [sum(trace.y) for trace in tiles_by_work(mine).data] == [row["tiles"] for row in mine]
