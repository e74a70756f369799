// Directions on the unit sphere (lstm_gpu/sphere/directions.py), drawn by teams of threads, and their
// squared lengths. Phases of threads, as in team.cuh.
//
// Per sample and component: an eighth of Philox, some 30 operations of double, or 80 and a square root
// in the tails. Not measured.
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

  LSTM_HD void square(int thread, const T *out) const {
    for (i64 j = thread; j < of.size; j += threads) squares[j] = double(out[j]) * double(out[j]);
  }
};

template <class A, class Each> LSTM_HD void sum_squares(const A &team, const Each &each) {
  for (i64 count = team.of.size; count > 1; count = (count + 1) / 2)
    each([&](int t) { team.halve(t, count); });
}

// norm: the squared length of what is written, 1 but for rounding; `squares.norms` in double.
template <class A, class T, class Each>
LSTM_HD void draw_direction(const A &team, i64 set, i64 sample, T *out, T *norm, const Each &each) {
  each([&](int t) { team.draw(t, set, sample); });
  sum_squares(team, each);
  each([&](int t) { team.write(t, out); });
  each([&](int t) { team.square(t, out); });
  sum_squares(team, each);
  each([&](int t) {
    if (t == 0) *norm = T(team.squares[0]);
  });
}

}  // namespace lstm
