// CUDA's execution model on one CPU thread: enough of it to run the very same .cu files and to catch their mistakes.
//
// A thread of a block is a fiber.  A fiber runs until it meets a barrier or a shuffle, then the next one runs; blocks run one after
// another.  Three orders, and what depends on the order shows as a difference between them:
//
//     FORWARD   threads and blocks by rising number, all of them in step from one shuffle to the next
//     REVERSE   the same by falling number
//     WARPS     one warp runs to its barrier, through all its shuffles, before the next one begins: the farthest that warps drift apart
//
// Strict: a barrier that some threads of the block have not reached (they left, or wait at another line), or a shuffle without all
// 32 lanes, ends the launch with a message.  Shared memory, static and dynamic, starts as NaN (all bits set) in every block.
// One barrier of the source, named by its line, can be deleted: so the tests see whether its absence would be noticed.
//
// Not here: tensor cores, cp.async, clusters, grid-wide barriers, races between blocks that run at the same time.
#pragma once

#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <sys/mman.h>
#include <tuple>
#include <ucontext.h>
#include <utility>
#include <vector>

#define FAULTLINE_EMULATOR 1
#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
#define __shared__ static __attribute__((section("faultline_shared")))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(emulator::dynamic_shared.data())

struct dim3 { unsigned x = 1, y = 1, z = 1; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) float2 { float x, y; };
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

// Begin and end of the static shared memory, from the linker; null where a kernel has none.
extern char __start_faultline_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_faultline_shared[] __attribute__((weak, visibility("hidden")));

namespace emulator {

enum Order { FORWARD, REVERSE, WARPS };
constexpr size_t STACK = 128 * 1024;
enum State { READY, AT_BARRIER, AT_SHUFFLE, DONE };

struct Fiber {
    ucontext_t context;
    jmp_buf at;
    bool started = false;
    State state = READY;
    int line = 0, phase = 0;
    unsigned number = 0;
    dim3 thread;
    void* stack = nullptr;
    void* fake_stack = nullptr;
};

struct Warp {
    uint64_t slots[2][32];
    uint32_t arrived[2] = {0, 0};
    int line[2] = {0, 0};
};

inline std::vector<Fiber> fibers;
inline std::vector<Warp> warps;
inline std::vector<uint64_t> dynamic_shared;
inline std::function<void()> body;
inline std::string problem;
inline int deleted = -1;  // the line of the barrier that is not there
inline Fiber* current = nullptr;
inline jmp_buf scheduler;
inline ucontext_t scheduler_context;
inline void* scheduler_fake_stack = nullptr;
inline const void* scheduler_stack = nullptr;
inline size_t scheduler_stack_size = 0;

#ifdef __SANITIZE_ADDRESS__
extern "C" void __sanitizer_start_switch_fiber(void**, const void*, size_t);
extern "C" void __sanitizer_finish_switch_fiber(void*, const void**, size_t*);
inline void resume(Fiber& f) {
    current = &f;
    threadIdx = f.thread;
    __sanitizer_start_switch_fiber(&scheduler_fake_stack, f.stack, STACK);
    swapcontext(&scheduler_context, &f.context);
    __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
}
inline void yield() {
    Fiber& f = *current;
    __sanitizer_start_switch_fiber(&f.fake_stack, scheduler_stack, scheduler_stack_size);
    swapcontext(&f.context, &scheduler_context);
    __sanitizer_finish_switch_fiber(f.fake_stack, nullptr, nullptr);
}
inline void begun() { __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_size); }
#else
// setjmp and longjmp switch without a system call, which swapcontext needs twice.
inline void resume(Fiber& f) {
    current = &f;
    threadIdx = f.thread;
    if (_setjmp(scheduler) == 0) {
        if (f.started) _longjmp(f.at, 1);
        f.started = true;
        setcontext(&f.context);
    }
}
inline void yield() {
    if (_setjmp(current->at) == 0) _longjmp(scheduler, 1);
}
inline void begun() {}
#endif

inline void fail(const std::string& says) {
    if (problem.empty()) problem = says;
    current->state = DONE;
    while (true) yield();  // the scheduler sees the problem and never comes back
}

inline void live() {
    begun();
    while (true) {
        body();
        current->state = DONE;
        yield();
    }
}

inline void barrier(int line) {
    if (line == deleted) return;
    current->state = AT_BARRIER;
    current->line = line;
    yield();
}

