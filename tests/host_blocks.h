// A CUDA source as a program of the host: blocks one after another, the threads of a block at the
// same time, each barrier a barrier. So the tests run all of a source, its indices, its shared
// memory and its barriers, and not its phases alone.
//
// The program's arguments: a kernel, grid (x, y), threads, bytes of dynamic shared memory, and a file
// with the kernel's arguments: each `value` or `array`, its bytes, its content. Arrays are written back.
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static  // one block at a time has it

struct Place {
  unsigned x, y, z;
};
static thread_local Place threadIdx;
static Place blockIdx, blockDim, gridDim;

const size_t GUARD = 4096, MOST_SHARED = 232448;
const int WARP = 32;
// The dynamic shared memory, under the names that the sources give it.
alignas(16) char fast[MOST_SHARED + GUARD];
extern double memory[(MOST_SHARED + GUARD) / sizeof(double)] __attribute__((alias("fast")));

// Two barriers in turn: the sanitizer takes what a thread did before it came to a barrier as before all
// that a thread does after it left it, even if that one left late, from the phase before.
struct Barriers {
  pthread_barrier_t both[2];
};
static Barriers of_block, of_warp[1024 / WARP];
static thread_local unsigned of_block_turn, of_warp_turn;
static void open(Barriers &own, unsigned threads) {
  for (pthread_barrier_t &one : own.both) pthread_barrier_init(&one, nullptr, threads);
}
static inline void __syncthreads() { pthread_barrier_wait(&of_block.both[of_block_turn++ % 2]); }
static inline void __syncwarp() {
  pthread_barrier_wait(&of_warp[threadIdx.x / WARP].both[of_warp_turn++ % 2]);
}

[[noreturn]] static void fail(const char *why) {
  fprintf(stderr, "%s\n", why);
  exit(3);
}

struct Argument {
  bool array;
  std::vector<char> content;
  char *pointer;

  bool is_zero() const {
    for (char byte : content)
      if (byte) return false;
    return !array;
  }
};

template <class... A> struct Kernel {
  void (*kernel)(A...);

  template <size_t... K>
  void call(const std::vector<void *> &given, std::index_sequence<K...>) const {
    kernel(*reinterpret_cast<std::decay_t<A> *>(given[K])...);
  }

  // An argument is an array where the parameter is a pointer, or 0, and has the parameter's size.
  std::vector<void *> fitted(std::vector<Argument> &own) const {
    const size_t sizes[] = {sizeof(A)...};
    const bool pointers[] = {std::is_pointer<A>::value...};
    if (own.size() != sizeof...(A)) fail("as many arguments as parameters are wanted");
    std::vector<void *> given;
    for (size_t k = 0; k < own.size(); ++k) {
      if (own[k].array != pointers[k] && !(pointers[k] && own[k].is_zero()))
        fail("an array where a value belongs, or the other way");
      if (!own[k].array && own[k].content.size() != sizes[k]) fail("an argument of another size");
      own[k].pointer = own[k].content.data();
      given.push_back(own[k].array ? (void *)&own[k].pointer : (void *)own[k].pointer);
    }
    return given;
  }

  void launch(std::vector<Argument> &own, size_t shared) const {
    const std::vector<void *> given = fitted(own);
    const unsigned count = blockDim.x;
    open(of_block, count);
    for (unsigned w = 0; w * WARP < count; ++w) open(of_warp[w], count < WARP ? count : WARP);
    auto run = [&](unsigned thread) {
      threadIdx = {thread, 0, 0};
      for (unsigned b = 0; b < gridDim.x * gridDim.y; ++b) {
        if (thread == 0) {
          blockIdx = {b % gridDim.x, b / gridDim.x, 0};
          memset(fast, 0xFF, sizeof fast);  // as bad as what a block finds there
        }
        __syncthreads();
        call(given, std::index_sequence_for<A...>());
        __syncthreads();
        for (size_t k = shared; thread == 0 && k < sizeof fast; ++k)
          if (fast[k] != char(0xFF)) fail("shared memory is written beyond its end");
      }
    };
    std::vector<std::thread> all;
    for (unsigned t = 0; t < count; ++t) all.emplace_back(run, t);
    for (std::thread &one : all) one.join();
  }
};
template <class... A> static Kernel<A...> kernel_of(void (*kernel)(A...)) { return {kernel}; }

static std::vector<Argument> read(const char *path) {
  std::vector<Argument> all;
  FILE *file = fopen(path, "rb");
  char kind[16];
  size_t size;
  while (file && fscanf(file, "%15s %zu", kind, &size) == 2) {
    fgetc(file);
    all.push_back({strcmp(kind, "array") == 0, std::vector<char>(size), nullptr});
    if (fread(all.back().content.data(), 1, size, file) != size) fail("the file ends too early");
  }
  if (file) fclose(file);
  return all;
}

static void write(const char *path, const std::vector<Argument> &all) {
  FILE *file = fopen(path, "wb");
  for (const Argument &one : all)
    if (one.array) fwrite(one.content.data(), 1, one.content.size(), file);
  fclose(file);
}

static void run(const std::string &wanted, std::vector<Argument> &own, size_t shared);

int main(int, char **arguments) {
  gridDim = {unsigned(atoi(arguments[2])), unsigned(atoi(arguments[3])), 1};
  blockDim = {unsigned(atoi(arguments[4])), 1, 1};
  std::vector<Argument> own = read(arguments[6]);
  run(arguments[1], own, size_t(atoll(arguments[5])));
  write(arguments[6], own);
  return 0;
}

#define HOST_KERNEL(NAME)                                                                          \
  if (wanted == #NAME) return kernel_of(NAME).launch(own, shared);
