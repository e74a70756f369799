// The check of one weight set on a core, a register of columns at a time.
#pragma once
#include "check.cuh"
#include "host_draw.h"
#include "near.cuh"

namespace lstm {

template <> struct Near<Lanes<double>::V> : Near<double> {};
template <> struct Near<Lanes<float>::V> : Near<float> {};

// What some rows need at their entries, and their bounds: as many rows as a register has lanes.
template <class T> struct Rows {
  static constexpr i64 SIZE = LANES<T>;

  T factor[GATES][SIZE];                                            // `Row`
  T tanh_half_i[SIZE], tanh_half_f[SIZE], tanh_half_o[SIZE];        // `Centre`
  T i[SIZE], f_c_prev[SIZE], o[SIZE], u[SIZE], c[SIZE], tanh_c[SIZE];
  T bound[SIZE];  // B_k
  double delta[SIZE], linear[SIZE], cubic[SIZE];  // its parts
};

// The same of columns: the step s_j; for a weight as its level, half the step, minus a third of that
// cubed, and twice the step.
template <class T> struct Columns {
  T step[LANES<T>], half[LANES<T>], third[LANES<T>], span[LANES<T>];
};

template <class T> struct Check {
  typedef typename Lanes<T>::V V;
  typedef typename Lanes<T>::Mask Mask;
  static constexpr i64 SIZE = LANES<T>;

  WeightSet<T> set;
  Rows<T> *rows;
  Columns<T> *columns;
  T least_step;
  bool near;  // the points are near enough to their centre for near.cuh

  static i64 registers(i64 n) { return padded<T>(n) / SIZE; }
  static size_t bytes(const Case &of) {
    return WeightSet<T>::bytes(of) +
           registers(of.hidden_size) * (sizeof(Rows<T>) + sizeof(Columns<T>)) + 2 * LINE;
  }

  Check(const Case &of, Memory &memory) : set(of, memory) {
    rows = memory.take<Rows<T>>(registers(set.n));
    columns = memory.take<Columns<T>>(registers(set.n));
  }

  // The step at z^, the parts of each row's bound, and what its entries need.
  void evaluate_rows() { set.sharp ? evaluate_rows<true>() : evaluate_rows<false>(); }
  template <bool SHARP> void evaluate_rows() {
    const double g = gamma_of(2 * (set.n + set.m) + 4, Format<T>::UNIT_ROUNDOFF) * SLACK;
    const double dz = g * set.most_reach;
    for (i64 k = 0; k < set.n; k += SIZE) {
      Rows<T> &own = rows[k / SIZE];
#pragma omp simd
      for (i64 l = 0; l < SIZE; ++l) evaluate_row<SHARP>(own, l, k + l, SHARP ? g : dz);
    }
  }

  // g: the error of z, of its reach where that is sharp
  template <bool SHARP> LSTM_HD void evaluate_row(Rows<T> &own, i64 l, i64 k, double g) {
    const i64 n = set.n;
    T z[GATES] = {set.z[k], set.z[n + k], set.z[2 * n + k], set.z[3 * n + k]};
    double dz[GATES] = {g, g, g, g};
    if (SHARP) {
      LSTM_UNROLL for (int gate = 0; gate < GATES; ++gate) dz[gate] = g * set.reach[gate * n + k];
    }
    Step<T> s = activate(z, set.c_prev[k]);
    RowBound b = row_bound<SHARP>(s, z, dz, double(set.c_prev[k]));
    own.delta[l] = b.delta, own.linear[l] = b.linear, own.cubic[l] = b.cubic;
    Row<T> row = row_of(s, z, set.c_prev[k]);
    own.factor[0][l] = row.factor[0], own.factor[1][l] = row.factor[1];
    own.factor[2][l] = row.factor[2], own.factor[3][l] = row.factor[3];
    Centre<T> at = centre_of(s, set.c_prev[k]);
    own.tanh_half_i[l] = at.tanh_half_i, own.tanh_half_f[l] = at.tanh_half_f;
    own.tanh_half_o[l] = at.tanh_half_o, own.i[l] = at.i, own.f_c_prev[l] = at.f_c_prev;
    own.o[l] = at.o, own.u[l] = at.u, own.c[l] = at.c, own.tanh_c[l] = at.tanh_c;
  }

  // The cube of the radius that minimises the bound.
  double cube_of_radius() const {
    double delta[SIZE] = {}, cubic[SIZE] = {};
    for (i64 k = 0; k < set.n; k += SIZE) {
      const Rows<T> &own = rows[k / SIZE];
#pragma omp simd
      for (i64 l = 0; l < SIZE; ++l) {
        delta[l] = larger(k + l < set.n ? own.delta[l] : 0, delta[l]);
        cubic[l] = larger(k + l < set.n ? own.cubic[l] : 0, cubic[l]);
      }
    }
    for (i64 l = 1; l < SIZE; ++l)
      delta[0] = larger(delta[l], delta[0]), cubic[0] = larger(cubic[l], cubic[0]);
    return 3 * delta[0] / cubic[0];
  }

  // The steps for a radius, and the bounds.
  void choose_steps(double r) {
    const i64 n = set.n;
    T most_c = 0;
    for (i64 k = 0; k < n; ++k) most_c = larger(magnitude(set.c_prev[k]), most_c);
    near = reach_of_points(r, double(most_c)) <= Near<T>::LIMIT;
    least_step = T(power_of_two(MOST_EXPONENT));  // no step is larger
    for (i64 j = 0; j < n; j += SIZE) {
      Columns<T> &own = columns[j / SIZE];
      T size[SIZE];
      store(as_reals(load_sizes<T>(set.largest + j)), size);
#pragma omp simd
      for (i64 l = 0; l < SIZE; ++l) {
        const double s = step_size(r, double(T(double(size[l]) * set.unit)));
        const T there = j + l < n;  // no entries in other lanes
        own.step[l] = T(s);
        own.half[l] = T(set.unit * (s / 2)) * there;
        own.third[l] = T(-1.0 / 3) * own.half[l] * own.half[l] * own.half[l];
        own.span[l] = T(set.unit * (2 * s)) * there;
      }
      for (i64 l = 0; l < smaller(SIZE, n - j); ++l) least_step = smaller(own.step[l], least_step);
    }
    const double outside = least_step <= power_of_two(LEAST_EXPONENT) ? INFINITY : 0;
    for (i64 k = 0; k < n; k += SIZE) {
      Rows<T> &own = rows[k / SIZE];
#pragma omp simd
      for (i64 l = 0; l < SIZE; ++l)
        own.bound[l] = T((outside + own.delta[l] + r * (own.linear[l] + r * r * (own.cubic[l] / 6))) * SLACK);
    }
  }

  T bound(i64 k) const { return rows[k / SIZE].bound[k % SIZE]; }
  T step(i64 j) const { return columns[j / SIZE].step[j % SIZE]; }

  // What a row's entries share, in every lane.
  struct OfRow {
    V factor[GATES];
    Centre<V> centre;
  };
  LSTM_HD OfRow of_row(i64 k) const {
    const Rows<T> &own = rows[k / SIZE];
    const i64 l = k % SIZE;
    return {{all(own.factor[0][l]), all(own.factor[1][l]), all(own.factor[2][l]), all(own.factor[3][l])},
            {all(own.tanh_half_i[l]), all(own.tanh_half_f[l]), all(own.tanh_half_o[l]), all(own.i[l]),
             all(own.f_c_prev[l]), all(own.o[l]), all(own.u[l]), all(own.c[l]), all(own.tanh_c[l])}};
  }

  // A register of row k's entries from column j on, times 2 s_j: the formula, and the change of h
  // from one point to the other. Both take a weight as its level times the unit, without rounding: in
  // the formula that and the unit are two roundings more, of 16 for which its bound has room (10 are
  // needed now, bounds.cuh).
  template <bool NEAR> LSTM_HD Entry<V> at(const OfRow &row, i64 k, i64 j) const {
    const i64 n = set.n;
    const int *levels = set.U + k * n + j;
    const Columns<T> &own = columns[j / SIZE];
    V U[GATES];
    LSTM_UNROLL for (int g = 0; g < GATES; ++g) U[g] = as_reals(load_integers<T>(levels + g * n * n));
    const V claimed = hidden_jacobian(row.factor, U) * load(own.span);
    if (!NEAR) return {claimed, change_far(k, j)};
    const V half = load(own.half), third = load(own.third);
    const V t[GATES] = {near_tanh(U[INPUT], half, third), near_tanh(U[FORGET], half, third),
                        near_tanh(2 * U[CANDIDATE], half, third), near_tanh(U[OUTPUT], half, third)};
    return {claimed, change_near(row.centre, t)};
  }

  LSTM_HD V change_far(i64 k, i64 j) const {
    const i64 n = set.n;
    const Row<T> row = {{set.z[k], set.z[n + k], set.z[2 * n + k], set.z[3 * n + k]}, set.c_prev[k], {}};
    const Columns<T> &own = columns[j / SIZE];
    T change[SIZE];
#pragma omp simd
    for (i64 l = 0; l < SIZE; ++l) {
      const int *levels = set.U + k * n + j + l;
      const T U[GATES] = {set.weight(levels[0]), set.weight(levels[n * n]),
                          set.weight(levels[2 * n * n]), set.weight(levels[3 * n * n])};
      change[l] = change_of_hidden(row, U, own.step[l]);
    }
    return load(change);
  }

  // The largest |claimed - measured| of a row, times 2 s_j, of each lane, by its bits; and whether a
  // measured entry is above what the row's bound allows a zero.
  template <bool NEAR> LSTM_HD Mask largest_gaps(i64 k, bool &decisive) const {
    const OfRow row = of_row(k);
    Mask most = {};
    for (i64 j = 0; j < set.n; j += SIZE) {
      const Entry<V> e = at<NEAR>(row, k, j);
      most = larger((Mask)magnitude(e.claimed - e.measured), most);
      if (__builtin_expect(!decisive, 0)) {
        const Mask above = (Mask)(magnitude(e.measured) > 2 * bound(k));
        decisive = folds_of_groups<Or, SIZE>(above & (lanes() < int(set.n - j)))[0];
      }
    }
    return most;
  }

  static LSTM_HD Mask lanes() {
    Mask lane = {};
    LSTM_UNROLL for (i64 l = 0; l < SIZE; ++l) lane[l] = l;
    return lane;
  }

  // One entry: claimed and measured.
  Entry<T> one(i64 k, i64 j) const {
    const i64 lane = j % SIZE;
    const OfRow row = of_row(k);
    const Entry<V> e = near ? at<true>(row, k, j - lane) : at<false>(row, k, j - lane);
    return {e.claimed[lane] / (2 * step(j)), e.measured[lane] / (2 * step(j))};
  }

  // The largest of numbers without a sign, as integers: they have the order of their bits, in which
  // infinity and then NaN are above all numbers.
  static LSTM_HD T largest(Mask sizes) {
    return from_bits(typename Format<T>::Bits(folds_of_groups<Larger, SIZE>(sizes)[0]));
  }

  Summary compare(i64 index, Worst &worst) const {
    return near ? compare<true>(index, worst) : compare<false>(index, worst);
  }
  template <bool NEAR> Summary compare(i64 index, Worst &worst) const {
    const i64 n = set.n;
    const Mask lane = lanes();
    Mask ratio = {}, worst_row = {}, widest_bound = {};
    bool decisive = false;
    for (i64 k = 0; k < n; k += SIZE) {
      const i64 count = smaller(SIZE, n - k);
      Mask most[SIZE] = {};
      for (i64 l = 0; l < count; ++l) most[l] = largest_gaps<NEAR>(k + l, decisive);
      const V bounds = load(rows[k / SIZE].bound);
      const Mask there = lane < int(count);
      const Mask own = (Mask)((V)folds<Larger, SIZE>(most) / (2 * bounds)) & there;
      worst_row = own > ratio ? lane + int(k) : worst_row;
      ratio = larger(own, ratio);
      widest_bound = larger((Mask)magnitude(bounds) & there, widest_bound);
    }
    const T largest_ratio = largest(ratio), widest = largest(widest_bound);
    const bool decided = (largest_ratio - largest_ratio) + (widest - widest) == 0;
    if (decided && largest_ratio > worst.ratio) {
      i64 row = n;
      for (i64 l = 0; l < SIZE; ++l)
        if (((V)ratio)[l] == largest_ratio) row = smaller(i64(worst_row[l]), row);
      worst = locate(index, largest_ratio, row);
    }
    return {double(largest_ratio), double(widest * (1 / least_step)), decided, decided && decisive};
  }

  // The first entry of row k with its largest ratio.
  Worst locate(i64 index, T ratio, i64 k) const {
    Worst found = {};
    T largest = -1;
    for (i64 j = 0; j < set.n; ++j) {
      const Entry<T> e = one(k, j);
      const T error = magnitude(e.claimed - e.measured), s = step(j);
      if (error * s > largest) {
        largest = error * s;
        found = {double(ratio), double(error), double(bound(k) * (1 / s)),
                 double(e.claimed), double(e.measured), index, k, j};
      }
    }
    return found;
  }
};

}  // namespace lstm
