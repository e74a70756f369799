// Directions on the unit sphere (lstm_gpu/sphere/directions.py), drawn by teams of threads, and their
// squared lengths. Phases of threads, as in team.cuh.
//
// A warp's instructions per sample, counted in the code for sm_90 and not measured, with the teams of
// kernel.py: 90 at n = 8, 340 at 32, 1400 at 128, 5400 at 512; a third of them for the centre's normals.
#pragma once
#include "normal.cuh"

namespace lstm {

// What samples are drawn: `index` of the stream is set · 2^40 + sample.
struct Draw {
  u64 seed, stream;
  i64 size, first_set, first_sample, samples;  // length n of a direction; samples of each set
};

// A direction by a team. memory: `memory_of(n)` doubles. They hold the vector; its points and the queue
// of those in a tail, then squares in their place; and how long the queue is.
template <class T> struct Direction {
  const Draw &of;
  double *memory;
  int threads;

  static LSTM_HD i64 memory_of(i64 size) { return 2 * size + 1; }
  LSTM_HD int n() const { return int(of.size); }
  LSTM_HD double *vector() const { return memory; }
  LSTM_HD double *squares() const { return memory + n(); }
  LSTM_HD u32 *points() const { return reinterpret_cast<u32 *>(squares()); }
  LSTM_HD u32 *queue() const { return points() + n(); }
  LSTM_HD u32 *tails() const { return reinterpret_cast<u32 *>(squares() + n()); }

  LSTM_HD Counter start(i64 set, i64 sample) const {
    const u64 counters = u64((of.size + UNIFORMS_PER_COUNTER - 1) / UNIFORMS_PER_COUNTER);
    const u64 low = (u64(set) << 40) + u64(sample), high = u64(set) >> 24;
    const Product before = product(low, counters);
    return advanced({before.low, before.high + high * counters}, 1);
  }

  LSTM_HD void draw(int thread, i64 set, i64 sample) const {
    const Counter first = start(set, sample);
    for (int q = thread; q * UNIFORMS_PER_COUNTER < n(); q += threads) {
      const Words words = philox(advanced(first, u64(q)), {of.seed, of.stream});
      LSTM_UNROLL for (int w = 0; w < UNIFORMS_PER_COUNTER; ++w) {
        const int j = q * UNIFORMS_PER_COUNTER + w;
        const u32 point = grid_point(w % 2 ? words.w[w / 2] >> 32 : words.w[w / 2]);
        if (j < n()) points()[j] = point;
      }
    }
    if (thread == 0) *tails() = 0;
  }

  // A normal in a tail takes twice as long, and each warp has some: they wait until all threads share
  // them. Their order in the queue is left to chance, and each has a place of its own.
  LSTM_HD void centre(int thread) const {
    for (int j = thread; j < n(); j += threads)
      if (in_centre(points()[j]))
        vector()[j] = normal_in_centre(points()[j]);
      else
        queue()[add(tails(), 1)] = u32(j);
  }
  LSTM_HD void tail(int thread) const {
    for (u32 k = u32(thread); k < *tails(); k += u32(threads))
      vector()[queue()[k]] = normal_in_tail(points()[queue()[k]]);
  }

  // A round of `tree_sum`: of `count` terms the first half, rounded up, is kept. The first round
  // makes the squares, too; what has no partner gets 0.
  LSTM_HD void square(int thread) const {
    const int kept = (n() + 1) / 2;
    for (int j = thread; j < kept; j += threads) {
      const double a = vector()[j], b = kept + j < n() ? vector()[kept + j] : 0;
      squares()[j] = a * a + b * b;
    }
  }
  LSTM_HD void halve(int thread, int count) const {
    const int kept = (count + 1) / 2;
    for (int j = thread; j < count - kept; j += threads) squares()[j] += squares()[kept + j];
  }

  LSTM_HD void write(int thread, T *out) const {
    const double length = sqrt(squares()[0]);
    for (int j = thread; j < n(); j += threads) {
      const T value = length == 0 ? T(j == 0) : T(vector()[j] / length);
      out[j] = value;
      vector()[j] = double(value);
    }
  }
};

template <class A, class Each> LSTM_HD void sum_squares(const A &team, const Each &each) {
  each([&](int t) { team.square(t); });
  for (int count = (team.n() + 1) / 2; count > 1; count = (count + 1) / 2)
    each([&](int t) { team.halve(t, count); });
}

// norm: the squared length of what is written, 1 but for rounding; `squares.norms` in double.
template <class A, class T, class Each>
LSTM_HD void draw_direction(const A &team, i64 set, i64 sample, T *out, T *norm, const Each &each) {
  each([&](int t) { team.draw(t, set, sample); });
  each([&](int t) { team.centre(t); });
  each([&](int t) { team.tail(t); });
  sum_squares(team, each);
  each([&](int t) { team.write(t, out); });
  sum_squares(team, each);
  each([&](int t) {
    if (t == 0) *norm = T(team.squares()[0]);
  });
}

}  // namespace lstm
