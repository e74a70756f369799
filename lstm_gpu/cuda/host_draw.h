// Drawing one weight set on a core, a few rows at a time while they are in the first-level cache:
// W is used once, for W x, and not kept; U is, since the differences need its columns' largest
// entries before its first row.
//
// Matrices are read and written a register at a time, past a row's end: what is read there is
// finite and meets a zero, in the vector that it is multiplied with or in the step of its column;
// what is written there are the next row's first entries, or is written over.
#pragma once
#include <stdlib.h>

#include "lanes.h"
#include "philox_avx512.h"
#include "weights.cuh"

namespace lstm {

constexpr i64 ROWS = 4;      // that share a pass over x and h_{t-1}
constexpr i64 CHUNK = 2048;  // numbers drawn at once of each matrix: 8 KiB of grid points

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

constexpr i64 AT_ONCE = 32;  // counters
constexpr i64 OVER = AT_ONCE * UNIFORMS_PER_COUNTER;

// Grid points of `count` counters from `counter` on, and up to `AT_ONCE` - 1 more.
inline void draw_counters(Counter counter, Key key, i64 count, u32 *out) {
#ifdef LSTM_PHILOX_AVX512
  if (counter.low <= ~u64(count + AT_ONCE)) {
    i64 k = 0;
    for (; k + 8 < count; k += AT_ONCE)
      draw_eights<AT_ONCE / 8>(advanced(counter, k), key, out + UNIFORMS_PER_COUNTER * k);
    if (k < count) draw_eights<1>(advanced(counter, k), key, out + UNIFORMS_PER_COUNTER * k);
    return;
  }
#endif
#pragma omp simd
  for (i64 k = 0; k < count; ++k) {
    Words words = philox(advanced(counter, k), key);
    LSTM_UNROLL for (int w = 0; w < 4; ++w) {
      out[8 * k + 2 * w] = grid_point(words.w[w]);
      out[8 * k + 2 * w + 1] = grid_point(words.w[w] >> 32);
    }
  }
}

// The uniforms of one weight set, as points of their grid.
struct Stream {
  Key key;
  Counter start;

  Stream(const Case &c, i64 words, i64 index) : key{c.seed, c.stream} {
    Product before = product(index, (words + UNIFORMS_PER_COUNTER - 1) / UNIFORMS_PER_COUNTER);
    start = advanced({before.low, before.high}, 1);
  }

