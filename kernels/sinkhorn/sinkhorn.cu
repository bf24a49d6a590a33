// sinkhorn: potentials f, g with which P = exp(S + f + g) has rows of sum 1 and columns of sum c = T / E, in the log domain.
//
//     f_t <- -log sum_e exp(S_te + g_e)                 (rows are exact after it)
//     error <- max_e |sum_t exp(S_te + f_t + g_e) - c| / c
//     g_e <- log c - log sum_t exp(S_te + f_t)          (columns are exact after it)
//
// Every sum of exponentials carries its maximum, so scores of any size neither overflow nor vanish.
//
// Small problems (S in shared memory): one block does all iterations on chip, one launch in all.
// Large ones stream, two launches per iteration.  `rows` gives a block ROWS rows: a warp finds f of a row, then threads own columns and
// fold the tile's rows into one (maximum, sum) pair per column while they are still in the cache; S is read from memory once.
// `columns` folds the pairs of all tiles, in their order.  Nothing is added in an order that could change.
//
// Backward, in closed form, iterations in reverse.  With A = exp(S + f_k + g_(k-1)) (its rows sum to 1) and B = exp(S + f_k + g_k) / c
// (its columns sum to 1):   dS -= B dg_k;  df_k -= B dg_k;   dS -= A df_k;   dg_(k-1) = -A^T df_k.
//
// Floor: small, S once; large, S once per iteration.  Peers need six to eight launches per iteration.
#include "common.cuh"

constexpr int THREADS = 256, WARPS = THREADS / 32, ROWS = 32;

struct Mass { float largest, sum; };  // sum of exponentials is sum * exp(largest)

__device__ inline Mass add(Mass a, Mass b) {
    if (b.sum == 0.0f) return a;
    if (a.sum == 0.0f) return b;
    float largest = fmaxf(a.largest, b.largest);
    return {largest, a.sum * expf(a.largest - largest) + b.sum * expf(b.largest - largest)};
}
__device__ inline Mass one(float x) { return x == -infinity() ? Mass{x, 0.0f} : Mass{x, 1.0f}; }
__device__ inline float logarithm(Mass m) { return m.sum == 0.0f ? -infinity() : m.largest + logf(m.sum); }
__device__ inline Mass warp_mass(Mass m) {
#pragma unroll
    for (int step = 16; step; step /= 2) {
        Mass other = {__shfl_xor_sync(FULL_WARP, m.largest, step), __shfl_xor_sync(FULL_WARP, m.sum, step)};
        m = threadIdx.x % 32 & step ? add(other, m) : add(m, other);  // both lanes add in the same order
    }
    return m;
}

// What the sum of a column says: its relative error before g moves, and the new g.
__device__ inline float moved(Mass column, float g, float log_c, float* error) {
    float total = logarithm(column);
    *error = fabsf(expf(total + g - log_c) - 1.0f);
    return log_c - total;
}

// NaN is the largest of all.
__device__ inline float worse(float a, float b) { return a != a || b != b ? a + b : fmaxf(a, b); }

// One block; dynamic shared: T E scores, T potentials f, E potentials g, WARPS errors.  g begins at 0.
// fs: K x T, gs: (K + 1) x E, errors: K.
__global__ void __launch_bounds__(THREADS)
    sinkhorn_small(const float* scores, i64 T, i64 E, i64 iterations, float log_c, float* fs, float* gs, float* errors) {
    DYNAMIC_SHARED(float, s);
    float *f = s + T * E, *g = f + T, *worst = g + E;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (i64 i = threadIdx.x; i < T * E; i += THREADS) s[i] = scores[i];
    for (i64 e = threadIdx.x; e < E; e += THREADS) g[e] = 0.0f, gs[e] = 0.0f;
    __syncthreads();
    for (i64 k = 0; k < iterations; ++k) {
        for (i64 t = warp; t < T; t += WARPS) {
            Mass row = {-infinity(), 0.0f};
            for (i64 e = lane; e < E; e += 32) row = add(row, one(s[t * E + e] + g[e]));
            row = warp_mass(row);
            if (lane == 0) f[t] = -logarithm(row), fs[k * T + t] = -logarithm(row);
        }
        __syncthreads();
        float error = 0.0f;
        for (i64 e = warp; e < E; e += WARPS) {  // a warp per column, lanes along its rows
            Mass column = {-infinity(), 0.0f};
            for (i64 t = lane; t < T; t += 32) column = add(column, one(s[t * E + e] + f[t]));
            column = warp_mass(column);
            if (lane == 0) {  // alone: no other lane reads g[e] while it changes
                float its_error;
                g[e] = gs[(k + 1) * E + e] = moved(column, g[e], log_c, &its_error);
                error = worse(error, its_error);
            }
        }
        if (lane == 0) worst[warp] = error;
        __syncthreads();
        if (threadIdx.x == 0) {
            for (int w = 1; w < WARPS; ++w) error = worse(error, worst[w]);
            errors[k] = error;
        }
    }
}

