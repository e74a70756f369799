// The full check of a range of weight sets on one core: a shared library for ctypes. What is below
// `check_range` serves the tests.
#include <vector>

#include "host_check.h"

namespace lstm {

// Some weight sets at a time, stage by stage: those of small sets overlap.
template <class T> struct Block {
  Memory memory;
  Stream stream;
  std::vector<Check<T>> checks;

  explicit Block(const Case &c)
      : memory(Stream::size(c) * sizeof(int) + 2 * LINE + Stream::sets_of(c) * Check<T>::bytes(c)),
        stream(c, memory) {
    if (memory.start)
      for (i64 s = 0; s < stream.sets; ++s) checks.emplace_back(c, memory);
  }

  // All but the comparison of `count` weight sets from `index` on.
  void prepare(i64 index, i64 count) {
    const i64 numbers = stream.counters * UNIFORMS_PER_COUNTER;
    const bool there = stream.sets > 1;  // all levels; else W and U are drawn where z is formed
    i64 drawn = there ? 0 : checks[0].set.weights() / UNIFORMS_PER_COUNTER;
    stream.seek(index);
    stream.draw_to(count * stream.counters, drawn, count * stream.counters);
    for (i64 s = 0; s < count; ++s) checks[s].set.take(stream.levels + s * numbers);
    for (i64 s = 0; s < count; ++s) checks[s].set.form(stream, there);
    for (i64 s = 0; s < count; ++s) checks[s].evaluate_rows();
    double radius[Stream::MOST_SETS] = {};
    for (i64 s = 0; s < count; ++s) radius[s] = checks[s].cube_of_radius();
#pragma omp simd
    for (i64 s = 0; s < Stream::MOST_SETS; ++s)
      radius[s] = smaller(1.0, exponential(portable_log(radius[s]) / 3));
    for (i64 s = 0; s < count; ++s) checks[s].choose_steps(radius[s]);
  }
};

template <class T>
int check_range(const Case &c, i64 start, i64 stop, Summary *summaries, Worst *worst) {
  Block<T> block(c);
  if (!block.memory.start) return 1;
  worst->ratio = -1;
  for (i64 index = start; index < stop; index += block.stream.sets) {
    const i64 count = smaller(block.stream.sets, stop - index);
    block.prepare(index, count);
    for (i64 s = 0; s < count; ++s)
      summaries[index + s - start] = block.checks[s].compare(index + s, *worst);
  }
  return 0;
}

// The whole of one weight set, for the tests: W (4, n, m), U (4, n, n), x (m), h, c, o (n).
template <class T>
int draw_set(const Case &c, i64 index, T *W, T *U, T *x, T *h_prev, T *c_prev, T *o_prev) {
  Block<T> block(c);
  if (!block.memory.start) return 1;
  block.prepare(index, 1);
  const WeightSet<T> &set = block.checks[0].set;
  const i64 n = set.n, m = set.m;
  for (i64 k = 0; k < 4 * n * m; ++k) W[k] = set.weight(set.W[k]);
  for (i64 k = 0; k < 4 * n * n; ++k) U[k] = set.weight(set.U[k]);
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
  Block<T> block(c);
  if (!block.memory.start) return 1;
  block.prepare(index, 1);
  Check<T> &check = block.checks[0];
  if (plain) check.near = false;
  const i64 n = check.set.n;
  for (i64 k = 0; k < n; ++k) {
    for (i64 j = 0; j < n; ++j) {
      Entry<T> e = check.one(k, j);
      claimed[k * n + j] = e.claimed;
      measured[k * n + j] = e.measured;
      bound[k * n + j] = check.bound(k) * (1 / check.step(j));
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
