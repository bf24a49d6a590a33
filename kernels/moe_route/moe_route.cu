// moe_route: everything a router of a Mixture of Experts does with its logits, in one pass; and the stable sort of tokens by expert.
//
//     s = softmax(l) or sigmoid(l);   chosen = top k of s + b, the lowest expert first among equals (b chooses, it does not weigh)
//     w = s[chosen], or divided by their sum;   z = log sum exp l;   H = -sum p log p, p = softmax(l);   margin = best - second of s + b
//
// Plan.  One warp per token, experts across its lanes: lane i holds experts i, i + 32, …, PER_LANE of them in registers.  Softmax,
// entropy and log-sum-exp are two warp reductions.  The k choices are k rounds of "largest of the warp" on a 64-bit key that
// holds the ordered score above and the inverted expert number below, so that a tie is decided by the key and by nothing else.
// The load of the experts is counted in shared memory and merged by whole-number atomics.  The backward pass needs no saved
// matrix: it makes s and p again from the logits.
//
// Sorting A = T k assignments by expert: count per tile of 1024, scan (one block), place.  Within a tile a warp finds the rank
// of an assignment with match_any; so equal experts keep their order, as argsort(stable=True), without comparing anything.
//
// Floor: T E logits read and T (E + 2 k + 4) results written; the peers make eight to twelve launches of it.
#include "common.cuh"

constexpr int THREADS = 256, WARPS = THREADS / 32, TILE = 1024, MOST_EXPERTS = 256;

__device__ inline u64 key(float score, int expert) {  // whole numbers in the order of the scores; NaN counts as the largest
    u32 bits = __float_as_uint(score);
    bits = (bits & 0x7fffffffu) > INFINITE_BITS ? 0xffffffffu : bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return u64(bits) << 32 | u64(0xffffffffu - u32(expert));
}
__device__ inline int expert_of(u64 key) { return int(0xffffffffu - u32(key)); }

template <int PER_LANE> struct Row { float logit[PER_LANE], largest, logsumexp; };

template <int PER_LANE> __device__ inline Row<PER_LANE> read(const float* logits, int experts) {
    Row<PER_LANE> row;
    float largest = -infinity(), sum = 0.0f;
    bool nan = false;
#pragma unroll
    for (int j = 0; j < PER_LANE; ++j) {
        int e = threadIdx.x % 32 + 32 * j;
        row.logit[j] = e < experts ? logits[e] : -infinity();
        largest = fmaxf(largest, row.logit[j]);
    }
    row.largest = warp_max(largest);
#pragma unroll
    for (int j = 0; j < PER_LANE; ++j) sum += threadIdx.x % 32 + 32 * j < experts ? expf(row.logit[j] - row.largest) : 0.0f;
    row.logsumexp = row.largest + logf(warp_sum(sum));  // NaN where any logit is
    return row;
}

