// The full check of a range of weight sets on one core: a shared library for ctypes.
//
// Matrices are read a register at a time, past a row's end: what lies there is finite and meets a
// zero, in the vector that it is multiplied with or in the step of its column.
#include <stdlib.h>

#include <initializer_list>

#include "block.cuh"
#include "check.cuh"
#include "lanes.h"
#include "near.cuh"
#include "philox_avx512.h"
#include "weights.cuh"

namespace lstm {

constexpr i64 CHUNK = 2048;  // numbers drawn at once: 8 KiB of grid points, 16 KiB of weights

// Memory for one weight set, kept from set to set.
struct Memory {
  char *start, *next;

  explicit Memory(size_t bytes) {
    start = next = static_cast<char *>(aligned_alloc(LINE, (bytes + LINE - 1) / LINE * LINE));
    if (start) memset(start, 0, bytes);
  }
  Memory(const Memory &) = delete;
  ~Memory() { free(start); }
  template <class T> T *take(i64 count) {
    T *taken = reinterpret_cast<T *>(next);
    next += (count * sizeof(T) + LINE - 1) / LINE * LINE;
    return taken;
  }
};

constexpr i64 AT_ONCE = 16;  // counters
constexpr i64 OVER = AT_ONCE * UNIFORMS_PER_COUNTER;

#ifndef LSTM_PHILOX_AVX512
inline void draw_sixteen(Counter counter, Key key, u32 *out) {
#pragma omp simd
  for (i64 k = 0; k < AT_ONCE; ++k) {
    Words words = philox(advanced(counter, k), key);
    LSTM_UNROLL for (int w = 0; w < 4; ++w) {
      out[8 * k + 2 * w] = grid_point(words.w[w]);
      out[8 * k + 2 * w + 1] = grid_point(words.w[w] >> 32);
    }
  }
}
#endif

// The uniforms of one weight set, as points of their grid.
struct Stream {
  Key key;
  Counter start;

  Stream(const Case &c, i64 words, i64 index) : key{c.seed, c.stream} {
    Product before = product(index, (words + UNIFORMS_PER_COUNTER - 1) / UNIFORMS_PER_COUNTER);
    start = advanced({before.low, before.high}, 1);
  }

