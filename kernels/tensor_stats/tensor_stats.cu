// tensor_stats: what a laboratory of instability wants to know of every tensor at every step, in one pass over memory.
//
// For each of P tensors: sum, sum of squares, largest magnitude, how many numbers are not finite, how many are zero, and on
// request how many have each power of two as their size.
//
// Plan.  A tensor is cut into chunks of 64 Ki numbers, one block per chunk, so that a launch is even however the sizes differ.
//
//     tensors    |--------------- A ---------------|-- B --|- C -|        (any number, any size, also empty, three formats)
//     chunks     [  0  ][  1  ][  2  ][  3  ][ 4 ] [  0  ]  [ 0 ]         one block of 256 threads each
//     rows       one Row per chunk in global memory, 32 bytes against 256 KiB read
//     tickets    the block that finishes a tensor last adds up the tensor's rows, in their order
//
// A thread reads 16 bytes at a time, four reads under way, past the cache (nothing is read twice), and keeps its accumulators
// in registers; the 256 of them meet by shuffles in their warp, then in shared memory.  fp32 within a thread (256 numbers and
// a few), fp64 between threads.  No floating-point atomic anywhere: the same input at the same alignment gives the same bits, whichever
// block is last.  (A view that begins off a 16-byte boundary is added in another order than an aligned copy of it.)
//
// Squares of fp32 numbers reach from 2^-298 to 2^256, fp32 itself from 2^-149 to 2^128.  So they have three accumulators, each for the
// squares of numbers multiplied by a power of two, which is exact (after Blue, A Portable Fortran Program to Find the Euclidean Norm
// of a Vector, ACM TOMS 4, 1978): numbers from 2^59 on by 2^-72, numbers below 2^-59 by 2^100, those between as they are.  The sum has two.
// 16 bytes without a number of the first two kinds, which is nearly all, are seen to be so by their largest and smallest size, and take
// one multiplication each; whatever is not finite is among the large.
//
// The largest magnitude is taken on the bit patterns without their sign: as whole numbers they are ordered like the numbers, with
// infinity above all of them and NaN above infinity, so a NaN is never hidden.  The size of a number is its exponent field.
//
// Floor: every number read once.  Peers need five or six passes, and launches in proportion to P.
#include "common.cuh"

constexpr int THREADS = 256, WARPS = THREADS / 32, CHUNK = 65536;
constexpr int BINS = 64, LOWEST = 80;  // bin b counts 2^(b-47) <= |x| < 2^(b-46); the ends take in what lies beyond

enum Format : i64 { FP32 = 0, FP16 = 1, BF16 = 2 };
struct Segment { u64 address; i64 count, chunks, format; };
struct Chunk { u32 tensor, index; };
struct Row { double sum, squares; u32 largest, nonfinite, zeros, unused; };

constexpr u32 LARGE_BITS = (127 + 59) << 23, SMALL_BITS = (127 - 59) << 23;  // 2^59 and 2^-59
constexpr float SHRINK = 0x1p-72f, STRETCH = 0x1p100f;

struct Tally {
    float sum = 0.0f, sum_large = 0.0f;                               // of numbers, and of SHRINK times the large
    float squares = 0.0f, squares_large = 0.0f, squares_small = 0.0f;  // the last two of the numbers times SHRINK and STRETCH
    u32 largest = 0, nonfinite = 0, zeros = 0;

    template <bool HISTOGRAM, int N> __device__ inline void take(const float (&x)[N], u32* bins) {
        u32 most = 0, least = 0xffffffffu;  // least: sizes less 1, so that a zero is the largest of all and no small number
#pragma unroll
        for (int k = 0; k < N; ++k) {
            const u32 size = __float_as_uint(x[k]) & 0x7fffffffu, rank = size - 1u;
            most = size > most ? size : most;
            least = rank < least ? rank : least;
            zeros += size == 0;
            if (HISTOGRAM && size != 0 && size < INFINITE_BITS) {
                int bin = int(size >> 23) - LOWEST;
                atomicAdd(&bins[bin < 0 ? 0 : bin > BINS - 1 ? BINS - 1 : bin], 1u);
            }
        }
        largest = most > largest ? most : largest;
        if (most < LARGE_BITS && least >= SMALL_BITS - 1u) {
#pragma unroll
            for (int k = 0; k < N; ++k) sum += x[k], squares += x[k] * x[k];
        } else {
#pragma unroll
            for (int k = 0; k < N; ++k) take_any(x[k]);
        }
    }

    __device__ inline void take_any(float x) {
        const u32 size = __float_as_uint(x) & 0x7fffffffu;
        const bool large = size >= LARGE_BITS, small = size < SMALL_BITS;
        const float scaled = x * (large ? SHRINK : small ? STRETCH : 1.0f), square = scaled * scaled;
        sum += large ? 0.0f : x, sum_large += large ? scaled : 0.0f;
        squares += large || small ? 0.0f : square;
        squares_large += large ? square : 0.0f, squares_small += small ? square : 0.0f;
        nonfinite += size >= INFINITE_BITS;
    }

    __device__ inline double total() const { return double(sum) + double(sum_large) * 0x1p72; }
    __device__ inline double total_of_squares() const {
        return double(squares) + double(squares_large) * 0x1p144 + double(squares_small) * 0x1p-200;
    }
};

