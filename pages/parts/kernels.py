"""Pieces of the page of CUDA kernels: what runs here and why, and one kernel with its words, source, table and measurements."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from engine.core.paths import ROOT
from kernels import recorded
from pages.parts.charts.run_styles import COLOURS
from pages.parts.knobs.texts import formula
from pages.parts.plain import plain
from pages.parts.prose import prose

LONGEST_BENCH = 900  # seconds


def standing(gpus: Sequence[str], gpu_names: Sequence[str]) -> None:
    """Which path runs on this machine, and why."""
    if gpus:
        st.success(
            f"This machine has {', '.join(gpu_names) or 'a CUDA device'}: runs on it take the kernels, unless the knob `kernels` says "
            "`reference`.",
            icon=":material/bolt:",
        )
    elif gpu_names:
        st.warning(
            f"{', '.join(gpu_names)} is there, but the installed torch or CUDA_VISIBLE_DEVICES hides it, so the references run.",
            icon=":material/warning:",
        )
    else:
        st.info(
            "No CUDA device is here, so the references run. What you see below was compiled and proven without one.",
            icon=":material/memory:",
        )
    st.caption("Each run's provenance, on its page, names the path that every kernel took and the reason where it was the reference.")


def one_kernel(name: str, record: Mapping[str, Any], benches: Sequence[Mapping[str, Any]], gpu: bool) -> None:
    """A section: formula and words, badges, then source, registers, proof and speed in tabs."""
    words = record["words"]
    rows = recorded.worst(record["targets"])
    bench = next((one for one in benches if name in one["kernels"]), None)
    st.header(words["title"], anchor=name.replace("_", "-"))
    with st.container(horizontal=True, gap="small"):
        st.badge(name, color="gray")
        st.badge(f"agrees with float64 on {len(record['samples'])} samples", icon=":material/check:", color="green")
        spills = sum(row["spills"] for row in rows)
        st.badge(f"{spills} bytes spilled on {len(rows)} architectures", icon=":material/check:", color="red" if spills else "green")
        st.badge(
            "measured on a GPU" if bench else "not measured on a GPU yet", icon=":material/speed:", color="blue" if bench else "orange"
        )
    formula(words["formula"])
    st.markdown(f"{words['legend']}  \n**Least that must move.** {words['minimum_bytes']}  \n**Used by.** {words['used_by']}")
    even = ["Load"] if "balance" in record else []
    speed, proof, *load, source, registers = st.tabs(["Speed", "Proof", *even, "Source and reasoning", "Registers"])
    with source:
        text = (recorded.FOLDER / name / f"{name}.cu").read_text("utf-8")
        st.code(text, language="cpp", line_numbers=True, wrap_lines=True)
        st.caption(f"`kernels/{name}.cu`, {len(text.splitlines())} lines; its reference, wrapper and samples are in `kernels/{name}.py`.")
    with registers:
        _registers(rows, words["budgets"])
    with proof:
        st.markdown("Compared with float64, threads and blocks forward, in reverse and warp by warp:")
        st.markdown("\n".join(f"- {sample}" for sample in record["samples"]))
    with speed:
        _speed(name, words["aims"], bench, gpu)
    for tab in load:
        with tab:
            _load(name, record["balance"])


def _registers(rows: Sequence[Mapping[str, Any]], budgets: Mapping[str, int]) -> None:
    """Registers per thread of every entry on every architecture."""
    table = [
        {
            "entry": entry,
            **{row["arch"]: row["entries"][entry]["registers"] for row in rows},
            "budget": budget,
            "shared bytes": max(row["entries"][entry]["shared"] for row in rows),
            "spilled bytes": sum(row["entries"][entry]["spills"] for row in rows),
        }
        for entry, budget in budgets.items()
    ]
    st.dataframe(pl.DataFrame(table), hide_index=True, width="stretch")
    st.caption("Registers per thread, from the compiler's own log. Above the budget, or with one byte spilled, the tests fail.")


def _load(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """How evenly each strategy cuts the edges of two graphs: counted from its tiles, without a GPU."""
    prose("load")
    st.plotly_chart(evenness(rows), key=f"evenness-{name}")
    graph = st.segmented_control("Graph", list(dict.fromkeys(row["graph"] for row in rows)), default=rows[0]["graph"], key=f"graph-{name}")
    shown = [row for row in rows if row["graph"] == (graph or rows[0]["graph"])]
    st.plotly_chart(tiles_by_work(shown), key=f"tiles-{name}")
    kept = ("strategy", "tiles", "longest", "mean")
    st.dataframe(pl.DataFrame([{key: row[key] for key in kept} for row in shown]), hide_index=True, width="stretch")
    st.caption("32,768 rows with 16 edges each on average; counted from the very tiles that the kernel gets, not timed.")


def evenness(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Work of the longest tile over that of the mean one, by strategy, one colour for each graph."""
    figure = go.Figure()
    for graph, colour in zip(dict.fromkeys(row["graph"] for row in rows), COLOURS["light"], strict=False):
        mine = [row for row in rows if row["graph"] == graph]
        told = [f"{graph}: longest {row['longest']:,}, mean {row['mean']:,.4g}, {row['tiles']:,} tiles" for row in mine]
        ratio = [row["longest"] / row["mean"] for row in mine]
        figure.add_bar(
            name=graph,
            x=[row["strategy"] for row in mine],
            y=ratio,
            text=[f"{value:.3g}" for value in ratio],
            customdata=told,
            hovertemplate="%{customdata}<extra></extra>",
            marker_color=colour,
        )
    figure.add_hline(y=1.0, line_dash="dot", annotation_text="all alike")
    figure.update_layout(barmode="group", height=320, margin={"t": 30, "b": 30})
    figure.update_yaxes(type="log", title_text="longest tile over the mean", dtick=1)
    return figure