// grid: tokens / WARPS; block: THREADS.  bias, last: null where there is none; last[t]: the expert that token t chose at its last visit, -1
// before the first.  counts: E zeros; changed: one zero.
template <int PER_LANE>
__global__ void __launch_bounds__(THREADS)
    route(const float* logits, const float* bias, i64 tokens, i64 experts, i64 k, i64 sigmoid, i64 renormalise, float* scores, i64* chosen,
          float* weights, float* logsumexp, float* entropy, float* margin, u64* counts, const i64* last, u64* changed) {
    __shared__ u32 load[MOST_EXPERTS];
    for (int e = threadIdx.x; e < experts; e += THREADS) load[e] = 0;
    __syncthreads();
    const int lane = threadIdx.x % 32;
    const i64 t = i64(blockIdx.x) * WARPS + threadIdx.x / 32;
    if (t < tokens) {  // the same for all lanes of a warp
        Row<PER_LANE> row = read<PER_LANE>(logits + t * experts, int(experts));
        float score[PER_LANE], disorder = 0.0f;
        u64 keys[PER_LANE];
#pragma unroll
        for (int j = 0; j < PER_LANE; ++j) {
            int e = lane + 32 * j;
            bool there = e < experts;
            float log_p = row.logit[j] - row.logsumexp, p = expf(log_p);
            score[j] = sigmoid ? 1.0f / (1.0f + expf(-row.logit[j])) : p;
            if (there) scores[t * experts + e] = score[j];
            disorder += there && p != 0.0f ? -p * log_p : 0.0f;
            keys[j] = there ? key(score[j] + (bias ? bias[e] : 0.0f), e) : 0;
        }
        disorder = warp_sum(disorder);
        float first = 0.0f, second = 0.0f, total = 0.0f, mine = 0.0f;
        for (int i = 0; i < k || i < 2; ++i) {  // one round more than k = 1 for the margin
            u64 best = 0;
#pragma unroll
            for (int j = 0; j < PER_LANE; ++j) best = keys[j] > best ? keys[j] : best;
            best = warp_max(best);
            int e = expert_of(best);
            float here = 0.0f;
#pragma unroll
            for (int j = 0; j < PER_LANE; ++j)
                if (keys[j] == best && best) here = score[j], keys[j] = 0;
            float s = warp_sum(here);
            float ranked = best ? s + (bias ? bias[e] : 0.0f) : 0.0f;
            if (i == 0) first = ranked;
            if (i == 1) second = ranked;
            if (i < k) {
                total += s;
                if (lane == i) mine = s;
                if (lane == 0) {
                    chosen[t * k + i] = e;
                    atomicAdd(&load[e], 1u);
                    if (i == 0 && last && last[t] >= 0 && last[t] != e) atomicAdd(changed, u64(1));
                }
            }
        }
        if (lane < k) weights[t * k + lane] = renormalise ? mine / total : mine;
        if (lane == 0) logsumexp[t] = row.logsumexp, entropy[t] = disorder, margin[t] = first - second;
    }
    __syncthreads();
    for (int e = threadIdx.x; e < experts; e += THREADS)
        if (load[e]) atomicAdd(&counts[e], u64(load[e]));
}

// Gradient of the logits from those of scores, weights and logsumexp; the choice itself has none.
template <int PER_LANE>
__global__ void __launch_bounds__(THREADS)
    route_backward(const float* logits, i64 tokens, i64 experts, i64 k, i64 sigmoid, i64 renormalise, const i64* chosen, const float* d_scores,
                   const float* d_weights, const float* d_logsumexp, float* d_logits) {
    const int lane = threadIdx.x % 32;
    const i64 t = i64(blockIdx.x) * WARPS + threadIdx.x / 32;
    if (t >= tokens) return;
    Row<PER_LANE> row = read<PER_LANE>(logits + t * experts, int(experts));
    float p[PER_LANE], score[PER_LANE], d[PER_LANE];
#pragma unroll
    for (int j = 0; j < PER_LANE; ++j) {
        int e = lane + 32 * j;
        p[j] = expf(row.logit[j] - row.logsumexp);
        score[j] = sigmoid ? 1.0f / (1.0f + expf(-row.logit[j])) : p[j];
        d[j] = e < experts ? d_scores[t * experts + e] : 0.0f;
    }
    float total = 0.0f, dot = 0.0f;
    if (renormalise) {
        for (int i = 0; i < k; ++i) {
            i64 e = chosen[t * k + i];
#pragma unroll
            for (int j = 0; j < PER_LANE; ++j)
                if (e == lane + 32 * j) total += score[j], dot += score[j] * d_weights[t * k + i];
        }
        total = warp_sum(total), dot = warp_sum(dot);
    }
    for (int i = 0; i < k; ++i) {
        i64 e = chosen[t * k + i];
        float g = d_weights[t * k + i];
#pragma unroll
        for (int j = 0; j < PER_LANE; ++j)
            if (e == lane + 32 * j) d[j] += renormalise ? (g - dot / total) / total : g;
    }
    float mean = 0.0f;
#pragma unroll
    for (int j = 0; j < PER_LANE; ++j) mean += lane + 32 * j < experts ? p[j] * d[j] : 0.0f;
    mean = sigmoid ? 0.0f : warp_sum(mean);
    const float dz = d_logsumexp[t];
#pragma unroll
    for (int j = 0; j < PER_LANE; ++j) {
        int e = lane + 32 * j;
        if (e < experts) d_logits[t * experts + e] = (sigmoid ? score[j] * (1.0f - score[j]) * d[j] : p[j] * (d[j] - mean)) + p[j] * dz;
    }
}