// All 32 lanes of a warp hand in a value and get all 32; two sets of slots, so that a fast lane overwrites nothing.
template <class T> const uint64_t* exchange(uint32_t mask, T value, int line) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    Fiber& f = *current;
    if (mask != 0xffffffffu) fail("line " + std::to_string(line) + ": a shuffle names only some lanes of its warp");
    Warp& warp = warps[f.number / 32];
    int phase = f.phase;
    f.phase ^= 1;
    warp.slots[phase][f.number % 32] = 0;
    memcpy(&warp.slots[phase][f.number % 32], &value, sizeof(T));
    if (warp.arrived[phase] && warp.line[phase] != line)
        fail("lanes of one warp meet in shuffles of lines " + std::to_string(warp.line[phase]) + " and " + std::to_string(line));
    warp.line[phase] = line;
    warp.arrived[phase] |= 1u << (f.number % 32);
    if (warp.arrived[phase] == mask) {
        warp.arrived[phase] = 0;
        for (unsigned lane = 0; lane < 32; ++lane) fibers[f.number / 32 * 32 + lane].state = READY;
    } else {
        f.state = AT_SHUFFLE;
        yield();
    }
    return warp.slots[phase];
}
template <class T> T read(const uint64_t* slots, unsigned lane) {
    T out;
    memcpy(&out, &slots[lane & 31u], sizeof(T));
    return out;
}
inline unsigned lane() { return current->number % 32; }
template <class T> T shuffle(uint32_t mask, T value, unsigned from, int line) { return read<T>(exchange(mask, value, line), from); }
template <class T> uint32_t ballot(uint32_t mask, T yes, int line) {
    const uint64_t* slots = exchange(mask, uint32_t(yes != 0), line);
    uint32_t out = 0;
    for (unsigned i = 0; i < 32; ++i) out |= uint32_t(slots[i] != 0) << i;
    return out;
}
template <class T> uint32_t match(uint32_t mask, T value, int line) {
    const uint64_t* slots = exchange(mask, value, line);
    uint32_t out = 0;
    for (unsigned i = 0; i < 32; ++i) out |= uint32_t(slots[i] == slots[lane()]) << i;
    return out;
}

inline void sync_warp(int line) {
    if (line != deleted) exchange(0xffffffffu, 0, line);
}

// Every fiber that is ready runs once -> whether any was.
inline bool one_pass(size_t begin, size_t end, bool reverse) {
    bool ran = false;
    for (size_t i = begin; i < end && problem.empty(); ++i) {
        Fiber& f = fibers[reverse ? end - 1 - (i - begin) : i];
        if (f.state != READY) continue;
        ran = true;
        resume(f);
    }
    return ran;
}

inline void one_block(int order) {
    size_t n = fibers.size();
    memset(dynamic_shared.data(), 0xff, dynamic_shared.size() * 8);
    if (__start_faultline_shared) memset(__start_faultline_shared, 0xff, __stop_faultline_shared - __start_faultline_shared);
    for (Warp& w : warps) w.arrived[0] = w.arrived[1] = 0;
    for (Fiber& f : fibers) f.state = READY, f.phase = 0;
    while (true) {
        bool ran = false;
        if (order == WARPS)
            for (size_t w = 0; w < n; w += 32)
                while (one_pass(w, w + 32, false)) ran = true;
        else
            ran = one_pass(0, n, order == REVERSE);
        if (!problem.empty()) return;
        size_t done = 0, waiting = 0;
        int line = 0;
        for (Fiber& f : fibers) {
            done += f.state == DONE;
            if (f.state == AT_BARRIER) {
                if (waiting++ && f.line != line) {
                    problem = "threads of one block wait at the barriers of lines " + std::to_string(line) + " and " + std::to_string(f.line);
                    return;
                }
                line = f.line;
            }
        }
        if (done == n) return;
        if (waiting && done) {
            problem = "divergent barrier: at line " + std::to_string(line) + " " + std::to_string(waiting) + " threads wait for " +
                      std::to_string(done) + " that have left";
            return;
        }
        if (waiting == n)
            for (Fiber& f : fibers) f.state = READY;
        else if (!ran) {
            problem = "a shuffle or a barrier waits for lanes that never come";
            return;
        }
    }
}

inline int run(const unsigned* grid, const unsigned* block, unsigned shared, int order, char* message, size_t room) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    size_t threads = size_t(blockDim.x) * blockDim.y * blockDim.z, blocks = size_t(gridDim.x) * gridDim.y * gridDim.z;
    problem.clear();
    if (threads == 0 || threads > 1024 || threads % 32) problem = "a block must have 32 to 1024 threads, a multiple of 32";
    if (blocks == 0) problem = "a grid must have at least one block";
    if (problem.empty()) {
        char* stacks = static_cast<char*>(mmap(nullptr, STACK * threads, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        dynamic_shared.assign((shared + 7) / 8, 0);
        fibers.assign(threads, Fiber());
        warps.assign(threads / 32, Warp());
        for (unsigned i = 0; i < threads; ++i) {
            Fiber& f = fibers[i];
            f.number = i;
            f.thread = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
            f.stack = stacks + STACK * i;
            getcontext(&f.context);
            f.context.uc_stack.ss_sp = f.stack;
            f.context.uc_stack.ss_size = STACK;
            f.context.uc_link = nullptr;
            makecontext(&f.context, live, 0);
        }
        for (size_t i = 0; i < blocks && problem.empty(); ++i) {
            size_t b = order == REVERSE ? blocks - 1 - i : i;
            blockIdx = {unsigned(b % gridDim.x), unsigned(b / gridDim.x % gridDim.y), unsigned(b / gridDim.x / gridDim.y)};
            one_block(order);
        }
        munmap(stacks, STACK * threads);
    }
    snprintf(message, room, "%s", problem.c_str());
    return problem.empty() ? 0 : 1;
}

// The same argument array as cuLaunchKernel: one pointer to each parameter.
template <class... A, size_t... I> std::function<void()> bound(void (*kernel)(A...), void** args, std::index_sequence<I...>) {
    return [=] { kernel(*static_cast<std::decay_t<A>*>(args[I])...); };
}
template <class... A> int launch(void (*kernel)(A...), const unsigned* grid, const unsigned* block, unsigned shared, void** args, int order,
                                 char* message, size_t room) {
    body = bound(kernel, args, std::index_sequence_for<A...>());
    return run(grid, block, shared, order, message, room);
}

}  // namespace emulator

#include "intrinsics.h"
