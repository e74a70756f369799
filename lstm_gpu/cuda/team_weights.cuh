// Phases that draw the weights of a team and multiply them: the state, z and its size, what is
// needed of U. W and U go through the tile, so many rows at a time.
#pragma once
#include "team.cuh"

namespace lstm {

// The random stream of a weight set: its first counter.
template <class A> LSTM_HD Counter stream_of(const A &team, i64 index) {
  const i64 all = i64(4 * team.n()) * (team.m() + team.n()) + team.m() + 3 * team.n();
  const Product before =
      product(u64(index), u64((all + UNIFORMS_PER_COUNTER - 1) / UNIFORMS_PER_COUNTER));
  return advanced({before.low, before.high}, 1);
}

template <class T> LSTM_HD void put(Quad<T> *to, u64 a, u64 b, double scale) {
  typedef Kept<T> K;
  *to = {{K::keep(grid_point(a), scale), K::keep(grid_point(a >> 32), scale),
          K::keep(grid_point(b), scale), K::keep(grid_point(b >> 32), scale)}};
}

// Words [first, last) of the stream into the tile, two quads of them per counter; `first` is a
// multiple of 4, and so many places more are filled as make whole quads. A counter is drawn
// by one thread; by two where tiles meet within it.
template <class A>
LSTM_HD void draw(const A &team, int thread, Counter start, i64 first, i64 last) {
  typedef Quad<typename A::Real> Four;
  const double scale = team.c.scale;
  Four *out = reinterpret_cast<Four *>(team.tile());
  for (i64 q = first / UNIFORMS_PER_COUNTER + thread; q * UNIFORMS_PER_COUNTER < last;
       q += team.a.threads) {
    const Words words = philox(advanced(start, u64(q)), {team.c.seed, team.c.stream});
    const i64 at = q * UNIFORMS_PER_COUNTER;
    Four *own = out + (at - first) / 4;  // of the lower quad, perhaps one before the tile
    if (at >= first) put(own, words.w[0], words.w[1], scale);
    if (at + 4 < last) put(own + 1, words.w[2], words.w[3], scale);
  }
}

// The state's words as points: m + 2 n of them.
template <class A> LSTM_HD i64 first_of_state(const A &team) {
  return i64(4 * team.n()) * (team.m() + team.n());
}
template <class A> LSTM_HD void draw_state(const A &team, int thread, Counter start) {
  u32 *out = reinterpret_cast<u32 *>(team.tile());
  const i64 first = first_of_state(team), last = first + team.m() + 2 * team.n();
  for (i64 q = first / UNIFORMS_PER_COUNTER + thread; q * UNIFORMS_PER_COUNTER < last;
       q += team.a.threads) {
    const Words words = philox(advanced(start, u64(q)), {team.c.seed, team.c.stream});
    LSTM_UNROLL for (int w = 0; w < UNIFORMS_PER_COUNTER; ++w) {
      const i64 at = q * UNIFORMS_PER_COUNTER + w;
      const u32 point = grid_point(w % 2 ? words.w[w / 2] >> 32 : words.w[w / 2]);
      if (at >= first && at < last) out[at - first] = point;
    }
  }
}

template <class A> LSTM_HD void make_state(const A &team, int thread) {
  typedef typename A::Real T;
  const u32 *points = reinterpret_cast<const u32 *>(team.tile());
  for (int j = thread; j < team.m(); j += team.a.threads) team.x()[j] = T(generic_input(points[j]));
  for (int k = thread; k < team.n(); k += team.a.threads) {
    const T o = T(generic_output(points[team.m() + k]));
    const double y = generic_tanh_c(points[team.m() + team.n() + k]);
    team.h_prev()[k] = o * T(y);
    team.c_prev()[k] = T(portable_atanh(y));
    team.largest()[k] = 0;
  }
}

// Rows of W or U that the tile holds: whole quads of them.
template <class A> LSTM_HD int rows_at_once(const A &team, int length) {
  const int fit = team.a.capacity / length / 4 * 4;
  return fit < 4 * team.n() ? fit : 4 * team.n();
}

// Threads that share a row of a tile.
template <class A> LSTM_HD int sharing(const A &team, int row_count) {
  int threads = 1;
  while (threads < 32 && 2 * threads * row_count <= team.a.threads) threads *= 2;
  return threads;
}

template <class A, class T> LSTM_HD void take(const A &team, int row, T sum, T size, bool more) {
  team.z()[row] = more ? team.z()[row] + sum : sum;
  team.reach()[row] = more ? team.reach()[row] + size : size;
}

// Each row of a tile times v, and the same of sizes. Threads start at different places of their
// rows, so that those that run together read from different banks of the memory.
template <class A>
LSTM_HD void multiply(const A &team, int thread, int first, int row_count, int length,
                      const typename A::Real *v, bool more) {
  typedef typename A::Real T;
  const int threads = sharing(team, row_count);
  for (int task = thread; task < row_count * threads; task += team.a.threads) {
    const int r = task / threads, own = task % threads;
    const int count = (length - own + threads - 1) / threads;
    const typename A::Number *row = team.tile() + i64(r) * length;
    const int skipped = count > 0 ? (r + count - r * (length / threads) % count) % count : 0;
    const int from = own + threads * skipped;
    T sum = 0, size = 0;
    for (int half = 0; half < 2; ++half) {  // from there to the end, then what was skipped
      const int stop = half ? from : length;
      LSTM_UNROLL_4 for (int j = half ? own : from; j < stop; j += threads) {
        const T term = Kept<T>::value(row[j], team.c.scale) * v[j];
        sum += term;
        size += magnitude(term);
      }
    }
    if (threads > 1)
      team.sums()[task] = sum, team.sums()[team.a.threads + task] = size;
    else
      take(team, first + r, sum, size, more);
  }
}

// The sums of threads that shared a row; while the next tile is drawn.
template <class A>
LSTM_HD void gather(const A &team, int thread, int first, int row_count, bool more) {
  typedef typename A::Real T;
  const int threads = sharing(team, row_count);
  if (threads == 1) return;
  for (int r = thread; r < row_count; r += team.a.threads) {
    T sum = 0, size = 0;
    for (int own = 0; own < threads; ++own) {
      sum += team.sums()[r * threads + own];
      size += team.sums()[team.a.threads + r * threads + own];
    }
    take(team, first + r, sum, size, more);
  }
}

// The largest of each column in some rows of U, which are in the tile; and the tile into U.
template <class A> LSTM_HD void columns(const A &team, int thread, int first, int row_count) {
  typedef Kept<typename A::Real> K;
  typedef Quad<typename A::Real> Four;
  const int parts = team.a.threads > team.n() ? team.a.threads / team.n() : 1;
  for (int task = thread; task < team.n() * parts; task += team.a.threads) {
    const int part = task / team.n(), j = task % team.n();
    u32 most = 0;
    for (int r = part; r < row_count; r += parts)
      most = larger(most, K::key(team.tile()[r * team.n() + j]));
    raise(team.largest() + j, most);
  }
  if (A::U_IN_TILE) return;
  const Four *from = reinterpret_cast<const Four *>(team.tile());
  Four *to = reinterpret_cast<Four *>(team.U() + i64(first) * team.n());
  for (int q = thread; q < row_count * team.n() / 4; q += team.a.threads) to[q] = from[q];
}

}  // namespace lstm
