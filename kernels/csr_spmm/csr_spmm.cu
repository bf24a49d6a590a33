// csr_spmm: message passing on a graph, out[i] = sum, mean or largest of w_e * x[col_e] over the edges e of row i, and its gradients.
//
// The arithmetic is trivial; who does how much of it is the subject.  In a graph with hubs, one row has as many edges as ten
// thousand others, and the warp that owns it works long after all others have left.  After Raval, Nasre, Kumar, Vasudevan,
// Vadhiyar, Pingali, Dynamic Load Balancing Strategies for Graph Applications on GPUs (arXiv:1711.00231), a strategy is no more
// than a way to cut the edges into tiles, one warp each:
//
//     rows            0: a a   1: b b b b b b b b b   2: -   3: d   4: e e          (row 2 has no edge)
//     node            [a a]   [b b b b b b b b b]   [ ]   [d]   [e e]               a tile is a row
//     edge            [a a b b b] [b b b b b] [b . d e e]                           equal edges, rows as they come
//     split           [a a]   [b b b b][b b b b][b]   [ ]   [d]   [e e]             long rows in pieces
//     merge           [a a|b b] [b b b b] [b b b|.] [|d|e e|]                       equal edges plus row ends
//     hierarchical    the pieces of `split`, first pieces of all rows first, the long rest in even shares
//
// A row that lies in one tile is stored by its warp.  A row in several tiles leaves one partial row per tile (a slot), and `fold`
// adds them up in their order.  So no strategy needs a floating-point atomic, and each gives the same bits every time; two
// strategies differ in the last bits of a sum, because they add in another order.  The price is a second launch and
// 8 bytes per column and slot.
//
// Within a tile, a warp loads 32 edges at once (column, weight) and hands them round by shuffles.  Its lanes lie along the
// columns of x, four each, so that a gathered row is one coalesced read; where rows are narrower than a warp, groups of lanes take
// several edges at a time and meet by shuffles at the end of the row.
//
//     x[col_e]  |----- lane 0 -----|----- lane 1 -----| ...      16-byte reads where width and address allow
//               | c0  c1  c2  c3   | c4  c5  c6  c7   |          else lane l reads columns l, l + group, ...: coalesced as well
//
// Backward is the same kernel on the transposed graph (built once): row j gathers the gradients of the rows that read x[j].
// Of a maximum, a gradient goes to the edge that won (PICKED).  A gradient of a weight is a dot product per edge.
//
// The largest: a NaN is larger than everything, equal ones go to the lowest edge.  A row without edges is 0, with no winner (-1).
// Floor: 4 bytes per edge for its column (8 with weights), every row of x that is read and of out, once.
#include "common.cuh"

constexpr int THREADS = 128, WARPS = THREADS / 32, FOLD_THREADS = 256, FOLD_WARPS = FOLD_THREADS / 32;
constexpr int SUM = 0, MAX = 1, PICKED = 2;  // what becomes of the messages
constexpr int NOBODY = 0x7fffffff;           // no edge yet

// Edges [begin, end) of rows first ... last.  A slot, where it is not negative, takes the part of a row that others share.
struct alignas(16) Tile { int first, last, begin, end, first_slot, last_slot, unused[2]; };
struct alignas(16) Shared { int row, begin, end, unused; };  // slots [begin, end) make up a row

__device__ inline int lower(int a, int b) { return a < b ? a : b; }
__device__ inline int upper(int a, int b) { return a > b ? a : b; }

// One number under reduction; MAX also knows whose it is.
template <int KIND> struct Reduced {
    float value = KIND == MAX ? -infinity() : 0.0f;
    int edge = NOBODY;

    __device__ inline void take(float x, int from) {
        if (KIND == MAX) {
            bool nan = x != x, held = value != value;
            bool wins = nan ? !held || from < edge : !held && (x > value || (x == value && from < edge));
            value = wins ? x : value, edge = wins ? from : edge;
        } else {
            value += x;
        }
    }
    __device__ inline void meet(int step) {  // with the lane `step` away, which does the same
        float other = __shfl_xor_sync(FULL_WARP, value, step);
        take(other, KIND == MAX ? __shfl_xor_sync(FULL_WARP, edge, step) : 0);
    }
    __device__ inline void finish(int degree, bool mean) {
        if (KIND == MAX && edge == NOBODY) value = 0.0f, edge = -1;
        if (KIND == SUM && mean && degree > 0) value /= float(degree);
    }
};

