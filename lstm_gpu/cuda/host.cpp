// The full check of a range of weight sets on one core: a shared library for ctypes. What is below
// `check_range` serves the tests.
#include "host_check.h"

namespace lstm {

template <class T>
int check_range(const Case &c, i64 start, i64 stop, Summary *summaries, Worst *worst) {
  Memory memory(Check<T>::bytes(c));
  if (!memory.start) return 1;
  Check<T> check(c, memory);
  worst->ratio = -1;
  for (i64 index = start; index < stop; ++index) {
    check.set.draw(c, index);
    check.rows();
    check.steps();
    summaries[index - start] = check.entries(index, *worst);
  }
  return 0;
}

// The whole of one weight set, for the tests: W (4, n, m), U (4, n, n), x (m), h, c, o (n).
template <class T>
int draw_set(const Case &c, i64 index, T *W, T *U, T *x, T *h_prev, T *c_prev, T *o_prev) {
  Memory memory(Check<T>::bytes(c));
  if (!memory.start) return 1;
  WeightSet<T> set(c, memory);
  set.draw(c, index);
  const Stream stream(c, set.words, index);
  const i64 n = set.n, m = set.m;
  for (i64 k = 0; k < 4 * n; ++k) {
    const u32 *points = stream.draw(k * m, (k + 1) * m, set.W_points);
    for (i64 j = 0; j < m; ++j) W[k * m + j] = T(pytorch_uniform(points[j], c.scale));
  }
  memcpy(U, set.U, sizeof(T) * 4 * n * n);
  memcpy(x, set.x, sizeof(T) * m);
  memcpy(h_prev, set.h_prev, sizeof(T) * n);
  memcpy(c_prev, set.c_prev, sizeof(T) * n);
  memcpy(o_prev, set.o_prev, sizeof(T) * n);
  return 0;
}

// What the check compares in one weight set, for the tests: three matrices (n, n). If `plain`,
// whatever the radius, by `change_of_hidden`.
template <class T>
int examine_set(const Case &c, i64 index, int plain, T *claimed, T *measured, T *bound) {
  Memory memory(Check<T>::bytes(c));
  if (!memory.start) return 1;
  Check<T> check(c, memory);
  check.set.draw(c, index);
  check.rows();
  check.steps();
  if (plain) check.near = false;
  const i64 n = check.set.n;
  for (i64 k = 0; k < n; ++k) {
    for (i64 j = 0; j < n; ++j) {
      Entry<T> e = check.one(k, j);
      claimed[k * n + j] = e.claimed;
      measured[k * n + j] = e.measured;
      bound[k * n + j] = check.bound[k] * (1 / check.step[j]);
    }
  }
  return 0;
}

template <class T> void evaluate(const T *z, i64 count, T *exp, T *sigma, T *tanh) {
#pragma omp simd
  for (i64 k = 0; k < count; ++k) {
    exp[k] = exponential(z[k]);
    sigma[k] = sigmoid(z[k]);
    tanh[k] = hyperbolic_tangent(z[k]);
  }
}

}  // namespace lstm

#define LSTM_EXPORT(T, NAME)                                                                       \
  extern "C" int check_##NAME(const lstm::Case *c, long long start, long long stop,                \
                              lstm::Summary *summaries, lstm::Worst *worst) {                      \
    return lstm::check_range<T>(*c, start, stop, summaries, worst);                                \
  }                                                                                                \
  extern "C" int draw_##NAME(const lstm::Case *c, long long index, T *W, T *U, T *x, T *h_prev,    \
                             T *c_prev, T *o_prev) {                                               \
    return lstm::draw_set<T>(*c, index, W, U, x, h_prev, c_prev, o_prev);                          \
  }                                                                                                \
  extern "C" int examine_##NAME(const lstm::Case *c, long long index, int plain, T *claimed,       \
                                T *measured, T *bound) {                                           \
    return lstm::examine_set<T>(*c, index, plain, claimed, measured, bound);                       \
  }                                                                                                \
  extern "C" int evaluate_##NAME(const T *z, long long count, T *exp, T *sigma, T *tanh) {         \
    lstm::evaluate<T>(z, count, exp, sigma, tanh);                                                 \
    return 0;                                                                                      \
  }

LSTM_EXPORT(double, float64)
LSTM_EXPORT(float, float32)