// grid: tiles of ROWS rows; block: THREADS.  parts: tiles x E pairs.
__global__ void __launch_bounds__(THREADS) sinkhorn_rows(const float* scores, i64 T, i64 E, const float* g, float* f, float2* parts) {
    __shared__ float tile_f[ROWS];
    const int lane = threadIdx.x % 32;
    const i64 begin = i64(blockIdx.x) * ROWS;
    const int rows = T - begin < ROWS ? int(T - begin) : ROWS;
    for (int r = threadIdx.x / 32; r < rows; r += WARPS) {
        const float* s = scores + (begin + r) * E;
        Mass row = {-infinity(), 0.0f};
        for (i64 e = lane; e < E; e += 32) row = add(row, one(s[e] + g[e]));
        row = warp_mass(row);
        if (lane == 0) tile_f[r] = -logarithm(row), f[begin + r] = tile_f[r];
    }
    __syncthreads();
    for (i64 e = threadIdx.x; e < E; e += THREADS) {
        Mass column = {-infinity(), 0.0f};
        for (int r = 0; r < rows; ++r) column = add(column, one(scores[(begin + r) * E + e] + tile_f[r]));
        parts[i64(blockIdx.x) * E + e] = make_float2(column.largest, column.sum);
    }
}

// grid: columns / WARPS; block: THREADS; a warp per column.  column_errors: E.
__global__ void __launch_bounds__(THREADS)
    sinkhorn_columns(const float2* parts, i64 tiles, i64 E, float log_c, const float* g, float* next, float* column_errors) {
    const int lane = threadIdx.x % 32;
    const i64 e = i64(blockIdx.x) * WARPS + threadIdx.x / 32;
    if (e >= E) return;
    Mass column = {-infinity(), 0.0f};
    for (i64 i = lane; i < tiles; i += 32) {
        float2 part = parts[i * E + e];
        column = add(column, Mass{part.x, part.y});
    }
    column = warp_mass(column);
    float error;
    float moved_to = moved(column, g[e], log_c, &error);
    if (lane == 0) next[e] = moved_to, column_errors[e] = error;
}

// One iteration backwards.  grid: tiles; block: THREADS.  f, g, before: potentials f_k, g_k, g_(k-1).  d_f: of f_k from outside, or null.
// d_scores is added to; parts: tiles x E sums of A df over the tile's rows.
__global__ void __launch_bounds__(THREADS)
    sinkhorn_backward(const float* scores, i64 T, i64 E, float log_c, const float* f, const float* g, const float* before, const float* d_f,
                      const float* d_g, float* d_scores, float* parts) {
    __shared__ float tile_d[ROWS], tile_f[ROWS];
    const int lane = threadIdx.x % 32;
    const i64 begin = i64(blockIdx.x) * ROWS;
    const int rows = T - begin < ROWS ? int(T - begin) : ROWS;
    for (int r = threadIdx.x / 32; r < rows; r += WARPS) {
        const float* s = scores + (begin + r) * E;
        const float f_t = f[begin + r];
        float sum = 0.0f;
        for (i64 e = lane; e < E; e += 32) sum += expf(s[e] + f_t + g[e] - log_c) * d_g[e];
        sum = warp_sum(sum);
        if (lane == 0) tile_f[r] = f_t, tile_d[r] = (d_f ? d_f[begin + r] : 0.0f) - sum;
    }
    __syncthreads();
    for (i64 e = threadIdx.x; e < E; e += THREADS) {
        float total = 0.0f;
        for (int r = 0; r < rows; ++r) {
            const i64 at = (begin + r) * E + e;
            const float base = scores[at] + tile_f[r];
            const float a = expf(base + before[e]) * tile_d[r];
            d_scores[at] -= expf(base + g[e] - log_c) * d_g[e] + a;
            total += a;
        }
        parts[i64(blockIdx.x) * E + e] = total;
    }
}

// grid: columns / WARPS; block: THREADS.  d_before = minus the sum of all tiles.
__global__ void __launch_bounds__(THREADS) sinkhorn_backward_columns(const float* parts, i64 tiles, i64 E, float* d_before) {
    const int lane = threadIdx.x % 32;
    const i64 e = i64(blockIdx.x) * WARPS + threadIdx.x / 32;
    if (e >= E) return;
    float sum = 0.0f;
    for (i64 i = lane; i < tiles; i += 32) sum += parts[i * E + e];
    sum = warp_sum(sum);
    if (lane == 0) d_before[e] = -sum;
}
