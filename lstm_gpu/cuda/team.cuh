// The full check of one weight set by a team of threads, phase by phase.
//
// Each phase is a function of the thread's number in its team; all threads of the team finish a
// phase before one begins the next. The kernels (check.cu) put barriers between phases; the tests
// run the threads of a phase one after another on the host, so that all but the barriers is tried
// without a GPU.
//
// What a weight set costs on a GPU, per entry of its Jacobian and with m = n, in instructions of a
// thread (counted in the loops' machine code of double for sm_90; nothing was timed):
//   8 uniforms, kept   230, of them 76 products 32 x 32 -> 64 bits: a call of Philox4x64-10
//   z and its size     100, of them 40 of double: 8 weights, each made from its point and added twice
//   columns' largest    20
//   the entry          170, of them 92 of double, a division included (near.cuh has none)
// A multiprocessor issues 4 x 32 a clock, and H100's does 64 operations of double: 520/128 = 4.1
// clocks against 132/64 = 2.1. So the issue of instructions binds, the units of double next, and
// warps of different phases have to run side by side for either. Memory: U is written once and
// read twice, 4 bytes each, in shared memory up to n = 64 or so; beyond, 48 bytes per entry go
// through the second-level cache. W is not kept, n x n results are not written.
//
// LINES, MATRIX: whether what a team has per row, and U, are in fast memory.
#pragma once
#include "arrangement.cuh"
#include "check.cuh"
#include "kept.cuh"
#include "near.cuh"

