// The search of the unit sphere as kernels. Not run on a GPU yet.
#include "barrier.cuh"
#include "sphere.cuh"

struct Each {
  __device__ __forceinline__ Each() {}
  template <class Phase> __device__ __forceinline__ void operator()(const Phase &phase) const {
    phase(int(threadIdx.x));
    __syncthreads();
  }
  template <class First, class Then>
  __device__ __forceinline__ void operator()(const First &first, const Then &then) const {
    first(int(threadIdx.x));
    __syncwarp();
    then(int(threadIdx.x));
    __syncthreads();
  }
};

template <class T> struct Own {
  lstm::Held<T> &held;
  __device__ __forceinline__ lstm::Held<T> &operator()(int) const { return held; }
};

// A direction at a time by each team of so many threads; chosen: (sets, samples) sample numbers, or
// null for those from first_sample on. out (sets, samples, n); norms (sets, samples): ‖h‖².
template <class T>
__device__ __forceinline__ void draw(const lstm::Draw &of, long long sets, const long long *chosen,
                                     int threads, T *out, T *norms) {
  typedef lstm::Direction<T> Team;
  extern __shared__ double memory[];
  const int number = threadIdx.x / threads, thread = threadIdx.x % threads;
  const int teams = blockDim.x / threads;
  const Team team = {of, memory + number * Team::memory_of(of.size), threads};
  const long long all = sets * of.samples;
  for (long long first = (long long)blockIdx.x * teams; first < all;
       first += (long long)gridDim.x * teams) {
    const long long k = first + number;
    const bool live = k < all;
    draw_direction(team, of.first_set + k / of.samples,
                   live && chosen ? chosen[k] : of.first_sample + k % of.samples, out + k * of.size,
                   norms + k, lstm::TeamEach{thread, threads, live});
  }
}

// Block (x, y): rows from 64 x on of weight set y, y + gridDim.y, …
template <class T>
__device__ __forceinline__ void search(const lstm::Claims<T> &claims, const T *h, const T *norms,
                                       long long sets, int size, int gates, int samples, int before,
                                       lstm::Found<T> *found) {
  __shared__ lstm::Shared<T> shared;
  lstm::Held<T> held;
  for (long long set = blockIdx.y; set < sets; set += gridDim.y) {
    const lstm::Search<T> own = {claims,  h,    norms, shared, size, gates,
                                 samples, sets, set,   int(blockIdx.x) * lstm::TILE, before};
    search_rows(own, found, Each(), Own<T>{held});
  }
}

#define LSTM_KERNELS(NAME, T)                                                                      \
  extern "C" __global__ void __launch_bounds__(256, 4)                                             \
      directions_##NAME(const lstm::Draw of, long long sets, const long long *chosen, int threads, \
                        T *out, T *norms) {                                                        \
    draw<T>(of, sets, chosen, threads, out, norms);                                                \
  }                                                                                                \
  extern "C" __global__ void __launch_bounds__(lstm::PRODUCT_THREADS, 1)                           \
      search_##NAME(const lstm::Claims<T> claims, const T *h, const T *norms, long long sets,      \
                    int size, int gates, int samples, int before, lstm::Found<T> *found) {         \
    search<T>(claims, h, norms, sets, size, gates, samples, before, found);                        \
  }

LSTM_KERNELS(float64, double)
LSTM_KERNELS(float32, float)
