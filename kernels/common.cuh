// The vocabulary of all kernels: short integer names, three number formats, loads of 16 bytes, sums over a warp and a block.
//
// Device code only, no host code and no launch syntax: NVRTC compiles a file for a GPU, g++ compiles the same file against
// emulator/emulator.h for a CPU.  Nothing is included but cuda_fp16.h, which every CUDA build of torch brings along.
#pragma once

#ifndef FAULTLINE_EMULATOR
#include <cuda_fp16.h>
// Shared memory whose size the launch decides, as an array of `type` called `name`.
#define DYNAMIC_SHARED(type, name)                             \
    extern __shared__ __align__(16) unsigned char name##_raw[]; \
    type* name = reinterpret_cast<type*>(name##_raw)
#endif

using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i64 = long long;

constexpr u32 FULL_WARP = 0xffffffffu;
constexpr u32 INFINITE_BITS = 0x7f800000u;  // above it, as an integer, lie the NaNs

__device__ inline float infinity() { return __uint_as_float(INFINITE_BITS); }

// -- number formats: what a tensor stores; arithmetic is in fp32 ---------------------------------
struct f16 { u16 bits; };
struct bf16 { u16 bits; };

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(bf16 x) { return __uint_as_float(u32(x.bits) << 16); }
__device__ inline float to_float(f16 x) { return __half2float(__ushort_as_half(x.bits)); }

__device__ inline void store(float* to, float x) { *to = x; }
__device__ inline void store(f16* to, float x) { to->bits = __half_as_ushort(__float2half_rn(x)); }
__device__ inline void store(bf16* to, float x) {  // round to nearest, ties to even; a NaN stays one
    u32 bits = __float_as_uint(x);
    bool nan = (bits & 0x7fffffffu) > INFINITE_BITS;
    to->bits = nan ? u16(0x7fc0u) : u16((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

__device__ inline bool aligned16(const void* p) { return (reinterpret_cast<u64>(p) & 15u) == 0; }

// 16 bytes as their numbers: 4 of fp32, 8 of the 16-bit formats.
template <class T> struct Pack { static constexpr int SIZE = 16 / sizeof(T); };
__device__ inline void unpack(uint4 raw, float (&out)[4], float) {
    out[0] = __uint_as_float(raw.x), out[1] = __uint_as_float(raw.y), out[2] = __uint_as_float(raw.z), out[3] = __uint_as_float(raw.w);
}
template <class T> __device__ inline void unpack(uint4 raw, float (&out)[8], T) {
    const u32 words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        out[2 * i] = to_float(T{u16(words[i])});
        out[2 * i + 1] = to_float(T{u16(words[i] >> 16)});
    }
}

// -- sums and maxima over the 32 lanes of a warp; every lane gets the result -----------------------
template <class T> __device__ inline T warp_sum(T x) {
#pragma unroll
    for (int step = 16; step; step /= 2) x += __shfl_xor_sync(FULL_WARP, x, step);
    return x;
}
template <class T> __device__ inline T warp_max(T x) {
#pragma unroll
    for (int step = 16; step; step /= 2) {
        T other = __shfl_xor_sync(FULL_WARP, x, step);
        x = other > x ? other : x;
    }
    return x;
}
