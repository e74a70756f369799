// The search of the unit sphere (lstm_gpu/sphere/search.py): products of drawn directions with rows of
// U_f in tiles, with the exact identity and the running maximum in the epilogue. Phases of threads, as
// in team.cuh.
//
// Per sample, row and component: a multiply-add each for w·h and d·h (product.cuh), of which the
// epilogue makes ‖h - d‖² (squares.py); nothing of size samples × rows is written. The epilogue takes
// 14 operations per sample, row and gate, and a quotient only for a new largest. Not measured.
#pragma once
#include "directions.cuh"
#include "product.cuh"

namespace lstm {

constexpr int MOST_GATES_OF_A_SEARCH = 2;

// What is on trial, by gate and weight set and row; `search.Claim` and what W_f x + b_f adds to z.
template <class T> struct Claims {
  const T *U, *direction;                   // (sets, n, n)
  const T *half_norm, *norms;               // (sets, n): ‖w‖/2, ‖d‖²
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

// The shared memory of a block: the tiles, and when all is multiplied what the threads found.
template <class T> union Shared {
  Tiles<T> tiles;
  Found<T> candidates[TILE][Sums<T>::SHARERS];
};

// What a thread holds.
template <class T> struct Held {
  static constexpr int SHARE = TILE * DEPTH / PRODUCT_THREADS;
  Sums<T> sums;
  T rows[SHARE], directions[SHARE], samples[SHARE];  // fetched ahead of their tile
  Found<T> found[MOST_GATES_OF_A_SEARCH][Sums<T>::ROWS];
};

template <class T> struct Search {
  typedef Sums<T> Own;
  const Claims<T> &claims;
  const T *h, *norms;  // (sets, samples, n); ‖h‖² (sets, samples)
  Shared<T> &shared;
  int size, gates, samples;
  i64 sets, set;
  int first_row;  // of the tile
  int before;     // samples of earlier launches

  LSTM_HD i64 row_of(int row) const { return set * size + first_row + row; }

  LSTM_HD void begin(Held<T> &held) const {
    LSTM_UNROLL for (int gate = 0; gate < MOST_GATES_OF_A_SEARCH; ++gate)
        LSTM_UNROLL for (int i = 0; i < Own::ROWS; ++i) held.found[gate][i] = none_found<T>();
  }

  // A thread's share of a block of components, zeros beyond the end.
  LSTM_HD void fetch(int thread, int first_sample, int component, Held<T> &held) const {
    const int j = component + thread % DEPTH;
    LSTM_UNROLL for (int k = 0; k < Held<T>::SHARE; ++k) {
      const int i = thread / DEPTH + k * (PRODUCT_THREADS / DEPTH);
      const bool row = first_row + i < size && j < size;
      const bool sample = first_sample + i < samples && j < size;
      held.rows[k] = row ? claims.U[row_of(i) * size + j] : T(0);
      held.directions[k] = row ? claims.direction[row_of(i) * size + j] : T(0);
      held.samples[k] = sample ? h[(set * samples + first_sample + i) * size + j] : T(0);
    }
  }

  LSTM_HD void store(int thread, const Held<T> &held) const {
    LSTM_UNROLL for (int k = 0; k < Held<T>::SHARE; ++k) {
      const int i = thread / DEPTH + k * (PRODUCT_THREADS / DEPTH), j = thread % DEPTH;
      shared.tiles.row[i][j] = held.rows[k];
      shared.tiles.direction[i][j] = held.directions[k];
      shared.tiles.sample[i][j] = held.samples[k];
    }
  }

  // The identity at the products of a thread.
  LSTM_HD void examine(int thread, int first_sample, Held<T> &held) const {
    LSTM_UNROLL for (int i = 0; i < Own::ROWS; ++i) {
      const int row = Own::row(thread, i);
      if (first_row + row >= size) continue;
      const T norm = claims.norms[row_of(row)], half_norm = claims.half_norm[row_of(row)];
      LSTM_UNROLL for (int gate = 0; gate < MOST_GATES_OF_A_SEARCH; ++gate) {
        if (gate >= gates) continue;
        const i64 at = gate * sets * size + row_of(row);
        const T driven = claims.driven[at], top = claims.top[at];
        const T fixed = claims.fixed[at], growing = claims.growing[at];
        LSTM_UNROLL for (int j = 0; j < Own::SAMPLES; ++j) {
          const int sample = first_sample + Own::sample(thread, j);
          if (sample >= samples) continue;
          const T square = norm + norms[set * samples + sample] - 2 * held.sums.dot[i][j];
          const T z = driven + held.sums.z[i][j], measured = top - z;
          const T bound = square * growing + fixed;
          const T error = magnitude(measured - square * half_norm);
          see(held.found[gate][i], z, measured, square, bound, error, before + sample);
        }
      }
    }
  }

  // A thread's samples come in order. A quotient is made only where it may be a new largest: rounding
  // of the product may hold back one that is larger in its last place.
  static LSTM_HD void see(Found<T> &own, T z, T measured, T square, T bound, T error, int sample) {
    if (z > own.z) own.z = z, own.best = sample;
    own.lowest = smaller(z, own.lowest);
    own.above += measured < -bound;
    if (error < own.ratio * bound) return;
    const Found<T> one = {error / bound, measured, square, z, z, sample, sample, 0};
    if (worse(one, own))
      own.ratio = one.ratio, own.measured = measured, own.square = square, own.sample = sample;
  }

  LSTM_HD void offer(int thread, int wanted, const Held<T> &held) const {
    LSTM_UNROLL for (int gate = 0; gate < MOST_GATES_OF_A_SEARCH; ++gate) {
      if (gate != wanted) continue;
      LSTM_UNROLL for (int i = 0; i < Own::ROWS; ++i)
          shared.candidates[Own::row(thread, i)][Own::sharer(thread)] = held.found[gate][i];
    }
  }

  // One thread for a row; found: what earlier launches found, and what is handed on, (gates, sets, n).
  LSTM_HD void choose(int row, int gate, Found<T> *found) const {
    if (row >= TILE || first_row + row >= size) return;
    Found<T> &kept = found[gate * sets * size + row_of(row)];
    Found<T> own = before ? kept : none_found<T>();
    for (int s = 0; s < Own::SHARERS; ++s) join(own, shared.candidates[row][s]);
    kept = own;
  }
};

// All samples with a tile of rows. held(t): the `Held` of a thread. each(first, then): two phases with
// nothing between them but that each thread of a warp has done the first.
template <class T, class Each, class Store>
LSTM_HD void search_rows(const Search<T> &search, Found<T> *found, const Each &each,
                         const Store &held) {
  const auto sums = [&](int t) -> Sums<T> & { return held(t).sums; };
  each([&](int t) { search.begin(held(t)); });
  for (int first = 0; first < search.samples; first += TILE) {
    each([&](int t) {
      sums(t) = {};
      search.fetch(t, first, 0, held(t));
    });
    for (int component = 0; component < search.size; component += DEPTH) {
      each([&](int t) { search.store(t, held(t)); });
      each(
          [&](int t) {
            search.fetch(t, first, component + DEPTH, held(t));
            sums(t).take(t, search.shared.tiles);
          },
          [&](int t) { sums(t).multiply(t, search.shared.tiles, sums); });
    }
    each([&](int t) { search.examine(t, first, held(t)); });
  }
  for (int gate = 0; gate < search.gates; ++gate) {
    each([&](int t) { search.offer(t, gate, held(t)); });
    each([&](int t) { search.choose(t, gate, found); });
  }
}

}  // namespace lstm
