// The full check as kernels: one block per weight set at a time, one instance per dtype.
//
// memory: `stride` bytes for each block of the grid, at least Block<T>::bytes(c, blockDim.x).
#include "block.cuh"

template <class T>
__device__ void check(const lstm::Case &c, long long start, long long stop, char *memory,
                      long long stride, lstm::Found *found) {
  __shared__ lstm::Block<T> block;  // its pointers would take 40 registers of each thread
  const long long thread = threadIdx.x;
  if (thread == 0) block.place(c, blockDim.x, memory + stride * blockIdx.x);
  __syncthreads();
  for (long long index = start + blockIdx.x; index < stop; index += gridDim.x) {
    block.draw_state(thread, index);
    __syncthreads();
    block.draw_weights(thread, index);
    __syncthreads();
    block.rows(thread);
    __syncthreads();
    block.steps(thread);
    __syncthreads();
    block.entries(thread);
    __syncthreads();
    if (thread == 0) found[index - start] = block.found(index);
    __syncthreads();
  }
}

extern "C" __global__ void __launch_bounds__(256)
    check_float64(lstm::Case c, long long start, long long stop, char *memory, long long stride,
                  lstm::Found *found) {
  check<double>(c, start, stop, memory, stride, found);
}

extern "C" __global__ void __launch_bounds__(256)
    check_float32(lstm::Case c, long long start, long long stop, char *memory, long long stride,
                  lstm::Found *found) {
  check<float>(c, start, stop, memory, stride, found);
}