namespace lstm {

// 1/(2 s) of a power of two s, exactly and without a division: the exponent's sign turned.
template <class T> LSTM_HD T half_inverse(T s) {
  typedef typename Format<T>::Bits Bits;
  constexpr Bits twice_bias = Bits(2 * Format<T>::BIAS - 1) << Format<T>::MANTISSA;
  return from_bits(Bits(twice_bias - bits_of(s)));
}

// What the threads of a team find over rows, and over entries and columns.
struct Extremes {
  double delta, cubic, most_c;
};
template <class T> struct Partial {
  T ratio, finite;  // finite: 0, or NaN where an error or a bound is not
  T widest, least_step;
  int entry, decisive, outside;
};

// What a team has found in its weight sets; `worst.ratio` is -1 before the first.
struct Score {
  Worst worst;
  double least;  // of the largest bounds of weight sets
  u64 refuted, undecided, decisive;
  int near;  // of the weight set at hand: its points are near enough for near.cuh
};

constexpr int BINS = 121;  // of the histogram, lstm_gpu/tally.py

template <class T, bool LINES, bool MATRIX> struct Team {
  typedef typename Kept<T>::Number Number;

  const Case &c;
  const Arrangement &a;
  char *fast, *slow;

  template <class A> LSTM_HD A *work(int offset) const {
    return reinterpret_cast<A *>(fast + offset);
  }
  template <class A> LSTM_HD A *line(int offset) const {
    return reinterpret_cast<A *>((LINES ? fast : slow) + offset);
  }

  LSTM_HD int n() const { return int(c.hidden_size); }
  LSTM_HD int m() const { return int(c.input_size); }
  LSTM_HD Number *tile() const { return work<Number>(a.tile); }
  LSTM_HD T *sums() const { return work<T>(a.sums); }  // (2, threads)
  LSTM_HD Extremes *extremes() const { return work<Extremes>(a.extremes); }
  LSTM_HD Partial<T> *partials() const { return work<Partial<T>>(a.partials); }
  LSTM_HD Score *score() const { return work<Score>(a.score); }
  LSTM_HD T *x() const { return line<T>(a.x); }
  LSTM_HD T *h_prev() const { return line<T>(a.h_prev); }
  LSTM_HD T *c_prev() const { return line<T>(a.c_prev); }
  LSTM_HD T *z() const { return line<T>(a.z); }          // (4, n)
  LSTM_HD T *reach() const { return line<T>(a.reach); }  // |W||x| + |U||h|, (4, n)
  LSTM_HD T *step() const { return line<T>(a.step); }
  LSTM_HD u32 *largest() const { return line<u32>(a.largest); }  // keys of |U_g[k, j]|, column j
  LSTM_HD T *bound() const { return line<T>(a.bound); }
  LSTM_HD RowBound *parts() const { return line<RowBound>(a.parts); }
  LSTM_HD Row<T> *rows() const { return line<Row<T>>(a.rows); }
  LSTM_HD Centre<T> *centres() const { return line<Centre<T>>(a.centres); }
  LSTM_HD Number *U() const {  // (4, n, n)
    return reinterpret_cast<Number *>((MATRIX ? fast : slow) + a.U);
  }

  // The random stream of a weight set: its first counter.
  LSTM_HD Counter stream(i64 index) const {
    const i64 all = i64(4 * n()) * (m() + n()) + m() + 3 * n();
    const Product before =
        product(u64(index), u64((all + UNIFORMS_PER_COUNTER - 1) / UNIFORMS_PER_COUNTER));
    return advanced({before.low, before.high}, 1);
  }

  LSTM_HD static void put(Quad<T> *to, u64 a, u64 b, double scale) {
    typedef Kept<T> K;
    *to = {{K::keep(grid_point(a), scale), K::keep(grid_point(a >> 32), scale),
            K::keep(grid_point(b), scale), K::keep(grid_point(b >> 32), scale)}};
  }

  // Words [first, last) of the stream into the tile, two quads of them per counter; `first` is a
  // multiple of 4, and so many places more are filled as make whole quads. A counter is drawn
  // by one thread; by two where tiles meet within it.
  LSTM_HD void draw(int thread, Counter start, i64 first, i64 last) const {
    const double scale = c.scale;
    Quad<T> *out = reinterpret_cast<Quad<T> *>(tile());
    for (i64 q = first / UNIFORMS_PER_COUNTER + thread; q * UNIFORMS_PER_COUNTER < last;
         q += a.threads) {
      const Words words = philox(advanced(start, u64(q)), {c.seed, c.stream});
      const i64 at = q * UNIFORMS_PER_COUNTER;
      Quad<T> *own = out + (at - first) / 4;  // of the lower quad, perhaps one before the tile
      if (at >= first) put(own, words.w[0], words.w[1], scale);
      if (at + 4 < last) put(own + 1, words.w[2], words.w[3], scale);
    }
  }

  // The state's words as points: m + 2 n of them.
  LSTM_HD i64 first_of_state() const { return i64(4 * n()) * (m() + n()); }
  LSTM_HD void draw_state(int thread, Counter start) const {
    u32 *out = reinterpret_cast<u32 *>(tile());
    const i64 first = first_of_state(), last = first + m() + 2 * n();
    for (i64 q = first / UNIFORMS_PER_COUNTER + thread; q * UNIFORMS_PER_COUNTER < last;
         q += a.threads) {
      const Words words = philox(advanced(start, u64(q)), {c.seed, c.stream});
      LSTM_UNROLL for (int w = 0; w < UNIFORMS_PER_COUNTER; ++w) {
        const i64 at = q * UNIFORMS_PER_COUNTER + w;
        const u32 point = grid_point(w % 2 ? words.w[w / 2] >> 32 : words.w[w / 2]);
        if (at >= first && at < last) out[at - first] = point;
      }
    }
  }

  LSTM_HD void state(int thread) const {
    const u32 *points = reinterpret_cast<const u32 *>(tile());
    for (int j = thread; j < m(); j += a.threads) x()[j] = T(generic_input(points[j]));
    for (int k = thread; k < n(); k += a.threads) {
      const T o = T(generic_output(points[m() + k]));
      const double y = generic_tanh_c(points[m() + n() + k]);
      h_prev()[k] = o * T(y);
      c_prev()[k] = T(portable_atanh(y));
      largest()[k] = 0;
    }
  }

  // Rows of W or U go through the tile, so many at a time: whole quads of them.
  LSTM_HD int rows_at_once(int length) const {
    const int fit = a.capacity / length / 4 * 4;
    return fit < 4 * n() ? fit : 4 * n();
  }

  // Threads that share a row of a tile.
  LSTM_HD int sharing(int row_count) const {
    int threads = 1;
    while (threads < 32 && 2 * threads * row_count <= a.threads) threads *= 2;
    return threads;
  }

  // Each row of a tile times v, and the same of sizes. Threads start at different places of their
  // rows, so that those that run together read from different banks of the memory.
  LSTM_HD void multiply(int thread, int first, int row_count, int length, const T *v,
                        bool more) const {
    const int threads = sharing(row_count);
    for (int task = thread; task < row_count * threads; task += a.threads) {
      const int r = task / threads, own = task % threads;
      const int count = (length - own + threads - 1) / threads;
      const Number *row = tile() + i64(r) * length;
      const int skipped = count > 0 ? (r + count - r * (length / threads) % count) % count : 0;
      const int from = own + threads * skipped;
      T sum = 0, size = 0;
      for (int half = 0; half < 2; ++half) {  // from there to the end, then what was skipped
        const int stop = half ? from : length;
        LSTM_UNROLL_4 for (int j = half ? own : from; j < stop; j += threads) {
          const T term = Kept<T>::value(row[j], c.scale) * v[j];
          sum += term;
          size += magnitude(term);
        }
      }
      if (threads > 1)
        sums()[task] = sum, sums()[a.threads + task] = size;
      else
        take(first + r, sum, size, more);
    }
  }

  LSTM_HD void take(int row, T sum, T size, bool more) const {
    z()[row] = more ? z()[row] + sum : sum;
    reach()[row] = more ? reach()[row] + size : size;
  }

  // The sums of threads that shared a row; while the next tile is drawn.
  LSTM_HD void gather(int thread, int first, int row_count, bool more) const {
    const int threads = sharing(row_count);
    if (threads == 1) return;
    for (int r = thread; r < row_count; r += a.threads) {
      T sum = 0, size = 0;
      for (int own = 0; own < threads; ++own) {
        sum += sums()[r * threads + own];
        size += sums()[a.threads + r * threads + own];
      }
      take(first + r, sum, size, more);
    }
  }

  // The largest of each column in some rows of U, which are in the tile; and the tile into U.
  LSTM_HD void columns(int thread, int first, int row_count) const {
    const int parts = a.threads > n() ? a.threads / n() : 1;
    for (int task = thread; task < n() * parts; task += a.threads) {
      const int part = task / n(), j = task % n();
      u32 most = 0;
      for (int r = part; r < row_count; r += parts)
        most = larger(most, Kept<T>::key(tile()[r * n() + j]));
      raise(largest() + j, most);
    }
    if (MATRIX) return;
    const Quad<T> *from = reinterpret_cast<const Quad<T> *>(tile());
    Quad<T> *to = reinterpret_cast<Quad<T> *>(U() + i64(first) * n());
    for (int q = thread; q < row_count * n() / 4; q += a.threads) to[q] = from[q];
  }

  // A row's forward step. Its bound is another phase: together they need more registers than a
  // thread has. What the bound needs of f is left where the bound will be.
  LSTM_HD void forward(int thread) const {
    for (int k = thread; k < n(); k += a.threads) {
      const T at[GATES] = {z()[k], z()[n() + k], z()[2 * n() + k], z()[3 * n() + k]};
      const Step<T> s = activate(at, c_prev()[k]);
      rows()[k] = row_of(s, at, c_prev()[k]);
      centres()[k] = centre_of(s, c_prev()[k]);
      bound()[k] = s.f;
    }
  }

  // The parts of a row's bound.
  LSTM_HD void bounds(int thread) const {
    const double g = gamma_of(2 * (n() + m()) + 4, Format<T>::UNIT_ROUNDOFF) * SLACK;
    Extremes own = {0, 0, 0};
    for (int k = thread; k < n(); k += a.threads) {
      const Row<T> &row = rows()[k];
      const Centre<T> &at = centres()[k];
      const Step<T> s = {at.i, bound()[k], at.u, at.o, at.c, at.tanh_c, 0};
      const double dz[GATES] = {g * reach()[k], g * reach()[n() + k], g * reach()[2 * n() + k],
                                g * reach()[3 * n() + k]};
      const RowBound b = row_bound<true>(s, row.z, dz, double(row.c_prev));
      parts()[k] = b;
      own.delta = larger(b.delta, own.delta), own.cubic = larger(b.cubic, own.cubic);
      own.most_c = larger(double(magnitude(row.c_prev)), own.most_c);
    }
    extremes()[thread] = own;
  }

  // One of several phases, half = threads/2, threads/4 … 1.
  LSTM_HD void merge_extremes(int thread, int half) const {
    if (thread >= half) return;
    Extremes &own = extremes()[thread];
    const Extremes &other = extremes()[thread + half];
    own.delta = larger(other.delta, own.delta), own.cubic = larger(other.cubic, own.cubic);
    own.most_c = larger(other.most_c, own.most_c);
  }

  // A column's step and a row's bound, with the radius that minimises the bound.
  LSTM_HD void steps(int thread) const {
    const Extremes all = extremes()[0];
    const double r = smaller(1.0, cbrt(3 * all.delta / all.cubic));
    if (thread == 0) score()->near = reach_of_points(r, all.most_c) <= Near<T>::LIMIT;
    Partial<T> own = {-1, 0, 0, T(1), 0, 0, 0};
    bool any = false;
    for (int j = thread; j < n(); j += a.threads) {
      const double s = step_size(r, double(Kept<T>::size(largest()[j], c.scale)));
      const RowBound p = parts()[j];
      const T b = T((p.delta + r * (p.linear + r * r * (p.cubic / 6))) * SLACK);
      step()[j] = T(s);
      bound()[j] = b;
      own.least_step = any ? smaller(T(s), own.least_step) : T(s);
      own.widest = larger(b, own.widest);
      own.finite += b - b;
      own.outside |= s <= power_of_two(LEAST_EXPONENT);
      any = true;
    }
    if (!any) own.least_step = T(power_of_two(MOST_EXPONENT));  // no step is larger
    partials()[thread] = own;
  }

  template <bool NEAR> LSTM_HD Entry<T> at(int k, int j) const {
    const i64 gate = i64(n()) * n();
    const Number *u = U() + i64(k) * n() + j;
    const T own[GATES] = {Kept<T>::value(u[0], c.scale), Kept<T>::value(u[gate], c.scale),
                          Kept<T>::value(u[2 * gate], c.scale),
                          Kept<T>::value(u[3 * gate], c.scale)};
    const T s = step()[j], half = s / 2;
    const T t[GATES] = {near_tanh(own[INPUT] * half), near_tanh(own[FORGET] * half),
                        near_tanh(own[CANDIDATE] * s), near_tanh(own[OUTPUT] * half)};
    const T change = NEAR ? change_near(centres()[k], t) : change_of_hidden(rows()[k], own, s);
    return {hidden_jacobian(rows()[k].factor, own), change * half_inverse(s)};
  }

  // Entries, neighbouring ones by neighbouring threads.
  template <bool NEAR> LSTM_HD void compare(int thread) const {
    Partial<T> own = partials()[thread];
    const int down = a.threads / n(), right = a.threads % n();
    int k = thread / n(), j = thread % n();
    for (int e = thread; e < n() * n(); e += a.threads) {
      const Entry<T> entry = at<NEAR>(k, j);
      const T gap = magnitude(entry.claimed - entry.measured) * step()[j], b = bound()[k];
      own.finite += gap - gap;
      own.decisive |= magnitude(entry.measured) * step()[j] > b;
      const T ratio = gap / b;
      if (ratio > own.ratio) own.ratio = ratio, own.entry = e;
      k += down, j += right;
      if (j >= n()) j -= n(), ++k;
    }
    partials()[thread] = own;
  }

  LSTM_HD void entries(int thread) const {
    if (score()->near)
      compare<true>(thread);
    else
      compare<false>(thread);
  }

  // As `merge_extremes`.
  LSTM_HD void merge_partials(int thread, int half) const {
    if (thread >= half) return;
    Partial<T> &own = partials()[thread];
    const Partial<T> &other = partials()[thread + half];
    if (other.ratio > own.ratio || (other.ratio == own.ratio && other.entry < own.entry))
      own.ratio = other.ratio, own.entry = other.entry;
    own.finite += other.finite;
    own.widest = larger(other.widest, own.widest);
    own.least_step = smaller(other.least_step, own.least_step);
    own.decisive |= other.decisive;
    own.outside |= other.outside;
  }

  LSTM_HD void begin() const {
    Score none = {};
    none.worst.ratio = -1;
    none.least = from_bits(u64(0x7FF0000000000000));  // infinity
    *score() = none;
  }

  // One thread, last of all: the weight set into the team's score and the block's histogram.
  // edges (BINS): the least ratio of each bin, rising; the first is 0.
  LSTM_HD void conclude(i64 index, const double *edges, u32 *bins) const {
    const Partial<T> all = partials()[0];
    Score &own = *score();
    if (all.finite != 0 || all.outside) {
      own.undecided += 1;
      return;
    }
    const double ratio = double(all.ratio);
    own.refuted += ratio > 1;
    own.decisive += all.decisive != 0;
    if (all.decisive != 0) own.least = smaller(double(all.widest * (1 / all.least_step)), own.least);
    int low = 0, high = BINS;  // the last bin whose edge is not above
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (edges[middle] <= ratio ? low : high) = middle;
    }
    add(bins + low, 1);
    if (ratio > own.worst.ratio) {
      const int k = all.entry / n(), j = all.entry % n();
      const Entry<T> e = own.near ? at<true>(k, j) : at<false>(k, j);
      own.worst = {ratio, double(magnitude(e.claimed - e.measured)),
                   double(bound()[k] * (1 / step()[j])), double(e.claimed), double(e.measured),
                   index, k, j};
    }
  }
};