// -- sorting by expert: count, scan, place ---------------------------------------------------------
// grid: tiles; block: THREADS.  tile_counts: tiles x E.
__global__ void __launch_bounds__(THREADS) sort_count(const i64* chosen, i64 assignments, i64 experts, u32* tile_counts) {
    __shared__ u32 load[MOST_EXPERTS];
    for (int e = threadIdx.x; e < experts; e += THREADS) load[e] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < TILE; i += THREADS) {
        i64 a = i64(blockIdx.x) * TILE + i;
        if (a < assignments) atomicAdd(&load[chosen[a]], 1u);
    }
    __syncthreads();
    for (int e = threadIdx.x; e < experts; e += THREADS) tile_counts[i64(blockIdx.x) * experts + e] = load[e];
}

// One block; thread e owns expert e.  tile_counts becomes where each tile's first assignment to each expert goes; starts: E + 1.
__global__ void __launch_bounds__(THREADS) sort_scan(u32* tile_counts, i64 tiles, i64 experts, i64* starts) {
    __shared__ i64 totals[MOST_EXPERTS];
    const int e = threadIdx.x;
    i64 total = 0;
    if (e < experts)
        for (i64 tile = 0; tile < tiles; ++tile) total += tile_counts[tile * experts + e];
    totals[e] = total;
    __syncthreads();
    i64 before = 0;
    for (int other = 0; other < e && other < experts; ++other) before += totals[other];
    if (e < experts) {
        starts[e] = before;
        if (e == experts - 1) starts[experts] = before + total;
        for (i64 tile = 0; tile < tiles; ++tile) {
            u32 here = tile_counts[tile * experts + e];
            tile_counts[tile * experts + e] = u32(before);
            before += here;
        }
    }
}

// grid: tiles; block: THREADS.  to: where assignment a goes; from: its inverse.
__global__ void __launch_bounds__(THREADS)
    sort_place(const i64* chosen, i64 assignments, i64 experts, const u32* tile_starts, i64* to, i64* from) {
    __shared__ u32 next[MOST_EXPERTS];
    __shared__ u32 of_warp[WARPS][MOST_EXPERTS];
    static_assert(MOST_EXPERTS == THREADS, "thread x clears and adds up column x alone, so no barrier stands between the two");
    for (int e = threadIdx.x; e < experts; e += THREADS) next[e] = tile_starts[i64(blockIdx.x) * experts + e];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int begin = 0; begin < TILE; begin += THREADS) {
        for (int i = threadIdx.x; i < WARPS * MOST_EXPERTS; i += THREADS) of_warp[i / MOST_EXPERTS][i % MOST_EXPERTS] = 0;
        __syncthreads();
        const i64 a = i64(blockIdx.x) * TILE + begin + threadIdx.x;
        const int e = a < assignments ? int(chosen[a]) : MOST_EXPERTS;  // those beyond the end match one another only
        const u32 same = __match_any_sync(FULL_WARP, e);
        const u32 before = __popc(same & ((1u << lane) - 1u));
        if (e < MOST_EXPERTS && before == 0) of_warp[warp][e] = __popc(same);
        __syncthreads();
        if (e < MOST_EXPERTS) {
            u32 place = next[e] + before;
            for (int w = 0; w < warp; ++w) place += of_warp[w][e];
            to[a] = place;
            from[place] = a;
        }
        __syncthreads();
        for (int x = threadIdx.x; x < experts; x += THREADS)
            for (int w = 0; w < WARPS; ++w) next[x] += of_warp[w][x];
    }
}
