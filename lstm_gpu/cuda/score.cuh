// What is found: by a thread of a team, by the team in its weight sets, by a block of teams.
#pragma once
#include "check.cuh"

namespace lstm {

constexpr int BINS = 121;  // of the histogram, lstm_gpu/tally.py

// By a thread over its rows, and over its entries and columns.
struct Extremes {
  double delta, cubic, most_c;
};
template <class T> struct Partial {
  T ratio, finite;  // finite: 0, or NaN where an error or a bound is not
  T widest, least_step;
  int entry, decisive, outside;
};

LSTM_HD void merge(Extremes &own, const Extremes &other) {
  own.delta = larger(other.delta, own.delta), own.cubic = larger(other.cubic, own.cubic);
  own.most_c = larger(other.most_c, own.most_c);
}

// Of equal ratios the first entry counts.
template <class T> LSTM_HD void merge(Partial<T> &own, const Partial<T> &other) {
  if (other.ratio > own.ratio || (other.ratio == own.ratio && other.entry < own.entry))
    own.ratio = other.ratio, own.entry = other.entry;
  own.finite += other.finite;
  own.widest = larger(other.widest, own.widest);
  own.least_step = smaller(other.least_step, own.least_step);
  own.decisive |= other.decisive;
  own.outside |= other.outside;
}

// By a team; `worst.ratio` is -1 before the first weight set.
struct Score {
  Worst worst;
  double least;  // of the largest bounds of weight sets
  u64 refuted, undecided, decisive;
  int near;  // of the weight set at hand: its points are near enough for near.cuh
};

LSTM_HD void begin(Score &score) {
  Score none = {};
  none.worst.ratio = -1;
  none.least = from_bits(u64(0x7FF0000000000000));  // infinity
  score = none;
}

// The last bin whose edge is not above. edges (BINS): the least ratio of each bin, rising; the
// first is 0.
LSTM_HD int bin_of(double ratio, const double *edges) {
  int low = 0, high = BINS;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (edges[middle] <= ratio ? low : high) = middle;
  }
  return low;
}

// By a block: what it hands back.
struct Result {
  Worst worst;
  double least;
  u64 refuted, undecided, decisive, sets;
  u32 bins[BINS];
};
static_assert(sizeof(Result) == 592, "RESULT of lstm_gpu/cuda_check.py");

LSTM_HD void begin(Result &result, u64 sets) {
  result.worst = {};
  result.worst.ratio = -1;
  result.least = from_bits(u64(0x7FF0000000000000));
  result.refuted = result.undecided = result.decisive = 0;
  result.sets = sets;
}

// One team after another, in any order: of equal ratios the weight set drawn first counts.
LSTM_HD void merge(Result &result, const Score &score) {
  if (score.worst.ratio > result.worst.ratio ||
      (score.worst.ratio == result.worst.ratio && score.worst.set < result.worst.set))
    result.worst = score.worst;
  result.least = smaller(score.least, result.least);
  result.refuted += score.refuted;
  result.undecided += score.undecided;
  result.decisive += score.decisive;
}

}  // namespace lstm
