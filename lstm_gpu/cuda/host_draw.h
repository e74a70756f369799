// Drawing weight sets on a core, a few rows at a time while they are in the first-level cache, and
// small sets several at a time. Weights are kept as the levels that they were drawn at.
//
// Matrices are read a register at a time, past a row's end: what is read there is finite and meets a
// zero, in the vector that it is multiplied with or in the step of its column.
#pragma once
#include <stdlib.h>

#include "lanes.h"
#include "philox_avx512.h"
#include "weights.cuh"

namespace lstm {

// Memory for some weight sets, kept from set to set.
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

// A number of the stream, k 2^-24 in [0, 1), as the integer 2^8 (k - 2^23): by its bits alone from a
// half word, and 2^32 times its distance from the middle.
LSTM_HD int level_of(u64 half) { return int((u32(half) & 0xFFFFFF00) ^ 0x80000000); }
constexpr double LEVEL_SPACING = UNIFORM_SPACING / 256, MOST_LEVEL = 0x1p31;

#ifndef LSTM_PHILOX_AVX512
constexpr i64 BATCH = 32;  // counters
#endif

LSTM_HD i64 counters_for(i64 numbers) {
  return (numbers + UNIFORMS_PER_COUNTER - 1) / UNIFORMS_PER_COUNTER;
}

// The random numbers of a key.
struct Generator {
  static constexpr i64 OVER = 15;  // counters that may be drawn beyond those asked for

  Key key;
#ifdef LSTM_PHILOX_AVX512
  Schedule schedule;

  explicit Generator(Key own) : key(own), schedule(own) {}
#else
  explicit Generator(Key own) : key(own) {}
#endif

  // Levels of `count` counters from `counter` on.
  void draw(Counter counter, i64 count, int *levels) {
#ifdef LSTM_PHILOX_AVX512
    if (counter.low <= ~u64(count + OVER)) {
      schedule.set(counter.high);
      return draw_many(schedule, counter.low, count, levels);
    }
#endif
#pragma omp simd
    for (i64 k = 0; k < count; ++k) {
      Words words = philox(advanced(counter, k), key);
      LSTM_UNROLL for (int w = 0; w < 4; ++w) {
        levels[8 * k + 2 * w] = level_of(words.w[w]);
        levels[8 * k + 2 * w + 1] = level_of(words.w[w] >> 32);
      }
    }
  }
};

// The levels of some weight sets one after another. Each set begins with a counter of its own.
struct Stream {
  static constexpr i64 MOST_SETS = 16;

  Generator generator;
  i64 counters, sets;  // of a set; sets that are held at once
  Counter start;
  int *levels;

  static i64 counters_of(const Case &c) {
    i64 n = c.hidden_size, m = c.input_size;
    return counters_for(4 * n * (m + n) + m + 3 * n);
  }
  // As many as share the first-level cache with what is made of them.
  static i64 sets_of(const Case &c) {
    return larger(i64(1), smaller(MOST_SETS, 640 / counters_of(c)));
  }
  static i64 size(const Case &c) {
    return (counters_of(c) * sets_of(c) + Generator::OVER) * UNIFORMS_PER_COUNTER;
  }

  Stream(const Case &c, Memory &memory)
      : generator({c.seed, c.stream}), counters(counters_of(c)), sets(sets_of(c)),
        levels(memory.take<int>(size(c))) {}

  // Go to the sets from `index` on.
  void seek(i64 index) {
    const Product before = product(index, counters);
    start = advanced({before.low, before.high}, 1);
  }

