// The CUDA built-ins that the kernels use, for emulator.h: barriers, shuffles, atomics, bit casts, half precision.
#pragma once

#define __syncthreads() emulator::barrier(__LINE__)
#define __syncwarp() emulator::sync_warp(__LINE__)
#define __shfl_sync(mask, value, from) emulator::shuffle(mask, value, from, __LINE__)
#define __shfl_xor_sync(mask, value, with) emulator::shuffle(mask, value, emulator::lane() ^ unsigned(with), __LINE__)
#define __shfl_up_sync(mask, value, by) \
    emulator::shuffle(mask, value, emulator::lane() < unsigned(by) ? emulator::lane() : emulator::lane() - unsigned(by), __LINE__)
#define __ballot_sync(mask, yes) emulator::ballot(mask, yes, __LINE__)
#define __match_any_sync(mask, value) emulator::match(mask, value, __LINE__)

inline void __threadfence() {}
template <class T> T __ldcs(const T* p) { return *p; }
template <class T> T __ldcg(const T* p) { return *p; }
template <class T> T __ldg(const T* p) { return *p; }
template <class T> void __stcs(T* p, T value) { *p = value; }

template <class T> T atomicAdd(T* at, T by) {  // whole numbers only: a sum of floats would depend on the order
    static_assert(T(1) / T(2) == T(0), "atomicAdd on floats is not deterministic");
    T old = *at;
    *at += by;
    return old;
}

inline float __uint_as_float(unsigned bits) {
    float out;
    memcpy(&out, &bits, 4);
    return out;
}
inline unsigned __float_as_uint(float x) {
    unsigned out;
    memcpy(&out, &x, 4);
    return out;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }

// -- half precision, bit for bit: round to nearest, ties to even -----------------------------------
struct __half { unsigned short bits; };
inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
inline unsigned short __half_as_ushort(__half h) { return h.bits; }
inline float __half2float(__half h) {
    unsigned sign = unsigned(h.bits & 0x8000u) << 16, exponent = (h.bits >> 10) & 31u, fraction = h.bits & 0x3ffu;
    if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | (fraction << 13));
    if (exponent) return __uint_as_float(sign | ((exponent + 112) << 23) | (fraction << 13));
    float tiny = float(fraction) * 0x1p-24f;  // exact
    return sign ? -tiny : tiny;
}
inline __half __float2half_rn(float x) {
    unsigned bits = __float_as_uint(x), sign = (bits >> 16) & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return {static_cast<unsigned short>(0x7fffu)};
    if (size >= 0x477ff000u) return {static_cast<unsigned short>(sign | 0x7c00u)};  // 65520 and more round to infinity
    if (size < 0x38800000u) {  // below 2^-14 the step is 2^-24: adding 1/2 lets the addition round to it
        float stepped = __uint_as_float(size) + 0.5f;
        return {static_cast<unsigned short>(sign | (__float_as_uint(stepped) - 0x3f000000u))};
    }
    unsigned rounded = size + 0xfffu + ((size >> 13) & 1u);
    return {static_cast<unsigned short>(sign | ((rounded - 0x38000000u) >> 13))};
}
