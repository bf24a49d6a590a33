"""The house keeps its shape: fixed top level, one-way arrows, short files, no page that shadows a package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP = {
    *("app.py", "pages", "engine", "kernels", "tests", "data", "docs", "README.md", "pyproject.toml"),
    *("Makefile", "constraints.txt", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(' '.join({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_top_level_is_the_one_of_the_design() -> None:
    strangers = {p.parts[0] for p in tracked() if not p.parts[0].startswith(".")} - TOP
    assert not strangers, f"unexpected at the top level: {sorted(strangers)}"


def test_no_source_file_is_over_300_lines() -> None:
    long = {
        str(p): n for p in tracked() if p.suffix in {".py", ".js", ".css", ".cu"} and (n := len((ROOT / p).read_text().splitlines())) > 300
    }
    assert not long, f"split these: {long}"


def test_no_page_shares_its_name_with_a_package_or_a_standard_library_module() -> None:
    taken = {"app", "pages", "engine", "kernels", "tests", "data"} | set(sys.stdlib_module_names)
    shadows = {p.stem for p in (ROOT / "pages").glob("*.py")} & taken
    assert not shadows, f"rename the page: {shadows}"


@pytest.mark.parametrize(
    ("statement", "banned"),
    [
        ("import engine.worker.main", {"duckdb", "polars", "plotly", "streamlit", "pages", "pyarrow", "pandas"}),
        (
            "from engine.core.catalog import Catalog\nfrom engine.labs.lab import Lab\nassert not Catalog('', Lab).load()[1]",
            {"duckdb", "polars", "plotly", "streamlit", "pages", "pandas"},
        ),
        ("import engine.server.service, engine.server.routes", {"torch", "lightning", "streamlit", "pages"}),
        ("import app", {"torch", "lightning"}),
        ("import engine.__main__", {"torch", "lightning", "streamlit", "plotly"}),
        ("import kernels", {"engine", "pages", "streamlit"}),
        (
            "from engine.labs.common.detectors import divergence, loss_spike, nonfinite",
            {"torch", "numpy", "polars"},
        ),
    ],
    ids=["worker", "labs", "server", "app", "command line", "kernels", "detectors"],
)
def test_arrows_point_one_way(statement: str, banned: set[str]) -> None:
    assert not modules_after(statement) & banned


def test_kernels_is_our_package() -> None:
    import kernels

    assert Path(kernels.__file__).parent == ROOT / "kernels"


def test_tracked_files_name_no_path_of_this_machine() -> None:
    home = str(Path.home())
    tellers = [home + "/", str(ROOT.parent) + "/"]
    found = [
        str(p)
        for p in tracked()
        if p.suffix in {".py", ".md", ".toml", ".json", ".js", ".css", ".txt", ""}
        and any(len(t) > 2 and t in (ROOT / p).read_text(errors="replace") for t in tellers)
    ]
    assert not found
