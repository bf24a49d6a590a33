"""No pointer goes out unchecked: every tensor that any launch takes is offered in a wrong format, device, shape and order in memory."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kernels.emulator.emulator import Emulator
from kernels.kernel import Argument, Dimensions, Kernel, kernel, names
from kernels.moe_route.moe_route import launch_route
from kernels.spam_adam.spam_adam import Hyper, launch_update
from kernels.tensor_stats.tensor_stats import launch_statistics

# Sizes that nothing else says: any is right there.  launch, argument -> why
FREE_SHAPES = {
    ("launch_statistics", "tensors"): "a tensor of any shape has statistics",
    ("launch_route", "logits_TE"): "it says how many experts there are",
    ("launch_sinkhorn", "scores_TE"): "it says how many rows there are",
    ("sort_on", "chosen_Tk"): "it says how many assignments there are",
    ("gather", "x"): "rows that no edge names are not read",
    ("gather", "tables[0]"): "its length is the number of rows; its numbers were checked when the graph was made",
    ("gather", "tables[3]"): "tiles were cut from the same graph",
    ("gather", "tables[4]"): "shared rows were cut from the same graph",
    ("edge_gradient", "tables[3]"): "not used there",
    ("edge_gradient", "tables[4]"): "not used there",
    ("edge_gradient", "x"): "rows that no edge names are not read",
}
Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Reached(Exception):
    """A launch was asked for: the pointers went out."""


class Watching:
    """A runner that launches nothing and keeps what it was given."""

    device = torch.device("cpu")

    def launch(self, kernel: Kernel, entry: str, grid: Dimensions, block: int, arguments: Sequence[Argument], shared: int = 0) -> None:
        self.arguments = [a.detach().clone() for a in arguments if isinstance(a, Tensor) and a.is_contiguous()]
        assert len(self.arguments) == sum(isinstance(a, Tensor) for a in arguments), "every pointer leads to numbers side by side"
        raise Reached


def launchers(name: str) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Every function of a kernel's folder whose first parameter is a runner: what hands out pointers."""
    for file in sorted(Path(kernel(name).path).parent.glob("*.py")):
        if file.stem in ("samples", "cases", "__init__"):
            continue
        module = importlib.import_module(f"kernels.{name}.{file.stem}")
        for attribute, function in list(vars(module).items()):
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                first = next(iter(inspect.signature(function).parameters.values()), None)
                if first is not None and first.annotation == "Runner" and "runner.launch(" in inspect.getsource(function):
                    yield module, attribute, function


def calls(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """One call of each launcher, with the most tensors that a sample gives it."""
    best: dict[str, tuple[int, Call]] = {}
    samples = importlib.import_module(f"kernels.{name}.samples")
    wanted = list(launchers(name))
    assert wanted
    for module, attribute, function in wanted:

        def keep(*given: Any, function: Callable[..., Any] = function, attribute: str = attribute, **more: Any) -> Any:
            count = len(list(tensors(function, given, more)))
            if count > best.get(attribute, (0, None))[0]:
                best[attribute] = count, (function, given, more)
            return function(*given, **more)

        for place in (module, samples):
            if getattr(place, attribute, None) is function:
                monkeypatch.setattr(place, attribute, keep)
    runner = Emulator(folder=folder)
    for sample in list(kernel(name).samples())[:8]:
        sample.run(runner)
    monkeypatch.undo()
    assert set(best) == {attribute for _, attribute, _ in wanted}
    return [call for _, call in best.values()]


def tensors(function: Callable[..., Any], given: Sequence[Any], more: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of everything that a call hands in, also in lists of lists."""

    def walk(name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, (list, tuple)):
            for i, one in enumerate(value):
                yield from walk(f"{name}[{i}]", one)

    for name, value in inspect.signature(function).bind(*given, **more).arguments.items():
        yield from walk(name, value)


def replaced(function: Callable[..., Any], given: Sequence[Any], more: dict[str, Any], old: Tensor, new: Tensor) -> str:
    """The call on a watching runner, with one tensor in the place of another -> the sentence of its ValueError, or "launched"."""

    def swap(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [swap(one) for one in value]
        return new if value is old else value

    try:
        function(Watching(), *(swap(value) for value in given[1:]), **{key: swap(value) for key, value in more.items()})
    except ValueError as error:
        return str(error)
    except Reached:
        return "launched"
    return "nothing was launched"


def wrong(tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    other = {torch.float32: torch.float64, torch.int64: torch.int32, torch.int32: torch.int64}.get(tensor.dtype, torch.float64)
    yield "format", tensor.to(other)
    yield "device", torch.empty_like(tensor, device="meta")
    yield "shape", torch.cat([tensor, tensor[:1]]) if len(tensor) else tensor.new_zeros((1, *tensor.shape[1:]))
    yield "dimensions", tensor.unsqueeze(0)


@pytest.mark.parametrize("name", names())
def test_no_launch_takes_a_tensor_that_does_not_fit(name: str, cache: Path, host_compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0
    for function, given, more in calls(name, cache, monkeypatch):
        for argument, tensor in tensors(function, given, more):
            for kind, odd in wrong(tensor):
                here = function.__name__, argument if argument.startswith("tables") else argument.partition("[")[0]
                if (kind == "shape" and here in FREE_SHAPES) or (kind == "dimensions" and here[0] == "launch_statistics"):
                    continue
                answer = replaced(function, given, more, tensor, odd)
                assert "; it takes " in answer or "; give " in answer, f"{function.__name__}, {argument}, another {kind}: {answer}"
                assert ". " not in answer
                tried += 1
    assert tried >= 3


@pytest.mark.parametrize("name", names())
def test_numbers_that_do_not_lie_side_by_side_are_copied_or_refused(
    name: str, cache: Path, host_compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0
    for function, given, more in calls(name, cache, monkeypatch):
        for argument, tensor in tensors(function, given, more):
            if tensor.numel() < 2:
                continue
            spread = torch.stack([tensor, tensor], dim=-1)[..., 0]
            assert not spread.is_contiguous()
            answer = replaced(function, given, more, tensor, spread)
            assert answer == "launched" or "side by side" in answer, f"{function.__name__}, {argument}: {answer}"
            tried += 1
    assert tried


def test_four_mistakes_that_gave_wrong_numbers_are_one_sentence_each() -> None:
    runner, logits = Watching(), torch.randn(6, 8)
    eight = [torch.randn(8)]
    for call, message in (
        (lambda: launch_route(runner, logits, 1, torch.zeros(8, dtype=torch.float64), None, False, False), r"bias_E as float64 \(8\)"),
        (lambda: launch_route(runner, logits, 1, None, torch.zeros(6, dtype=torch.int32), False, False), r"last_T as int32 \(6\)"),
        (lambda: launch_update(runner, eight, [torch.randn(4)], eight, eight, [], Hyper(lr=0.1)), r"gradients\[0\] as float32 \(4\)"),
        (lambda: launch_statistics(runner, [torch.empty(3, device="meta")]), "on meta; it takes .* on cpu"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_lazily_negated_tensor_goes_out_as_its_numbers(cache: Path, host_compiler: str) -> None:
    stats = launch_statistics(Emulator(folder=cache), [torch._neg_view(torch.tensor([1.0, 2.0]))])
    assert stats.values_P5[0, 0] == -3.0