template <class T, bool HISTOGRAM> __device__ inline void read(const T* x, int count, Tally& tally, u32* bins) {
    int done = 0;
    if (aligned16(x)) {
        const uint4* packs = reinterpret_cast<const uint4*>(x);
        int n = count / Pack<T>::SIZE, i = threadIdx.x;
        for (; i + 3 * THREADS < n; i += 4 * THREADS) {
            uint4 raw[4];
#pragma unroll
            for (int j = 0; j < 4; ++j) raw[j] = __ldcs(packs + i + j * THREADS);
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                float values[Pack<T>::SIZE];
                unpack(raw[j], values, T());
                tally.template take<HISTOGRAM>(values, bins);
            }
        }
        for (; i < n; i += THREADS) {
            float values[Pack<T>::SIZE];
            unpack(__ldcs(packs + i), values, T());
            tally.template take<HISTOGRAM>(values, bins);
        }
        done = n * Pack<T>::SIZE;
    }
    for (int i = done + threadIdx.x; i < count; i += THREADS) {
        const float value[1] = {to_float(x[i])};
        tally.template take<HISTOGRAM>(value, bins);
    }
}

// Sum of a Row over the block, in thread 0; `parts` holds one Row per warp.
__device__ inline Row block_sum(Row mine, Row* parts) {
    mine.sum = warp_sum(mine.sum), mine.squares = warp_sum(mine.squares), mine.largest = warp_max(mine.largest);
    mine.nonfinite = warp_sum(mine.nonfinite), mine.zeros = warp_sum(mine.zeros);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = mine;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int w = 1; w < WARPS; ++w) {
            mine.sum += parts[w].sum, mine.squares += parts[w].squares;
            mine.largest = parts[w].largest > mine.largest ? parts[w].largest : mine.largest;
            mine.nonfinite += parts[w].nonfinite, mine.zeros += parts[w].zeros;
        }
    return mine;
}

// grid: chunks; block: THREADS.  tickets: P zeros, zeros again at the end.  bins: P x BINS zeros, or null.
// stats: P x 5 = sum, sum of squares, largest magnitude, not finite, zero.
template <bool HISTOGRAM>
__global__ void __launch_bounds__(THREADS, 3)
    tensor_stats(const Segment* segments, const Chunk* chunks, Row* rows, u32* tickets, double* stats, u64* bins) {
    __shared__ Row parts[WARPS];
    __shared__ u32 counts[HISTOGRAM ? WARPS * BINS : 1];
    __shared__ bool last;
    const Chunk chunk = chunks[blockIdx.x];
    const Segment segment = segments[chunk.tensor];
    const i64 begin = i64(chunk.index) * CHUNK;
    const int count = segment.count - begin < CHUNK ? int(segment.count - begin) : CHUNK;
    u32* own_bins = HISTOGRAM ? &counts[threadIdx.x / 32 * BINS] : counts;  // one histogram per warp: fewer lanes meet in a bin
    if (HISTOGRAM) {
        for (int i = threadIdx.x; i < WARPS * BINS; i += THREADS) counts[i] = 0;
        __syncthreads();
    }

    Tally tally;
    if (segment.format == FP32) read<float, HISTOGRAM>(reinterpret_cast<const float*>(segment.address) + begin, count, tally, own_bins);
    else if (segment.format == FP16) read<f16, HISTOGRAM>(reinterpret_cast<const f16*>(segment.address) + begin, count, tally, own_bins);
    else read<bf16, HISTOGRAM>(reinterpret_cast<const bf16*>(segment.address) + begin, count, tally, own_bins);

    const Row own{tally.total(), tally.total_of_squares(), tally.largest, tally.nonfinite, tally.zeros, 0};
    Row row = block_sum(own, parts);  // its barrier also ends the counting
    if (HISTOGRAM && threadIdx.x < BINS) {
        u64 total = 0;
        for (int w = 0; w < WARPS; ++w) total += counts[w * BINS + threadIdx.x];
        if (total) atomicAdd(&bins[i64(chunk.tensor) * BINS + threadIdx.x], total);
    }
    if (threadIdx.x == 0) {
        rows[blockIdx.x] = row;
        __threadfence();  // the row is there for every block before the ticket says so
        last = atomicAdd(&tickets[chunk.tensor], 1u) == u32(segment.chunks) - 1u;
    }
    __syncthreads();
    if (!last) return;

    // Any chunk may be the last to finish; chunk.index says how far back the tensor's first row lies.
    __threadfence();
    const Row* first = rows + (i64(blockIdx.x) - chunk.index);
    Row mine{0.0, 0.0, 0, 0, 0, 0};
    double nonfinite = 0.0, zeros = 0.0;  // a tensor may have more of them than 32 bits count
    for (i64 i = threadIdx.x; i < segment.chunks; i += THREADS) {
        const uint4* raw = reinterpret_cast<const uint4*>(first + i);
        union { uint4 words[2]; Row row; } other = {{__ldcg(raw), __ldcg(raw + 1)}};
        mine.sum += other.row.sum, mine.squares += other.row.squares;
        mine.largest = other.row.largest > mine.largest ? other.row.largest : mine.largest;
        nonfinite += other.row.nonfinite, zeros += other.row.zeros;
    }
    __shared__ double wide[WARPS][2];
    nonfinite = warp_sum(nonfinite), zeros = warp_sum(zeros);
    if (threadIdx.x % 32 == 0) wide[threadIdx.x / 32][0] = nonfinite, wide[threadIdx.x / 32][1] = zeros;
    mine = block_sum(mine, parts);
    if (threadIdx.x == 0) {
        for (int w = 1; w < WARPS; ++w) nonfinite += wide[w][0], zeros += wide[w][1];
        double* out = stats + i64(chunk.tensor) * 5;
        out[0] = mine.sum, out[1] = mine.squares, out[2] = __uint_as_float(mine.largest), out[3] = nonfinite, out[4] = zeros;
        tickets[chunk.tensor] = 0;
    }
}
