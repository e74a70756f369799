// What a device reaches in the operations that the check is made of, each thread on its own: for the
// floors of benchmarks/gpu.py. Not run on a GPU yet.
#include "philox.cuh"
#include "product.cuh"

// `count` calls of Philox by each thread.
extern "C" __global__ void __launch_bounds__(256) rate_philox(long long count, unsigned *out) {
  lstm::Counter counter = {blockIdx.x * 256ull + threadIdx.x, 0};
  lstm::u64 all = 0;
  for (long long k = 0; k < count; ++k) {
    const lstm::Words words = lstm::philox(counter, {1, 2});
    all ^= words.w[0] ^ words.w[1] ^ words.w[2] ^ words.w[3];
    counter.low += gridDim.x * 256ull;
  }
  out[blockIdx.x * 256 + threadIdx.x] = unsigned(all);
}

// 64 `count` multiply-adds, in eight chains; 8 `count` divisions, of ten instructions and more each. So
// many in a row, for the loop's own six are issued by the same schedulers.
template <class T, bool DIVIDE> __device__ __forceinline__ void chains(long long count, T *out) {
  T x[8];
  for (int i = 0; i < 8; ++i) x[i] = T(1) + T(threadIdx.x + i);
  const T a = T(1) + T(blockIdx.x) / 1024, b = T(1) / 3;
#pragma unroll 1
  for (long long k = 0; k < count; ++k) {
#pragma unroll
    for (int i = 0; i < (DIVIDE ? 8 : 64); ++i)
      x[i % 8] = DIVIDE ? a / x[i % 8] : lstm::multiply_add(x[i % 8], b, a);
  }
  T all = 0;
  for (int i = 0; i < 8; ++i) all += x[i];
  out[blockIdx.x * 256 + threadIdx.x] = all;
}

#define LSTM_RATES(NAME, T)                                                                        \
  extern "C" __global__ void __launch_bounds__(256) rate_fma_##NAME(long long count, T *out) {     \
    chains<T, false>(count, out);                                                                  \
  }                                                                                                \
  extern "C" __global__ void __launch_bounds__(256) rate_divide_##NAME(long long count, T *out) {  \
    chains<T, true>(count, out);                                                                   \
  }

LSTM_RATES(float64, double)
LSTM_RATES(float32, float)

// 512 `count` multiply-adds by each thread, in matrix multiply-adds of its warp: as the sphere search.
extern "C" __global__ void __launch_bounds__(256) rate_mma_float64(long long count, double *out) {
  lstm::Sums<double> own = {};
  for (int k = 0; k < lstm::QUARTERS; ++k)
    own.row_part[0][k] = own.direction_part[1][k] = own.sample_part[k][k] = 1. / (threadIdx.x + k + 1);
#pragma unroll 1
  for (long long k = 0; k < count; ++k) own.multiply(threadIdx.x, {}, nullptr);
  double all = 0;
  for (int i = 0; i < own.ROWS; ++i)
    for (int j = 0; j < own.SAMPLES; ++j) all += own.z[i][j] + own.dot[i][j];
  out[blockIdx.x * 256 + threadIdx.x] = all;
}
