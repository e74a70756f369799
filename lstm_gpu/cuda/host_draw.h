// Drawing one weight set on a core, a few rows at a time while they are in the first-level cache:
// W is used once, for W x, and not kept; U is, since the differences need its columns' largest
// entries before its first row.
//
// Matrices are read a register at a time, past a row's end: what lies there is finite and meets a
// zero, in the vector that it is multiplied with or in the step of its column.
#pragma once
#include <stdlib.h>

#include "lanes.h"
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

}  // namespace lstm