// The phases of one weight set, in their order. `each` runs a phase with every thread of the team
// and ends it when all have done so.
template <class A, class Each>
LSTM_HD void check(const A &team, i64 index, const double *edges, u32 *bins, const Each &each) {
  const Counter start = team.stream(index);
  each([&](int t) { team.draw_state(t, start); });
  each([&](int t) { team.state(t); });
  const int rows = 4 * team.n();
  int before = 0, drawn = 0;  // the rows that were in the tile last: the first, and how many
  bool more = false;
  for (int matrix = 0; matrix < 2; ++matrix) {  // W, then U
    const int length = matrix ? team.n() : team.m(), at_once = team.rows_at_once(length);
    for (int first = 0; first < rows; first += at_once) {
      const int count = smaller(at_once, rows - first);
      const i64 word = i64(rows) * (matrix ? team.m() : 0) + i64(first) * length;
      each([&](int t) {
        team.draw(t, start, word, word + i64(count) * length);
        team.gather(t, before, drawn, more);
      });
      each([&](int t) {
        team.multiply(t, first, count, length, matrix ? team.h_prev() : team.x(), matrix);
        if (matrix) team.columns(t, first, count);
      });
      before = first, drawn = count, more = matrix;
    }
  }
  each([&](int t) { team.gather(t, before, drawn, more); });
  each([&](int t) { team.forward(t); });
  each([&](int t) { team.bounds(t); });
  for (int half = team.a.threads / 2; half > 0; half /= 2)
    each([&](int t) { team.merge_extremes(t, half); });
  each([&](int t) { team.steps(t); });
  each([&](int t) { team.entries(t); });
  for (int half = team.a.threads / 2; half > 0; half /= 2)
    each([&](int t) { team.merge_partials(t, half); });
  each([&](int t) {
    if (t == 0) team.conclude(index, edges, bins);
  });
}

// What a block of teams hands back.
struct Result {
  Worst worst;
  double least;
  u64 refuted, undecided, decisive, sets;
  u32 bins[BINS];
};

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