// Four columns of a row, from `column` on, side by side or `stride` apart; zero beyond the width.
template <class T, class T4, bool ALIGNED> __device__ inline void read4(const T* row, int width, int column, int stride, T (&out)[4]) {
    if (ALIGNED) {
        T4 four = column < width ? *reinterpret_cast<const T4*>(row + column) : T4{0, 0, 0, 0};
        out[0] = T(four.x), out[1] = T(four.y), out[2] = T(four.z), out[3] = T(four.w);
    } else {
#pragma unroll
        for (int k = 0; k < 4; ++k) out[k] = column + k * stride < width ? row[column + k * stride] : T(0);
    }
}

// grid: tiles / WARPS, columns / (4 group); block: THREADS.  group: lanes along the columns, a power of two.
// edges: number of each edge in the order of the weights, or null for its place; weight, scale (per column of the graph): or null.
// picked: PICKED's winners, of the shape of x.  partial, partial_edge: slots x width.  work: edges that each tile visited, or null.
template <int KIND, bool ALIGNED>
__global__ void __launch_bounds__(THREADS)
    csr_spmm(const Tile* tiles, i64 count, const int* __restrict__ ptr, const int* __restrict__ col, const int* __restrict__ edges,
             const float* __restrict__ weight, const float* __restrict__ scale, const float* __restrict__ x, const int* __restrict__ picked,
             i64 columns, i64 lanes, i64 mean, float* out, int* winner, float* partial, int* partial_edge, u32* work) {
    const i64 number = i64(blockIdx.x) * WARPS + threadIdx.x / 32;
    if (number >= count) return;  // the whole warp; there is no barrier here
    const Tile tile = tiles[number];
    const int width = int(columns), group = int(lanes), at_once = 32 / group;
    const int lane = threadIdx.x % 32, member = lane / group, place = lane % group;
    const int stride = ALIGNED ? 1 : group, column = blockIdx.y * 4 * group + (ALIGNED ? 4 : 1) * place;

    int base = tile.begin - 32, source = 0, edge = 0;  // the batch of 32 edges that the lanes hold: none yet
    float factor = 0.0f;
    u32 visited = 0;
    for (int row = tile.first; row <= tile.last; ++row) {
        const int row_begin = ptr[row], row_end = ptr[row + 1];
        const int stop = lower(row_end, tile.end);
        Reduced<KIND> mine[4];
        for (int i = upper(row_begin, tile.begin); i < stop;) {
            if (i >= base + 32) {
                base = i;
                if (base + lane < tile.end) {
                    source = col[base + lane];
                    edge = edges ? edges[base + lane] : base + lane;
                    factor = weight ? weight[edge] : 1.0f;
                    if (scale) factor *= scale[source];
                }
            }
            const int last = lower(stop, base + 32) - base;
#pragma unroll (KIND == SUM && ALIGNED ? 4 : 2)
            for (int j = i - base; j < last; j += at_once) {
                const int s = __shfl_sync(FULL_WARP, source, j + member);
                const float f = __shfl_sync(FULL_WARP, factor, j + member);
                const int e = KIND == SUM ? 0 : __shfl_sync(FULL_WARP, edge, j + member);
                if (j + member < last) {
                    float message[4];
                    read4<float, float4, ALIGNED>(x + i64(s) * width, width, column, stride, message);
                    int chosen[4];
                    if (KIND == PICKED) read4<int, uint4, ALIGNED>(picked + i64(s) * width, width, column, stride, chosen);
#pragma unroll
                    for (int k = 0; k < 4; ++k)
                        if (KIND != PICKED || chosen[k] == e) mine[k].take(f * message[k], e);
                }
            }
            visited += last - (i - base);
            i = base + last;
        }
#pragma unroll
        for (int k = 0; k < 4; ++k)
            for (int step = 16; step >= group; step /= 2) mine[k].meet(step);

        const int slot = row == tile.first ? tile.first_slot : row == tile.last ? tile.last_slot : -1;
        const i64 start = i64(slot < 0 ? row : slot) * width;
        if (member == 0)
#pragma unroll
            for (int k = 0; k < 4; ++k)
                if (column + k * stride < width) {
                    if (slot < 0) mine[k].finish(row_end - row_begin, mean);
                    (slot < 0 ? out : partial)[start + column + k * stride] = mine[k].value;
                    if (KIND == MAX) (slot < 0 ? winner : partial_edge)[start + column + k * stride] = mine[k].edge;
                }
    }
    if (work && blockIdx.y == 0 && lane == 0) work[number] = visited;
}