def tiles_by_work(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """How many tiles of each strategy have so much work, by powers of two."""
    figure = go.Figure()
    for row, colour in zip(rows, COLOURS["light"], strict=False):
        some = [(2 ** max(0, power - 1), count) for power, count in enumerate(row["by_power"]) if count]
        drawn = {"mode": "lines+markers", "line": {"color": colour}, "hovertemplate": "%{y:,} tiles of %{x:,} and more<extra></extra>"}
        figure.add_scatter(name=row["strategy"], x=[work for work, _ in some], y=[count for _, count in some], **drawn)
    figure.update_xaxes(type="log", title_text="work of a tile, at least", dtick=1)
    figure.update_yaxes(type="log", title_text="tiles", dtick=1)
    figure.update_layout(height=320, margin={"t": 10, "b": 40})
    return figure


def _speed(name: str, aims: Mapping[str, str], bench: Mapping[str, Any] | None, gpu: bool) -> None:
    if bench is None:
        st.info("No GPU has measured this kernel yet. What follows are aims, not results.", icon=":material/info:")
    else:
        told = bench["kernels"][name]
        st.caption(
            f"Measured {bench['date']} on {bench['device']}, torch {bench['versions']['torch']}; "
            f"a copy there moves {bench['copy_bytes_per_second'] / 1e12:.2f} TB/s."
        )
        if told["sizes"]:
            st.plotly_chart(roofline(told["sizes"]), key=f"roofline-{name}")
            st.dataframe(pl.DataFrame(against(told["sizes"])), hide_index=True, width="stretch")
        for message in told["problems"]:
            st.error(plain(message))
    st.markdown("\n".join(f"- Aim, {what}: {much}." for what, much in aims.items()))
    why = None if gpu else "This machine has no CUDA device, so there is nothing to compare: only the reference can run."
    if st.button("Compare kernel and reference here", key=f"bench-{name}", icon=":material/compare_arrows:", disabled=not gpu, help=why):
        with st.spinner(f"Measuring {name}; this takes minutes"):
            _measure(name)
    if why:
        st.caption(why)


def _measure(name: str) -> None:
    """The command line's own benchmark of one kernel, in a process of its own."""
    command = [sys.executable, "-m", "engine", "kernels", name, "--bench", "--json"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_BENCH)
        told = json.loads(done.stdout)["kernels"][0]["bench"]
    except (subprocess.TimeoutExpired, ValueError) as error:
        st.error(f"The measurement did not end well: {type(error).__name__}. Run `{' '.join(command[1:])}` to see why.")
        return
    if told["parity"] == "passed":
        st.success("On this GPU the kernel agrees with float64 on every sample.", icon=":material/check:")
    for message in told["problems"]:
        st.error(plain(message))
    if told["sizes"]:
        st.dataframe(pl.DataFrame(against(told["sizes"])), hide_index=True, width="stretch")


def against(sizes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per size and peer: time of ours, and how many times longer the peer takes."""
    out = []
    for size in sizes:
        ours = size["runs"]["ours"]
        for peer, run in size["runs"].items():
            if peer != "ours":
                out.append(
                    {
                        "size": size["size"],
                        "ours, µs": round(ours["cold"]["median"] * 1e6, 1),
                        "share of a copy": f"{size['share_of_copy']:.0%}",
                        "peer": peer,
                        "peer takes": f"{run['cold']['median'] / ours['cold']['median']:.2f}×",
                        "with a warm cache": f"{run['warm']['median'] / ours['warm']['median']:.2f}×",
                        "launches, ours and peer": f"{ours['launches']} and {run['launches']}",
                    }
                )
    return out


def roofline(sizes: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Share of the measured copy bandwidth that each run reaches, by size; 1 is the ceiling of a kernel bound by memory."""
    figure = go.Figure()
    shares: dict[str, list[tuple[str, float]]] = {}
    for size in sizes:
        ours = size["runs"]["ours"]["cold"]["median"]
        for run, timed in size["runs"].items():
            shares.setdefault(run, []).append((size["size"], size["share_of_copy"] * ours / timed["cold"]["median"]))
    for (run, points), colour in zip(shares.items(), COLOURS["light"] * 2, strict=False):
        figure.add_bar(name=run, x=[x for x, _ in points], y=[y for _, y in points], marker_color=colour)
    figure.add_hline(y=1.0, line_dash="dot", annotation_text="a copy")
    figure.update_layout(barmode="group", yaxis_title="share of the bandwidth of a copy", height=340, margin={"t": 30, "b": 30})
    return figure
