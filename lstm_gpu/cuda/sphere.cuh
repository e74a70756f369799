// The search of the unit sphere (lstm_gpu/sphere): directions, drawn by teams of threads, and their
// products with rows of U_f in tiles, with the exact identity and the running maximum in the
// epilogue. Phases of threads, as in team.cuh.
//
// Per sample, row and component: a multiply-add each for w·h and d·h, of which the epilogue makes
// ‖h - d‖² (squares.py); nothing of size samples × rows is written. From shared memory come 3 numbers
// per 8 multiply-adds of a thread. Per sample and component drawn: an eighth of Philox, some 30
// operations of double, or 80 and a square root in the tails. Not measured.
#pragma once
#include "normal.cuh"

namespace lstm {

// What samples are drawn: `index` of the stream is set · 2^40 + sample.
struct Draw {
  u64 seed, stream;
  i64 size, first_set, first_sample, samples;  // length n of a direction; samples of each set
};

// A direction by a team; vector, squares (n): its working memory.
template <class T> struct Direction {
  const Draw &of;
  double *vector, *squares;
  int threads;

  LSTM_HD Counter start(i64 set, i64 sample) const {
    const u64 counters = u64((of.size + UNIFORMS_PER_COUNTER - 1) / UNIFORMS_PER_COUNTER);
    const u64 low = (u64(set) << 40) + u64(sample), high = u64(set) >> 24;
    const Product before = product(low, counters);
    return advanced({before.low, before.high + high * counters}, 1);
  }

  LSTM_HD void draw(int thread, i64 set, i64 sample) const {
    const Counter first = start(set, sample);
    for (i64 q = thread; q * UNIFORMS_PER_COUNTER < of.size; q += threads) {
      const Words words = philox(advanced(first, u64(q)), {of.seed, of.stream});
      for (int w = 0; w < UNIFORMS_PER_COUNTER; ++w) {
        const i64 j = q * UNIFORMS_PER_COUNTER + w;
        if (j >= of.size) break;
        const u64 word = w < 4 ? (w < 2 ? words.w[0] : words.w[1])
                               : (w < 6 ? words.w[2] : words.w[3]);
        const double value = standard_normal(grid_point(w % 2 ? word >> 32 : word));
        vector[j] = value;
        squares[j] = value * value;
      }
    }
  }

  // A round of `tree_sum`: of `count` terms the first half, rounded up, is kept.
  LSTM_HD void halve(int thread, i64 count) const {
    const i64 kept = (count + 1) / 2;
    for (i64 j = thread; j < count - kept; j += threads) squares[j] += squares[kept + j];
  }

  LSTM_HD void write(int thread, T *out) const {
    const double length = sqrt(squares[0]);
    for (i64 j = thread; j < of.size; j += threads)
      out[j] = length == 0 ? T(j == 0) : T(vector[j] / length);
  }
};

template <class A, class T, class Each>
LSTM_HD void draw_direction(const A &team, i64 set, i64 sample, T *out, const Each &each) {
  each([&](int t) { team.draw(t, set, sample); });
  for (i64 count = team.of.size; count > 1; count = (count + 1) / 2)
    each([&](int t) { team.halve(t, count); });
  each([&](int t) { team.write(t, out); });
}

// --- The product ---------------------------------------------------------------------------------

constexpr int TILE = 64, DEPTH = 16, SIDE = 16, EACH = TILE / SIDE;  // rows, samples; components
constexpr int PRODUCT_THREADS = SIDE * SIDE, PITCH = TILE + 1, MOST_GATES_OF_A_SEARCH = 2;

// What is on trial, by gate and weight set and row; `search.Claim` and what W_f x + b_f adds to z.
template <class T> struct Claims {
  const T *U, *direction;                // (sets, n, n)
  const T *half_norm, *norms;            // (sets, n): ‖w‖/2, ‖d‖²
  const T *driven, *top, *fixed, *growing;  // (gates, sets, n)
};

// `search.Worst` and `search.Best` of a row; samples are counted from the first of the search.
template <class T> struct Found {
  T ratio, measured, square, z, lowest;
  int sample, best, above;
};

template <class T> LSTM_HD bool worse(const Found<T> &a, const Found<T> &b) {
  const bool a_none = a.ratio != a.ratio, b_none = b.ratio != b.ratio;  // no number is worst
  if (a_none != b_none) return a_none;
  if (!a_none && a.ratio != b.ratio) return a.ratio > b.ratio;
  if (a.ratio == 0 && a.measured != b.measured) return a.measured > b.measured;
  return a.sample < b.sample;
}

template <class T> LSTM_HD void join(Found<T> &own, const Found<T> &other) {
  if (worse(other, own))
    own.ratio = other.ratio, own.measured = other.measured, own.square = other.square,
    own.sample = other.sample;
  if (other.z > own.z || (other.z == own.z && other.best < own.best))
    own.z = other.z, own.best = other.best;
  own.lowest = smaller(other.lowest, own.lowest);
  own.above += other.above;
}

template <class T> LSTM_HD Found<T> none_found() {
  const T infinity = T(from_bits(u64(0x7FF0000000000000)));
  return {-1, -infinity, 0, -infinity, infinity, 0x7FFFFFFF, 0x7FFFFFFF, 0};
}

// The shared memory of a block: a tile of rows, directions and samples, component by component.
template <class T> struct Tiles {
  T row[DEPTH][PITCH], direction[DEPTH][PITCH], sample[DEPTH][PITCH];
  Found<T> candidates[SIDE][SIDE];
  Found<T> found[MOST_GATES_OF_A_SEARCH][TILE];
};

// What a thread holds: rows thread/16 + 16 i, samples thread%16 + 16 j.
template <class T> struct Held {
  T z[EACH][EACH], dot[EACH][EACH];
};

template <class T> struct Search {
  const Claims<T> &claims;
  const T *h, *norms;  // (sets, samples, n); ‖h‖² (sets, samples)
  Tiles<T> &tiles;
  int size, gates, samples;
  i64 sets, set;
  int first_row, first_sample;  // of the tile
  int before;                   // samples of earlier launches

  LSTM_HD i64 row_of(int row) const { return set * size + first_row + row; }

  // A block of components of the tile, zeros beyond the end.
  LSTM_HD void load(int thread, int component) const {
    const int k = thread % DEPTH, j = component + k;
    for (int i = thread / DEPTH; i < TILE; i += PRODUCT_THREADS / DEPTH) {
      const bool row = first_row + i < size && j < size;
      const bool sample = first_sample + i < samples && j < size;
      tiles.row[k][i] = row ? claims.U[row_of(i) * size + j] : T(0);
      tiles.direction[k][i] = row ? claims.direction[row_of(i) * size + j] : T(0);
      tiles.sample[k][i] = sample ? h[(set * samples + first_sample + i) * size + j] : T(0);
    }
  }

  LSTM_HD void multiply(int thread, Held<T> &held) const {
    const int r = thread / SIDE, s = thread % SIDE;
    LSTM_UNROLL for (int k = 0; k < DEPTH; ++k) {
      T row[EACH], direction[EACH], sample[EACH];
      LSTM_UNROLL for (int i = 0; i < EACH; ++i) {
        row[i] = tiles.row[k][r + SIDE * i];
        direction[i] = tiles.direction[k][r + SIDE * i];
        sample[i] = tiles.sample[k][s + SIDE * i];
      }
      LSTM_UNROLL for (int i = 0; i < EACH; ++i) LSTM_UNROLL for (int j = 0; j < EACH; ++j) {
        held.z[i][j] = multiply_add(row[i], sample[j], held.z[i][j]);
        held.dot[i][j] = multiply_add(direction[i], sample[j], held.dot[i][j]);
      }
    }
  }

  // The identity at the thread's samples of its row i.
  template <int I> LSTM_HD void examine(int thread, int gate, const Held<T> &held) const {
    const int r = thread / SIDE, s = thread % SIDE, row = r + SIDE * I;
    Found<T> own = none_found<T>();
    if (first_row + row < size) {
      const i64 at = gate * sets * size + row_of(row);
      const T driven = claims.driven[at], top = claims.top[at], fixed = claims.fixed[at];
      const T growing = claims.growing[at], half_norm = claims.half_norm[row_of(row)];
      const T norm = claims.norms[row_of(row)];
      LSTM_UNROLL for (int j = 0; j < EACH; ++j) {
        const int sample = first_sample + s + SIDE * j;
        if (sample >= samples) break;
        const T z = driven + held.z[I][j], measured = top - z;
        const T square = norm + norms[set * samples + sample] - 2 * held.dot[I][j];
        const T bound = square * growing + fixed;
        const T ratio = magnitude(measured - square * half_norm) / bound;
        const Found<T> one = {ratio,           measured,        square, z, z,
                              before + sample, before + sample, measured < -bound};
        join(own, one);
      }
    }
    tiles.candidates[r][s] = own;
  }

  template <int I> LSTM_HD void keep(int thread, int gate) const {
    if (thread >= SIDE) return;
    Found<T> own = tiles.found[gate][thread + SIDE * I];
    for (int s = 0; s < SIDE; ++s) join(own, tiles.candidates[thread][s]);
    tiles.found[gate][thread + SIDE * I] = own;
  }

  // What earlier launches found, and what is handed on: (gates, sets, n).
  LSTM_HD void begin(int thread, const Found<T> *found) const {
    for (int r = thread; r < TILE * gates; r += PRODUCT_THREADS) {
      const int gate = r / TILE, row = r % TILE;
      if (first_row + row < size)
        tiles.found[gate][row] = before ? found[gate * sets * size + row_of(row)] : none_found<T>();
    }
  }
  LSTM_HD void end(int thread, Found<T> *found) const {
    for (int r = thread; r < TILE * gates; r += PRODUCT_THREADS) {
      const int gate = r / TILE, row = r % TILE;
      if (first_row + row < size) found[gate * sets * size + row_of(row)] = tiles.found[gate][row];
    }
  }
};

template <int I, class T, class Each, class Store>
LSTM_HD void examine_rows(const Search<T> &search, const Each &each, const Store &held) {
  for (int gate = 0; gate < search.gates; ++gate) {
    each([&](int t) { search.template examine<I>(t, gate, held(t)); });
    each([&](int t) { search.template keep<I>(t, gate); });
  }
  if constexpr (I + 1 < EACH) examine_rows<I + 1>(search, each, held);
}

// All samples with a tile of rows. held(t): the `Held` of a thread.
template <class T, class Each, class Store>
LSTM_HD void search_rows(Search<T> &search, Found<T> *found, const Each &each, const Store &held) {
  each([&](int t) { search.begin(t, found); });
  for (int first = 0; first < search.samples; first += TILE) {
    search.first_sample = first;
    each([&](int t) { held(t) = {}; });
    for (int component = 0; component < search.size; component += DEPTH) {
      each([&](int t) { search.load(t, component); });
      each([&](int t) { search.multiply(t, held(t)); });
    }
    examine_rows<0>(search, each, held);
  }
  each([&](int t) { search.end(t, found); });
}

}  // namespace lstm
