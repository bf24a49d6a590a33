// spam_adam: one pass of spike-aware Adam over any number of parameters, with zero to two moving averages of the weights.
//
//     g  <- sign(g) sqrt(theta v)   where g^2 > theta v, v from before the step        (spike clipping; counted)
//     m  <- m + (1 - b1) (g - m),   v <- b2 v + (1 - b2) g^2                             (both begin at 0 after a reset)
//     w  <- w (1 - lr decay) - lr scale (m / c1) / (sqrt(v) / sqrt(c2) + eps)            (c1, c2: bias corrections)
//     a  <- a + (1 - ba) (w - a)    for each average
//
// With theta = 0 (no clipping), scale = 1 and no reset it is AdamW.
//
// Plan.  Tensors are cut into chunks of 16 Ki numbers, one block each.  A thread owns four neighbours at a time and keeps w, g, m and v of
// them in registers between the one read and the one write: 16-byte accesses where all pointers allow it, single numbers at the
// ends and for views off a 16-byte boundary.  The averages ride along: the new weight is already in a register.  The clip
// count is a sum over the warp, then one atomic per warp on a 64-bit whole number, so it does not depend on the order.
//
// Floor: read w, g, m, v and write w, m, v = 28 bytes per fp32 parameter; 8 more per average.  After a reset m and v are not read.
#include "common.cuh"

constexpr int THREADS = 256, CHUNK = 16384, AT_ONCE = 4;

struct Segment { u64 weight, gradient, m, v, average0, average1, count; };
struct Chunk { u32 tensor, index; };
struct Step {  // by value; the same order in spam_adam.py
    float lr, beta1, beta2, eps, decay, theta, scale, correction1, root_correction2, average_rate0, average_rate1;
    int fresh;
};

struct Numbers { float w, g, m, v, average[2]; };

template <int AVERAGES> __device__ inline u32 update(Numbers& x, const Step& s) {
    float m = s.fresh ? 0.0f : x.m, v = s.fresh ? 0.0f : x.v, g = x.g;
    u32 clipped = 0;
    if (s.theta > 0.0f) {
        float limit = s.theta * v;
        clipped = g * g > limit;  // false for NaN: what is not a number is never hidden
        if (clipped) g = copysignf(sqrtf(limit), g);
    }
    x.m = m + (1.0f - s.beta1) * (g - m);
    x.v = s.beta2 * v + (1.0f - s.beta2) * g * g;
    x.w -= s.lr * s.decay * x.w;
    x.w -= s.lr * s.scale / s.correction1 * x.m / (sqrtf(x.v) / s.root_correction2 + s.eps);
    if (AVERAGES > 0) x.average[0] += s.average_rate0 * (x.w - x.average[0]);
    if (AVERAGES > 1) x.average[1] += s.average_rate1 * (x.w - x.average[1]);
    return clipped;
}

__device__ inline void four(float (&out)[4], const float* p) { unpack(*reinterpret_cast<const uint4*>(p), out, 0.0f); }
template <class G> __device__ inline void four(float (&out)[4], const G* p) {
    const uint2 raw = *reinterpret_cast<const uint2*>(p);
    out[0] = to_float(G{u16(raw.x)}), out[1] = to_float(G{u16(raw.x >> 16)});
    out[2] = to_float(G{u16(raw.y)}), out[3] = to_float(G{u16(raw.y >> 16)});
}
__device__ inline void put(float* p, const float (&x)[4]) { *reinterpret_cast<float4*>(p) = make_float4(x[0], x[1], x[2], x[3]); }

// grid: chunks; block: THREADS.  clipped: one 64-bit counter, added to.
template <class G, int AVERAGES>
__global__ void __launch_bounds__(THREADS) spam_adam(const Segment* segments, const Chunk* chunks, Step step, u64* clipped) {
    const Chunk chunk = chunks[blockIdx.x];
    const Segment segment = segments[chunk.tensor];
    const i64 begin = i64(chunk.index) * CHUNK;
    const int count = segment.count - begin < CHUNK ? int(segment.count - begin) : CHUNK;
    float* w = reinterpret_cast<float*>(segment.weight) + begin;
    const G* g = reinterpret_cast<const G*>(segment.gradient) + begin;
    float* m = reinterpret_cast<float*>(segment.m) + begin;
    float* v = reinterpret_cast<float*>(segment.v) + begin;
    float* averages[2] = {reinterpret_cast<float*>(segment.average0) + begin, reinterpret_cast<float*>(segment.average1) + begin};

    u64 together = segment.weight | segment.gradient * (4 / sizeof(G)) | segment.m | segment.v;
    if (AVERAGES > 0) together |= segment.average0;
    if (AVERAGES > 1) together |= segment.average1;
    const int quads = together & 15u ? 0 : count / AT_ONCE;
    u32 spikes = 0;
    for (int i = threadIdx.x; i < quads; i += THREADS) {
        float a[4], b[4], c[4] = {}, d[4] = {}, e[2][4];
        four(a, w + 4 * i), four(b, g + 4 * i);
        if (!step.fresh) four(c, m + 4 * i), four(d, v + 4 * i);
        if (AVERAGES > 0) four(e[0], averages[0] + 4 * i);
        if (AVERAGES > 1) four(e[1], averages[1] + 4 * i);
#pragma unroll
        for (int k = 0; k < AT_ONCE; ++k) {
            Numbers x{a[k], b[k], c[k], d[k], {AVERAGES > 0 ? e[0][k] : 0.0f, AVERAGES > 1 ? e[1][k] : 0.0f}};
            spikes += update<AVERAGES>(x, step);
            a[k] = x.w, c[k] = x.m, d[k] = x.v;
            if (AVERAGES > 0) e[0][k] = x.average[0];
            if (AVERAGES > 1) e[1][k] = x.average[1];
        }
        put(w + 4 * i, a), put(m + 4 * i, c), put(v + 4 * i, d);
        if (AVERAGES > 0) put(averages[0] + 4 * i, e[0]);
        if (AVERAGES > 1) put(averages[1] + 4 * i, e[1]);
    }
    for (int i = quads * AT_ONCE + threadIdx.x; i < count; i += THREADS) {
        Numbers x{w[i], to_float(g[i]), m[i], v[i], {AVERAGES > 0 ? averages[0][i] : 0.0f, AVERAGES > 1 ? averages[1][i] : 0.0f}};
        spikes += update<AVERAGES>(x, step);
        w[i] = x.w, m[i] = x.m, v[i] = x.v;
        if (AVERAGES > 0) averages[0][i] = x.average[0];
        if (AVERAGES > 1) averages[1][i] = x.average[1];
    }
    spikes = warp_sum(spikes);
    if (threadIdx.x % 32 == 0 && spikes) atomicAdd(clipped, u64(spikes));
}
