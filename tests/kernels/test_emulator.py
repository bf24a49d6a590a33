"""The emulator keeps the rules of the machine: barriers, shuffles, order, half precision; what breaks them is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kernels.emulator.emulator import ORDERS, EmulationError, Emulator, Order
from kernels.kernel import kernel


def emulate(
    source: str, cache: Path, out: Tensor, *arguments: object, order: Order = "forward", grid: int = 1, shared: int = 0, deleted: int = -1
) -> Tensor:
    """Run the entry `test` of a text with 64 threads; its first argument is `out`."""
    toy = replace(kernel("tensor_stats"), name="toy", entries={"test": 64})
    runner = Emulator(source=f'#include "common.cuh"\n{source}', folder=cache, order=order, deleted=deleted)
    runner.launch(toy, "test", grid, 64, [out, *arguments], shared)
    return out


ints = lambda n=64: torch.zeros(n, dtype=torch.int32)  # noqa: E731


def test_threads_meet_at_barriers_and_see_what_others_wrote(cache: Path, host_compiler: str) -> None:
    source = """__global__ void test(int* out, i64 add) {
        __shared__ int shared[64];
        shared[threadIdx.x] = int(threadIdx.x + add);
        __syncthreads();
        out[threadIdx.x] = shared[63 - threadIdx.x];
    }"""
    for order in ORDERS:
        assert emulate(source, cache, ints(), 5, order=order).tolist() == [68 - i for i in range(64)]


def test_a_missing_barrier_shows_as_a_difference_between_the_orders(cache: Path, host_compiler: str) -> None:
    source = """__global__ void test(int* out) {
        __shared__ int shared[64];
        shared[threadIdx.x] = int(threadIdx.x) + 1 + int(gridDim.x);
        out[threadIdx.x] = shared[63 - threadIdx.x];
        __syncthreads();
        shared[threadIdx.x] = 0;
    }"""
    assert not torch.equal(emulate(source, cache, ints()), emulate(source, cache, ints(), order="reverse"))


def test_warps_drift_as_far_apart_as_a_barrier_lets_them(cache: Path, host_compiler: str) -> None:
    """In step, all threads write before the second shuffle ends; only a warp that runs ahead reads what the other has not written."""
    source = """__global__ void test(int* out) {
        __shared__ int shared[2];
        if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = 7;
        int steps = __shfl_xor_sync(FULL_WARP, 1, 1);
        steps += __shfl_xor_sync(FULL_WARP, 1, 1);
        out[threadIdx.x] = shared[1 - threadIdx.x / 32] * (steps / 2);
    }"""
    in_step, reverse, apart = (emulate(source, cache, ints(), order=order).tolist() for order in ORDERS)
    assert in_step == reverse == [7] * 64
    assert apart == [-1] * 32 + [7] * 32


def test_static_shared_memory_is_poisoned_in_every_block_and_launch(cache: Path, host_compiler: str) -> None:
    source = """__global__ void test(int* out) {
        __shared__ int whole;
        if (threadIdx.x == 0) out[blockIdx.x] = whole, whole = 5;
    }"""
    for _ in range(2):
        assert emulate(source, cache, ints(2), grid=2).tolist() == [-1, -1]


def test_a_barrier_is_deleted_by_its_line(cache: Path, host_compiler: str) -> None:
    source = """__global__ void test(int* out) {
        __shared__ int shared[64];
        shared[threadIdx.x] = 3;
        __syncthreads();
        out[threadIdx.x] = shared[63 - threadIdx.x];
    }"""
    assert emulate(source, cache, ints()).tolist() == [3] * 64
    assert -1 in emulate(source, cache, ints(), deleted=5).tolist()
    assert emulate(source, cache, ints()).tolist() == [3] * 64, "and stands again in the next launch"


def test_a_barrier_in_a_divergent_branch_is_refused(cache: Path, host_compiler: str) -> None:
    source = "__global__ void test(int* out) { if (threadIdx.x < 40) __syncthreads(); out[threadIdx.x] = 1; }"
    with pytest.raises(EmulationError, match="divergent barrier"):
        emulate(source, cache, ints())
    source = "__global__ void test(int* out) {\nif (threadIdx.x < 40) __syncthreads();\nelse __syncthreads();\n}"
    with pytest.raises(EmulationError, match="barriers of lines"):
        emulate(source, cache, ints())


def test_a_shuffle_without_all_its_lanes_is_refused(cache: Path, host_compiler: str) -> None:
    source = "__global__ void test(int* out) { if (threadIdx.x != 7) out[threadIdx.x] = __shfl_xor_sync(FULL_WARP, 1, 1); }"
    with pytest.raises(EmulationError, match="never come"):
        emulate(source, cache, ints())
    source = "__global__ void test(int* out) { out[threadIdx.x] = __shfl_xor_sync(0xffffu, 1, 1); }"
    with pytest.raises(EmulationError, match="some lanes"):
        emulate(source, cache, ints())


def test_shuffles_ballots_and_matches_tell_what_the_hardware_tells(cache: Path, host_compiler: str) -> None:
    source = """__global__ void test(int* out) {
        int lane = threadIdx.x % 32, x = int(threadIdx.x) * 3;
        out[threadIdx.x] = __shfl_xor_sync(FULL_WARP, x, 5);
        out[64 + threadIdx.x] = __shfl_sync(FULL_WARP, x, 9);
        out[128 + threadIdx.x] = __shfl_up_sync(FULL_WARP, x, 2);
        out[192 + threadIdx.x] = int(__ballot_sync(FULL_WARP, lane % 3 == 0));
        out[256 + threadIdx.x] = __popc(__match_any_sync(FULL_WARP, lane % 5));
        out[320 + threadIdx.x] = warp_sum(x);
        out[384 + threadIdx.x] = warp_max(x % 31);
    }"""
    for order in ORDERS:
        out = emulate(source, cache, ints(7 * 64), order=order).view(7, 2, 32)
        x = torch.arange(64).view(2, 32) * 3
        lane = torch.arange(32)
        assert torch.equal(out[0], x[:, lane ^ 5].int())
        assert torch.equal(out[1], x[:, [9] * 32].int())
        assert torch.equal(out[2], x[:, torch.where(lane < 2, lane, lane - 2)].int())
        assert {v & 0xFFFFFFFF for v in out[3].flatten().tolist()} == {sum(1 << i for i in range(0, 32, 3))}
        assert out[4][0].tolist() == [7 if i % 5 < 2 else 6 for i in range(32)]
        assert torch.equal(out[5], x.sum(1, keepdim=True).expand(2, 32).int())
        assert torch.equal(out[6], (x % 31).max(1, keepdim=True).values.expand(2, 32).int())


def test_dynamic_shared_memory_starts_as_nan_in_every_block(cache: Path, host_compiler: str) -> None:
    source = """__global__ void test(float* out) {
        DYNAMIC_SHARED(float, room);
        out[blockIdx.x * 64 + threadIdx.x] = room[threadIdx.x];
        room[threadIdx.x] = 1.0f;
    }"""
    assert emulate(source, cache, torch.zeros(128), grid=2, shared=256).isnan().all()


def test_half_and_bfloat16_are_those_of_torch_bit_for_bit(cache: Path, host_compiler: str) -> None:
    source = """__global__ void test(float* out, const f16* half, const bf16* brain, f16* to_half, bf16* to_brain,
                                         const float* wide, i64 n) {
        for (int i = threadIdx.x; i < 65536; i += 64) out[i] = to_float(half[i]), out[65536 + i] = to_float(brain[i]);
        for (int i = threadIdx.x; i < n; i += 64) store(to_half + i, wide[i]), store(to_brain + i, wide[i]);
    }"""
    bits = torch.arange(-32768, 32768, dtype=torch.int32).to(torch.int16)
    half, brain = bits.view(torch.float16), bits.view(torch.bfloat16)
    seeded = torch.Generator().manual_seed(0)
    random = torch.randint(-(2**31), 2**31 - 1, (50_000,), generator=seeded).to(torch.int32).view(torch.float32)
    edges = torch.tensor([65504.0, 65519.9, 65520.0, 2.0**-24, 2.0**-25, 1.0001 * 2.0**-25, 2.0**-14, 6.1e-5, 0.0, -0.0, 1.5 * 2.0**-24])
    wide = torch.cat([random, edges, -edges, half.float(), half.float() * (1 + 2.0**-11)])
    to_half, to_brain = torch.zeros(len(wide), dtype=torch.float16), torch.zeros(len(wide), dtype=torch.bfloat16)
    out = emulate(source, cache, torch.zeros(131072), half, brain, to_half, to_brain, wide, len(wide)).view(2, -1)
    torch.testing.assert_close(out, torch.stack([half.float(), brain.float()]), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(to_half, wide.half(), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(to_brain, wide.bfloat16(), rtol=0, atol=0, equal_nan=True)
    zero = wide == 0
    assert torch.equal(torch.signbit(to_half[zero]), torch.signbit(wide[zero]))
