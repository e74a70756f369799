// All float32 values through the forms of sigma' and through exp, tanh and sigma. Compiled as CuPy
// compiles the array code, with --ftz=true and with contraction (kernels.py), since it is the
// functions of that code that are measured. Not run on a GPU yet.
#include "sigmoid.cuh"

template <int FORM> __device__ __forceinline__ lstm::Values for_form(float z) {
  lstm::Values v = {};
  v.minus = expf(-z);
  if (FORM == lstm::REFLECTED) v.plus = expf(z);
  if (FORM == lstm::STABLE) v.size = expf(-fabsf(z));
  if (FORM == lstm::EXPONENTIAL_SQUARE) v.power = powf(lstm::one_plus(v.minus), -2.0f);
  v.truth = exp(-lstm::settled(z));
  return v;
}

template <int FUNCTION> __device__ __forceinline__ lstm::Values for_function(float z) {
  lstm::Values v = {};
  if (FUNCTION == lstm::EXP) v.plus = expf(z), v.truth = exp(double(z));
  if (FUNCTION == lstm::TANH) v.tanh = tanhf(z), v.truth = tanh(double(z));
  if (FUNCTION == lstm::SIGMOID) {
    v.minus = expf(-z);
    const double q = exp(-fabs(double(z)));
    v.truth = (z < 0 ? q : 1.0) / (1 + q);
  }
  return v;
}

// Segment y of the list by the blocks (x, y); result [y, x].
template <class See>
__device__ __forceinline__ void survey(const lstm::Segment *segments, lstm::Seen *results,
                                       bool of_function, const See &see) {
  __shared__ lstm::Seen all[256];
  const lstm::Segment segment = segments[blockIdx.y];
  lstm::Seen own = lstm::nothing_seen();
  if (of_function) own.largest = 0;
  for (unsigned long long k = segment.start + blockIdx.x * 256ull + threadIdx.x; k < segment.stop;
       k += gridDim.x * 256ull)
    see(own, unsigned(k), lstm::value_of(unsigned(k), segment.negative));
  all[threadIdx.x] = own;
  __syncthreads();
  for (int half = 128; half > 0; half /= 2) {
    if (threadIdx.x < half) join(all[threadIdx.x], all[threadIdx.x + half], of_function);
    __syncthreads();
  }
  if (threadIdx.x == 0) results[(long long)blockIdx.y * gridDim.x + blockIdx.x] = all[0];
}

#define LSTM_FORM(NAME, FORM)                                                                      \
  extern "C" __global__ void __launch_bounds__(256)                                                \
      form_##NAME(const lstm::Segment *segments, lstm::Seen *results) {                            \
    survey(segments, results, false, [](lstm::Seen &seen, unsigned k, float z) {                   \
      lstm::see_form<lstm::FORM>(seen, k, z, for_form<lstm::FORM>(z));                             \
    });                                                                                            \
  }
#define LSTM_FUNCTION(NAME, FUNCTION)                                                              \
  extern "C" __global__ void __launch_bounds__(256)                                                \
      function_##NAME(const lstm::Segment *segments, lstm::Seen *results) {                        \
    survey(segments, results, true, [](lstm::Seen &seen, unsigned k, float z) {                    \
      lstm::see_function<lstm::FUNCTION>(seen, k, z, for_function<lstm::FUNCTION>(z));             \
    });                                                                                            \
  }

LSTM_FORM(exponential_square, EXPONENTIAL_SQUARE)
LSTM_FORM(product_of_quotients, PRODUCT_OF_QUOTIENTS)
LSTM_FORM(difference_of_quotients, DIFFERENCE_OF_QUOTIENTS)
LSTM_FORM(sigma_one_minus_sigma, SIGMA_ONE_MINUS_SIGMA)
LSTM_FORM(reflected, REFLECTED)
LSTM_FORM(stable, STABLE)
LSTM_FUNCTION(exp, EXP)
LSTM_FUNCTION(tanh, TANH)
LSTM_FUNCTION(sigmoid, SIGMOID)