// The rows that several tiles share.  grid: shared rows, columns / 32; block: FOLD_THREADS.  A warp takes every FOLD_WARPS-th slot.
template <int KIND>
__global__ void __launch_bounds__(FOLD_THREADS)
    csr_fold(const Shared* shared, const int* ptr, const float* __restrict__ partial, const int* __restrict__ partial_edge, i64 width,
             i64 mean, float* out, int* winner) {
    __shared__ float values[FOLD_WARPS][32];
    __shared__ int edges[FOLD_WARPS][32];
    const Shared one = shared[blockIdx.x];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const i64 column = i64(blockIdx.y) * 32 + lane;
    Reduced<KIND> mine;
    if (column < width)
#pragma unroll 4
        for (int slot = one.begin + warp; slot < one.end; slot += FOLD_WARPS) {
            const i64 at = i64(slot) * width + column;
            mine.take(__ldcs(partial + at), KIND == MAX ? __ldcs(partial_edge + at) : 0);
        }
    values[warp][lane] = mine.value, edges[warp][lane] = mine.edge;
    __syncthreads();
    if (warp == 0 && column < width) {
        for (int w = 1; w < FOLD_WARPS; ++w) mine.take(values[w][lane], edges[w][lane]);
        mine.finish(ptr[one.row + 1] - ptr[one.row], mean);
        out[i64(one.row) * width + column] = mine.value;
        if (KIND == MAX) winner[i64(one.row) * width + column] = mine.edge;
    }
}

// out[e] = gradient[row_e] . x[col_e], times scale[row_e] where it is given; with CHOSEN, over the columns that edge e won.
// grid: edges / THREADS; block: THREADS.  A warp takes 32 edges; vector: rows can be read 16 bytes at a time.
template <bool CHOSEN>
__global__ void __launch_bounds__(THREADS)
    csr_edge_gradient(const int* __restrict__ rows, const int* __restrict__ col, const float* __restrict__ gradient,
                      const float* __restrict__ x, const int* __restrict__ picked, const float* __restrict__ scale, i64 count, i64 columns,
                      i64 lanes, i64 vector, float* out) {
    const i64 base = (i64(blockIdx.x) * WARPS + threadIdx.x / 32) * 32;
    if (base >= count) return;
    const int width = int(columns), group = int(lanes), at_once = 32 / group, many = count - base < 32 ? int(count - base) : 32;
    const int lane = threadIdx.x % 32, member = lane / group, place = lane % group;
    const int row = lane < many ? rows[base + lane] : 0, source = lane < many ? col[base + lane] : 0;
    const int stride = vector ? 1 : group, from = (vector ? 4 : 1) * place;
    for (int j = 0; j < many; j += at_once) {
        const int r = __shfl_sync(FULL_WARP, row, j + member), s = __shfl_sync(FULL_WARP, source, j + member);
        float sum = 0.0f;
        if (j + member < many)
            for (int column = from; column < width; column += 4 * group) {
                float a[4], b[4];
                int chosen[4];
                if (vector) {
                    read4<float, float4, true>(gradient + i64(r) * width, width, column, stride, a);
                    read4<float, float4, true>(x + i64(s) * width, width, column, stride, b);
                    if (CHOSEN) read4<int, uint4, true>(picked + i64(r) * width, width, column, stride, chosen);
                } else {
                    read4<float, float4, false>(gradient + i64(r) * width, width, column, stride, a);
                    read4<float, float4, false>(x + i64(s) * width, width, column, stride, b);
                    if (CHOSEN) read4<int, uint4, false>(picked + i64(r) * width, width, column, stride, chosen);
                }
#pragma unroll
                for (int k = 0; k < 4; ++k)
                    if (!CHOSEN || (column + k * stride < width && chosen[k] == base + j + member)) sum += a[k] * b[k];
            }
        for (int step = group / 2; step; step /= 2) sum += __shfl_xor_sync(FULL_WARP, sum, step);
        if (place == 0 && j + member < many) out[base + j + member] = scale ? sum * scale[r] : sum;
    }
}