  // Words [first, last): the first is at the returned place in `out`, which is filled in whole
  // counters.
  const u32 *draw(i64 first, i64 last, u32 *out) const {
    const i64 from = first / UNIFORMS_PER_COUNTER;
    const i64 count = (last + UNIFORMS_PER_COUNTER - 1) / UNIFORMS_PER_COUNTER - from;
    draw_counters(advanced(start, from), key, count, out);
    return out + first % UNIFORMS_PER_COUNTER;
  }
};

// A register of weights, as `pytorch_uniform` makes them; unit = 2^-24 scale.
LSTM_HD Lanes<double>::V weights(Lanes<double>::Integers from_middle, double unit) {
  return as_reals(from_middle) * unit;
}
LSTM_HD Lanes<float>::V weights(Lanes<float>::Integers from_middle, double unit) {
  typedef float Half __attribute__((vector_size(LINE / 2)));
  Lanes<double>::Integers k[2];
  memcpy(k, &from_middle, sizeof k);
  const Half a = __builtin_convertvector(weights(k[0], unit), Half);
  const Half b = __builtin_convertvector(weights(k[1], unit), Half);
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

template <class T> struct WeightSet {
  typedef typename Lanes<T>::V V;
  typedef typename Lanes<T>::Integers Integers;

  i64 n, m, words;
  double unit;
  T *U, *x, *h_prev, *c_prev, *o_prev;  // U (4, n, n)
  T *z, *reach;                         // W x + U h and |W||x| + |U||h|, (4, n)
  int *largest;                         // of |U_g[k, j]|/unit in column j
  u32 *W_points, *U_points;             // of some rows

  static size_t bytes(const Case &c) {
    i64 n = c.hidden_size, m = c.input_size, longest = n > m ? n : m;
    i64 numbers = 4 * n * n + m + 12 * n, lines = 10;
    return sizeof(T) * numbers + 2 * sizeof(u32) * points(longest) + lines * 2 * LINE;
  }

  static i64 points(i64 longest) { return CHUNK + ROWS * longest + 2 * OVER; }

  WeightSet(const Case &c, Memory &memory) : n(c.hidden_size), m(c.input_size) {
    const i64 over = LANES<T>, longest = n > m ? n : m;
    words = 4 * n * m + 4 * n * n + m + 3 * n;
    unit = UNIFORM_SPACING * c.scale;
    U = memory.take<T>(4 * n * n + over);
    x = memory.take<T>(m + over);
    h_prev = memory.take<T>(n + over);
    c_prev = memory.take<T>(n + over);
    o_prev = memory.take<T>(n + over);
    z = memory.take<T>(4 * n + over);
    reach = memory.take<T>(4 * n + over);
    largest = memory.take<int>(n + over);
    for (u32 **array : {&W_points, &U_points}) *array = memory.take<u32>(points(longest));
  }

  void draw_state(const Stream &stream) {
    const u32 *p = stream.draw(words - m - 3 * n, words, W_points);
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

  static LSTM_HD Integers from_middle(const u32 *points) {
    Integers k;
    memcpy(&k, points, sizeof k);
    return k - MIDDLE;
  }

  // Rows [first, first + ROWS): z and reach from W and U, U itself, and what the largest of its
  // columns become.
  LSTM_HD void draw_rows(i64 first, const u32 *w, const u32 *u) {
    const i64 n = this->n, m = this->m;
    T *const x = this->x, *const h_prev = this->h_prev, *const U = this->U + first * n;
    int *const largest = this->largest;
    V sum[ROWS] = {}, size[ROWS] = {};
    for (i64 j = 0; j < m; j += LANES<T>) {
      const V own = load(x + j);
      LSTM_UNROLL for (i64 r = 0; r < ROWS; ++r) {
        const V term = weights(from_middle(w + r * m + j), unit) * own;
        sum[r] += term;
        size[r] += magnitude(term);
      }
    }
    for (i64 j = 0; j < n; j += LANES<T>) {
      const V own = load(h_prev + j);
      Integers most;
      memcpy(&most, largest + j, sizeof most);
      LSTM_UNROLL for (i64 r = 0; r < ROWS; ++r) {
        const Integers k = from_middle(u + r * n + j), distance = k < 0 ? -k : k;
        most = distance > most ? distance : most;
        const V weight = weights(k, unit), term = weight * own;
        store(weight, U + r * n + j);
        sum[r] += term;
        size[r] += magnitude(term);
      }
      memcpy(largest + j, &most, sizeof most);
    }
    totals(sum, size, z + first, reach + first);
  }

  // Draw weight set `index` and form z on the way, some rows at a time.
  void draw(const Case &c, i64 index) {
    const Stream stream(c, words, index);
    draw_state(stream);
    for (i64 j = 0; j < n; ++j) largest[j] = 0;
    const i64 at_once = larger(ROWS, CHUNK / larger(n, m) / ROWS * ROWS);
    for (i64 k = 0; k < 4 * n; k += at_once) {
      const i64 end = smaller(k + at_once, 4 * n);
      const u32 *w = stream.draw(k * m, end * m, W_points);
      const u32 *u = stream.draw(4 * n * m + k * n, 4 * n * m + end * n, U_points);
      for (i64 r = k; r < end; r += ROWS)
        draw_rows(r, w + (r - k) * m, u + (r - k) * n);
    }
  }
};

}  // namespace lstm