  // Draw from counter `drawn` on until counter `last` is there; in whole batches as far as `end`.
  void draw_to(i64 last, i64 &drawn, i64 end) {
    if (last <= drawn) return;
    const i64 count = smaller((last - drawn + BATCH - 1) / BATCH * BATCH, end - drawn);
    generator.draw(advanced(start, drawn), count, levels + drawn * UNIFORMS_PER_COUNTER);
    drawn += count;
  }
};

template <class T> struct WeightSet {
  typedef typename Lanes<T>::V V;
  typedef typename Lanes<T>::Integers Integers;
  typedef typename Lanes<T>::Sizes Sizes;

  i64 n, m;
  double unit;       // of a level
  const int *W, *U;  // levels, (4, n, m) and (4, n, n)
  T *x, *h_prev, *c_prev, *o_prev;
  T *z;              // W x + U h, (4, n)
  T *reach;          // |W||x| + |U||h|, (4, n), if that is `sharp`
  double most_reach; // what none of it is above, since no level is above MOST_LEVEL
  u32 *largest;      // of |levels of U_g[k, j]| in column j
  // Whether the errors of z and of the formula are wanted sharply, and not from the largest weights and
  // the sup norms alone. Both are multiplied with the radius, about 2^-16 in float64: as long as z's,
  // gamma reach, is so small, a bound gets less than 2 % larger, for much less work.
  bool sharp;

  static bool wants_sharp(const Case &c) {
    const double longest = double(c.hidden_size + c.input_size);
    return sizeof(T) == sizeof(float) || longest * longest * c.scale > 32768;
  }

  static size_t bytes(const Case &c) {
    i64 n = c.hidden_size, m = c.input_size, arrays = 7;
    return sizeof(T) * (m + 12 * n) + arrays * 2 * LINE;
  }

  WeightSet(const Case &c, Memory &memory) : n(c.hidden_size), m(c.input_size) {
    const i64 over = LANES<T>;
    unit = LEVEL_SPACING * c.scale;
    sharp = wants_sharp(c);
    x = memory.take<T>(m + over);
    h_prev = memory.take<T>(n + over);
    c_prev = memory.take<T>(n + over);
    o_prev = memory.take<T>(n + over);
    z = memory.take<T>(4 * n + over);
    reach = memory.take<T>(4 * n + over);
    largest = memory.take<u32>(n + over);
  }

  // A weight as NumPy rounds it, uniform on ±1/√n.
  LSTM_HD T weight(int level) const { return T(double(level) * unit); }

  i64 weights() const { return 4 * n * (m + n); }

  // The set whose levels these are: its state, by the law of weights.cuh. k 2^-24 is
  // level 2^-32 + 1/2, exactly.
  void take(const int *levels) {
    W = levels, U = levels + 4 * n * m;
    levels += weights();
#pragma omp simd
    for (i64 j = 0; j < m; ++j) x[j] = T(0x1p-31 * double(levels[j]));
    levels += m;
#pragma omp simd
    for (i64 k = 0; k < n; ++k) {
      const double y = 0.95 * (0x1p-31 * double(levels[n + k]));
      o_prev[k] = T(0.05 + 0.95 * (0x1p-32 * double(levels[k]) + 0.5));
      h_prev[k] = o_prev[k] * T(y);
      c_prev[k] = T(portable_atanh(y));
    }
  }

  // Rows [first, first + ROWS): z and reach in units of a level, and what the largest of U's columns
  // become.
  template <bool SHARP, i64 ROWS> LSTM_HD void form_rows(i64 first) {
    const i64 n = this->n, m = this->m;
    const int *const w = W + first * m, *const u = U + first * n;
    T *const x = this->x, *const h_prev = this->h_prev;
    u32 *const largest = this->largest;
    V sum[ROWS] = {}, size[ROWS] = {};
    for (i64 j = 0; j < m; j += LANES<T>) {
      const V own = load(x + j), own_size = magnitude(own);
      LSTM_UNROLL for (i64 r = 0; r < ROWS; ++r) {
        const V level = as_reals(load_integers<T>(w + r * m + j));
        sum[r] = multiply_add(level, own, sum[r]);
        if (SHARP) size[r] = multiply_add(magnitude(level), own_size, size[r]);
      }
    }
    for (i64 j = 0; j < n; j += LANES<T>) {
      const V own = load(h_prev + j), own_size = magnitude(own);
      Sizes most = load_sizes<T>(largest + j);
      LSTM_UNROLL for (i64 r = 0; r < ROWS; ++r) {
        const Integers k = load_integers<T>(u + r * n + j);
        const Sizes distance = (Sizes)(k < 0 ? -k : k);
        most = distance > most ? distance : most;
        const V level = as_reals(k);
        sum[r] = multiply_add(level, own, sum[r]);
        if (SHARP) size[r] = multiply_add(magnitude(level), own_size, size[r]);
      }
      memcpy(largest + j, &most, sizeof most);
    }
    store_sums<ROWS>(sum, z + first);
    if (SHARP) store_sums<ROWS>(size, reach + first);
  }

  // Rows [first, end), a multiple of 4 of them.
  template <bool SHARP> void form_rows(i64 first, i64 end) {
    for (; first + 8 <= end; first += 8) form_rows<SHARP, 8>(first);
    if (first < end) form_rows<SHARP, 4>(first);
  }

  // z, its reach and the largest of U's columns. Unless all levels are `there`, W and U are drawn on
  // the way.
  void form(Stream &stream, bool there) {
    for (i64 j = 0; j < n; ++j) largest[j] = 0;
    constexpr i64 AT_ONCE = 2048;  // levels, 8 KiB
    const i64 rows = there ? 4 * n : larger(i64(8), AT_ONCE / larger(n, m) / 8 * 8);
    const i64 end_of_W = counters_for(4 * n * m), end_of_U = counters_for(weights());
    i64 of_W = 0, of_U = 4 * n * m / UNIFORMS_PER_COUNTER;  // counters drawn of each
    for (i64 first = 0; first < 4 * n; first += rows) {
      const i64 end = smaller(first + rows, 4 * n);
      if (!there) {
        stream.draw_to(counters_for(end * m), of_W, end_of_W);
        stream.draw_to(counters_for(4 * n * m + end * n), of_U, end_of_U);
      }
      sharp ? form_rows<true>(first, end) : form_rows<false>(first, end);
    }
    const T scale = T(unit);
#pragma omp simd
    for (i64 k = 0; k < 4 * n; ++k) z[k] *= scale;
    if (sharp) {
#pragma omp simd
      for (i64 k = 0; k < 4 * n; ++k) reach[k] *= scale;
    } else {
      V size = {};
      for (i64 j = 0; j < m; j += LANES<T>) size += magnitude(load(x + j));
      for (i64 k = 0; k < n; k += LANES<T>) size += magnitude(load(h_prev + k));
      most_reach = MOST_LEVEL * unit * double(folds_of_groups<Sum, LANES<T>>(size)[0]);
    }
  }
};

}  // namespace lstm