  // Words [first, last): the first is at the returned place in `out`, which is filled in whole
  // `AT_ONCE` counters.
  const u32 *draw(i64 first, i64 last, u32 *out) const {
    const i64 from = first / UNIFORMS_PER_COUNTER;
    const i64 count = (last + UNIFORMS_PER_COUNTER - 1) / UNIFORMS_PER_COUNTER - from;
    for (i64 k = 0; k < count; k += AT_ONCE)
      draw_sixteen(advanced(start, from + k), key, out + UNIFORMS_PER_COUNTER * k);
    return out + first % UNIFORMS_PER_COUNTER;
  }
};

template <class T> struct WeightSet {
  typedef typename Lanes<T>::V V;
  typedef typename Lanes<T>::Mask Mask;

  i64 n, m, words;
  T *U, *x, *h_prev, *c_prev, *o_prev;  // U (4, n, n)
  T *z, *reach;                         // W x + U h and |W||x| + |U||h|, (4, n)
  T *largest;                           // of |U_g[k, j]| in column j
  T *W;                                 // some of its rows
  u32 *points;

  static size_t bytes(const Case &c) {
    i64 n = c.hidden_size, m = c.input_size, longest = n > m ? n : m;
    i64 numbers = 4 * n * n + m + 12 * n + CHUNK + longest, lines = 10;
    return sizeof(T) * numbers + sizeof(u32) * (CHUNK + longest + 2 * OVER) + lines * 2 * LINE;
  }

  WeightSet(const Case &c, Memory &memory) : n(c.hidden_size), m(c.input_size) {
    const i64 over = LANES<T>, longest = n > m ? n : m;
    words = 4 * n * m + 4 * n * n + m + 3 * n;
    U = memory.take<T>(4 * n * n + over);
    x = memory.take<T>(m + over);
    h_prev = memory.take<T>(n + over);
    c_prev = memory.take<T>(n + over);
    o_prev = memory.take<T>(n + over);
    z = memory.take<T>(4 * n + over);
    reach = memory.take<T>(4 * n + over);
    largest = memory.take<T>(n + over);
    W = memory.take<T>(CHUNK + longest + over);
    points = memory.take<u32>(CHUNK + longest + 2 * OVER);
  }

  void draw_state(const Stream &stream) {
    const u32 *p = stream.draw(words - m - 3 * n, words, points);
#pragma omp simd
    for (i64 j = 0; j < m; ++j) x[j] = T(generic_input(p[j]));
    p += m;
#pragma omp simd
    for (i64 k = 0; k < n; ++k) {
      double y = generic_tanh_c(p[n + k]);
      o_prev[k] = T(generic_output(p[k]));
      h_prev[k] = o_prev[k] * T(y);
      c_prev[k] = T(portable_atanh(y));
    }
  }

  // Numbers [first, first + count) of the stream as weights.
  void draw_weights(const Case &c, const Stream &stream, i64 first, i64 count, T *out) {
    const u32 *p = stream.draw(first, first + count, points);
    const double scale = c.scale;
#pragma omp simd
    for (i64 j = 0; j < count; ++j) out[j] = T(pytorch_uniform(p[j], scale));
  }

  // One row of a matrix times a vector added to z, the same of their sizes to reach.
  LSTM_HD void add_product(const T *A, const T *v, i64 length, T &z_k, T &reach_k) {
    V sum = {}, size = {};
    for (i64 j = 0; j < length; j += LANES<T>) {
      V term = load(A + j) * load(v + j);
      sum += term;
      size += magnitude(term);
    }
    const Two<T> row = totals(sum, size);
    z_k += row.first;
    reach_k += row.second;
  }

  void raise_largest(const T *A, i64 rows) {
    for (i64 j = 0; j < n; j += LANES<T>) {
      V most = load(largest + j);
      for (i64 r = 0; r < rows; ++r) {
        V size = magnitude(load(A + r * n + j));
        most = size > most ? size : most;
      }
      memcpy(largest + j, &most, sizeof most);
    }
  }

  // Draw weight set `index` and form z on the way, some rows at a time.
  void draw(const Case &c, i64 index) {
    const Stream stream(c, words, index);
    draw_state(stream);
    for (i64 k = 0; k < 4 * n; ++k) z[k] = reach[k] = 0;
    for (i64 j = 0; j < n; ++j) largest[j] = 0;
    const i64 W_rows = CHUNK / m > 1 ? CHUNK / m : 1, U_rows = CHUNK / n > 1 ? CHUNK / n : 1;
    for (i64 k = 0; k < 4 * n; k += W_rows) {
      const i64 rows = smaller(W_rows, 4 * n - k);
      draw_weights(c, stream, k * m, rows * m, W);
      for (i64 r = 0; r < rows; ++r) add_product(W + r * m, x, m, z[k + r], reach[k + r]);
    }
    for (i64 k = 0; k < 4 * n; k += U_rows) {
      const i64 rows = smaller(U_rows, 4 * n - k);
      draw_weights(c, stream, 4 * n * m + k * n, rows * n, U + k * n);
      for (i64 r = k; r < k + rows; ++r) add_product(U + r * n, h_prev, n, z[r], reach[r]);
      raise_largest(U + k * n, rows);
    }
  }
};

template <class T> struct Check {
  typedef typename Lanes<T>::V V;
  typedef typename Lanes<T>::Mask Mask;

  WeightSet<T> set;
  double *delta, *linear, *cubic;
  T *i, *f, *u, *o, *c, *tanh_c;
  T *Q_i, *Q_f, *Q_o, *E_u, *E_c;
  T *bound, *step, *half_inverse, *gap, *size;
  bool near;  // the points are near enough to their centre for near.cuh

  static size_t bytes(const Case &of) {
    return WeightSet<T>::bytes(of) + of.hidden_size * (3 * 8 + 16 * sizeof(T)) + 19 * 2 * LINE;
  }

  Check(const Case &of, Memory &memory) : set(of, memory) {
    const i64 size_of_row = padded<T>(set.n);
    for (double **array : {&delta, &linear, &cubic}) *array = memory.take<double>(size_of_row);
    for (T **array : {&i, &f, &u, &o, &c, &tanh_c, &Q_i, &Q_f, &Q_o, &E_u, &E_c})
      *array = memory.take<T>(size_of_row);
    for (T **array : {&bound, &step, &half_inverse, &gap, &size})
      *array = memory.take<T>(size_of_row);
  }

  // The step at z^ and the parts of each row's bound.
  void rows() {
    const i64 n = set.n;
    const double g = gamma_of(2 * (n + set.m) + 4, Format<T>::UNIT_ROUNDOFF) * SLACK;
#pragma omp simd
    for (i64 k = 0; k < n; ++k) row_at(k, n, g);
  }

  LSTM_HD void row_at(i64 k, i64 n, double g) {
    T z[GATES] = {set.z[k], set.z[n + k], set.z[2 * n + k], set.z[3 * n + k]};
    double dz[GATES] = {g * set.reach[k], g * set.reach[n + k], g * set.reach[2 * n + k],
                        g * set.reach[3 * n + k]};
    Step<T> s = activate(z, set.c_prev[k]);
    RowBound b = row_bound(s, z, dz, double(set.c_prev[k]));
    delta[k] = b.delta, linear[k] = b.linear, cubic[k] = b.cubic;
    i[k] = s.i, f[k] = s.f, u[k] = s.u, o[k] = s.o, c[k] = s.c, tanh_c[k] = s.tanh_c;
    Centre<T> at = centre_of(z, s.c, set.c_prev[k]);
    Q_i[k] = at.Q_i, Q_f[k] = at.Q_f, Q_o[k] = at.Q_o, E_u[k] = at.E_u, E_c[k] = at.E_c;
  }

  // The radius that minimises the bound, the steps, and with them the bounds.
  void steps() {
    const i64 n = set.n;
    double most_delta = 0, most_cubic = 0, most_c = 0;
    for (i64 k = 0; k < n; ++k) {
      most_c = larger(double(magnitude(set.c_prev[k])), most_c);
      most_delta = larger(delta[k], most_delta);
      most_cubic = larger(cubic[k], most_cubic);
    }
    const double r = smaller(1.0, cbrt(3 * most_delta / most_cubic));
    near = reach_of_points(r, most_c) <= Near<T>::LIMIT;
    double outside = 0;
    for (i64 j = 0; j < n; ++j) {
      const double s = step_size(r, double(set.largest[j]));
      if (s <= power_of_two(LEAST_EXPONENT)) outside = INFINITY;
      step[j] = T(s);
      half_inverse[j] = T(1 / (2 * s));
    }
    for (i64 k = 0; k < n; ++k)
      bound[k] = T((outside + delta[k] + r * (linear[k] + r * r * (cubic[k] / 6))) * SLACK);
  }

  Row<T> row(i64 k) const {
    const i64 n = set.n;
    T z[GATES] = {set.z[k], set.z[n + k], set.z[2 * n + k], set.z[3 * n + k]};
    return row_of({i[k], f[k], u[k], o[k], 0, tanh_c[k], 0}, z, set.c_prev[k]);
  }

  Centre<T> centre(i64 k) const {
    return {Q_i[k], Q_f[k], Q_o[k], E_u[k], E_c[k], c[k], set.c_prev[k]};
  }

  template <bool NEAR>
  LSTM_HD Entry<T> at(const Row<T> &row, const Centre<T> &centre, i64 k, i64 j) const {
    const i64 n = set.n;
    const T *U = set.U + k * n + j;
    T own[GATES] = {U[0], U[n * n], U[2 * n * n], U[3 * n * n]};
    T change = NEAR ? change_near(centre, own, step[j]) : change_of_hidden(row, own, step[j]);
    return {hidden_jacobian(row, own), change * half_inverse[j]};
  }

  // |claimed - measured| s_j and |measured| s_j: over the row's bound, error over bound.
  template <bool NEAR>
  LSTM_HD void compare(const Row<T> &row, const Centre<T> &centre, i64 k, i64 j) const {
    Entry<T> e = at<NEAR>(row, centre, k, j);
    gap[j] = magnitude(e.claimed - e.measured) * step[j];
    size[j] = magnitude(e.measured) * step[j];
  }

  // `compare` at the first n columns of row k, and at what fills the last register.
  template <bool NEAR> void compare_row(i64 k) const {
    const Row<T> own = row(k);
    const Centre<T> at = centre(k);
    const i64 columns = padded<T>(set.n);
#pragma omp simd
    for (i64 j = 0; j < columns; ++j) compare<NEAR>(own, at, k, j);
  }

  Entry<T> one(i64 k, i64 j) const {
    return near ? at<true>(row(k), centre(k), k, j) : at<false>(row(k), centre(k), k, j);
  }

  Summary entries(i64 index, Worst &worst) const {
    const i64 n = set.n, columns = padded<T>(n);
    V ratio = {}, finite = {};  // finite: 0, or NaN where something is not
    Mask worst_row = {}, decisive = {};
    for (i64 k = 0; k < n; ++k) {
      near ? compare_row<true>(k) : compare_row<false>(k);
      V most = {};
      for (i64 j = 0; j < columns; j += LANES<T>) {
        V error = load(gap + j);
        most = error > most ? error : most;
        finite += error - error;
        decisive |= load(size + j) > bound[k];
      }
      most /= bound[k];
      worst_row = most > ratio ? Mask{} + int(k) : worst_row;
      ratio = most > ratio ? most : ratio;
    }
    T largest_ratio = 0, widest = 0, least_step = step[0];
    i64 at_row = n;
    bool any_decisive = false;
    for (i64 l = 0; l < LANES<T>; ++l) {
      any_decisive |= decisive[l] != 0;
      if (ratio[l] > largest_ratio) largest_ratio = ratio[l], at_row = n;
      if (ratio[l] == largest_ratio) at_row = smaller(i64(worst_row[l]), at_row);
    }
    T bounds_finite = 0;
    for (i64 k = 0; k < n; ++k) {
      bounds_finite += bound[k] - bound[k];
      widest = larger(bound[k], widest);
      least_step = smaller(step[k], least_step);
    }
    const bool decided = totals(finite, finite).first + bounds_finite == 0;
    if (decided && largest_ratio > worst.ratio) worst = locate(index, largest_ratio, at_row);
    return {double(largest_ratio), double(widest * (1 / least_step)), decided,
            decided && any_decisive};
  }

  // The first entry of row k with its largest ratio.
  Worst locate(i64 index, T ratio, i64 k) const {
    Worst found = {};
    T largest = -1;
    for (i64 j = 0; j < set.n; ++j) {
      Entry<T> e = one(k, j);
      T error = magnitude(e.claimed - e.measured);
      if (error * step[j] > largest) {
        largest = error * step[j];
        found = {double(ratio), double(error), double(bound[k] * (1 / step[j])),
                 double(e.claimed), double(e.measured), index, k, j};
      }
    }
    return found;
  }
};

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
  for (i64 k = 0; k < 4 * n; ++k) set.draw_weights(c, stream, k * m, m, W + k * m);
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

// The range by `Block`, as the kernels run it, with `threads` threads one after another: for the
// tests.
template <class T>
int check_by_block(const Case &c, i64 start, i64 stop, i64 threads, Found *found) {
  Memory memory(Block<T>::bytes(c, threads));
  if (!memory.start) return 1;
  Block<T> block;
  block.place(c, threads, memory.start);
  for (i64 index = start; index < stop; ++index) {
    for (i64 t = 0; t < threads; ++t) block.draw_state(t, index);
    for (i64 t = 0; t < threads; ++t) block.draw_weights(t, index);
    for (i64 t = 0; t < threads; ++t) block.rows(t);
    for (i64 t = 0; t < threads; ++t) block.steps(t);
    for (i64 t = 0; t < threads; ++t) block.entries(t);
    found[index - start] = block.found(index);
  }
  return 0;
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
  extern "C" int check_by_block_##NAME(const lstm::Case *c, long long start, long long stop,       \
                                       long long threads, lstm::Found *found) {                    \
    return lstm::check_by_block<T>(*c, start, stop, threads, found);                               \
  }                                                                                                \
  extern "C" int evaluate_##NAME(const T *z, long long count, T *exp, T *sigma, T *tanh) {         \
    lstm::evaluate<T>(z, count, exp, sigma, tanh);                                                 \
    return 0;                                                                                      \
  }

LSTM_EXPORT(double, float64)
LSTM_EXPORT(float, float32)
