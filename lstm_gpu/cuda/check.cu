// The full check as kernels: blocks of teams, each with a weight set at a time. Not run on a GPU yet.
#include "barrier.cuh"
#include "team_check.cuh"

// The weight sets from `start` to `stop`. slow: the memory of all teams of the grid; results: one
// for each block.
template <class T, bool LINES, bool MATRIX>
__device__ __forceinline__ void check(const lstm::Case &c, const lstm::Arrangement &a,
                                      long long start, long long stop, const double *edges,
                                      char *slow, lstm::Result *results) {
  extern __shared__ __align__(16) char fast[];
  __shared__ unsigned bins[lstm::BINS];
  const int number = threadIdx.x / a.threads, thread = threadIdx.x % a.threads;
  const int teams = blockDim.x / a.threads;
  const lstm::Team<T, LINES, MATRIX> team = {
      c, a, fast + number * a.fast_bytes,
      slow + ((long long)blockIdx.x * teams + number) * a.slow_bytes};
  for (int b = threadIdx.x; b < lstm::BINS; b += blockDim.x) bins[b] = 0;
  if (thread == 0) begin(*team.score());
  __syncthreads();
  unsigned long long sets = 0;
  for (long long first = start + (long long)blockIdx.x * teams; first < stop;
       first += (long long)gridDim.x * teams) {
    const long long index = first + number;
    lstm::check(team, index, edges, bins, lstm::TeamEach{thread, a.threads, index < stop});
    sets += stop - first < teams ? stop - first : teams;
  }
  __syncthreads();
  lstm::Result &result = results[blockIdx.x];
  for (int b = threadIdx.x; b < lstm::BINS; b += blockDim.x) result.bins[b] = bins[b];
  if (threadIdx.x > 0) return;
  begin(result, sets);
  for (int t = 0; t < teams; ++t)
    merge(result, *reinterpret_cast<lstm::Score *>(fast + t * a.fast_bytes + a.score));
}

#define LSTM_KERNEL(NAME, T, LINES, MATRIX, THREADS, BLOCKS)                                       \
  extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)                                    \
      NAME(const lstm::Case c, const lstm::Arrangement a, long long start, long long stop,         \
           const double *edges, char *slow, lstm::Result *results) {                               \
    check<T, LINES, MATRIX>(c, a, start, stop, edges, slow, results);                              \
  }

// Most threads of a block, and blocks of so many that a multiprocessor has registers for.
LSTM_KERNEL(check_float64_fast, double, true, true, 256, 2)
LSTM_KERNEL(check_float64_lines, double, true, false, 256, 2)
LSTM_KERNEL(check_float64_slow, double, false, false, 128, 3)
LSTM_KERNEL(check_float32_fast, float, true, true, 256, 2)
LSTM_KERNEL(check_float32_lines, float, true, false, 256, 2)
LSTM_KERNEL(check_float32_slow, float, false, false, 256, 2)
