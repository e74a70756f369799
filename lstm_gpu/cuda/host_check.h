// The check of one weight set on a core, a register of columns at a time.
#pragma once
#include <initializer_list>

#include "check.cuh"
#include "host_draw.h"
#include "near.cuh"

namespace lstm {

template <class T> struct Check {
  typedef typename Lanes<T>::V V;
  typedef typename Lanes<T>::Mask Mask;

  WeightSet<T> set;
  double *delta, *linear, *cubic;
  T *factor[GATES];                                       // `Row`
  T *tanh_half_i, *tanh_half_f, *tanh_half_o;             // `Centre`
  T *i, *f_c_prev, *o, *u, *c, *tanh_c;
  T *bound, *step, *half, *twice;  // B_k; s_j, s_j/2, 2 s_j
  T *gap, *size;                   // of one row
  T least_step;
  bool near;  // the points are near enough to their centre for near.cuh

  static size_t bytes(const Case &of) {
    return WeightSet<T>::bytes(of) + of.hidden_size * (3 * 8 + 19 * sizeof(T)) + 22 * 2 * LINE;
  }

  Check(const Case &of, Memory &memory) : set(of, memory) {
    const i64 size_of_row = padded<T>(set.n);
    for (double **array : {&delta, &linear, &cubic}) *array = memory.take<double>(size_of_row);
    for (T *&array : factor) array = memory.take<T>(size_of_row);
    for (T **array : {&tanh_half_i, &tanh_half_f, &tanh_half_o, &i, &f_c_prev, &o, &u, &c, &tanh_c,
                      &bound, &step, &half, &twice, &gap, &size})
      *array = memory.take<T>(size_of_row);
  }

  // The step at z^, the parts of each row's bound, and what its entries need.
  void rows() {
    const i64 n = set.n;
    const double g = gamma_of(2 * (n + set.m) + 4, Format<T>::UNIT_ROUNDOFF) * SLACK;
    for (i64 k = 0; k < n; k += LANES<T>)
#pragma omp simd
      for (i64 l = 0; l < LANES<T>; ++l) row_at(k + l, n, g);
  }

  LSTM_HD void row_at(i64 k, i64 n, double g) {
    T z[GATES] = {set.z[k], set.z[n + k], set.z[2 * n + k], set.z[3 * n + k]};
    double dz[GATES] = {g * set.reach[k], g * set.reach[n + k], g * set.reach[2 * n + k],
                        g * set.reach[3 * n + k]};
    Step<T> s = activate(z, set.c_prev[k]);
    RowBound b = row_bound(s, z, dz, double(set.c_prev[k]));
    delta[k] = b.delta, linear[k] = b.linear, cubic[k] = b.cubic;
    Row<T> row = row_of(s, z, set.c_prev[k]);
    factor[0][k] = row.factor[0], factor[1][k] = row.factor[1];
    factor[2][k] = row.factor[2], factor[3][k] = row.factor[3];
    Centre<T> at = centre_of(s, set.c_prev[k]);
    tanh_half_i[k] = at.tanh_half_i, tanh_half_f[k] = at.tanh_half_f;
    tanh_half_o[k] = at.tanh_half_o, i[k] = at.i, f_c_prev[k] = at.f_c_prev;
    o[k] = at.o, u[k] = at.u, c[k] = at.c, tanh_c[k] = at.tanh_c;
  }

  // The radius that minimises the bound, the steps, and with them the bounds.
  void steps() {
    const i64 n = set.n;
    double most_delta = 0, most_cubic = 0, most_c = 0;
    for (i64 k = 0; k < n; ++k) {
      most_c = larger(double(magnitude(set.c_prev[k])), most_c);
      most_delta = larger(delta[k], most_delta);
      most_cubic = larger(cubic[k], most_cubic);
    }
    const double r = smaller(1.0, cbrt(3 * most_delta / most_cubic));
    near = reach_of_points(r, most_c) <= Near<T>::LIMIT;
    double least = INFINITY;
#pragma omp simd reduction(min : least)
    for (i64 j = 0; j < n; ++j) {
      const double s = step_size(r, double(T(set.largest[j] * set.unit)));
      step[j] = T(s), half[j] = T(s / 2), twice[j] = T(2 * s);
      least = smaller(s, least);
    }
    least_step = T(least);
    const double outside = least <= power_of_two(LEAST_EXPONENT) ? INFINITY : 0;
#pragma omp simd
    for (i64 k = 0; k < n; ++k)
      bound[k] = T((outside + delta[k] + r * (linear[k] + r * r * (cubic[k] / 6))) * SLACK);
  }

  Row<T> row(i64 k) const {
    const i64 n = set.n;
    return {{set.z[k], set.z[n + k], set.z[2 * n + k], set.z[3 * n + k]}, set.c_prev[k],
            {factor[0][k], factor[1][k], factor[2][k], factor[3][k]}};
  }

  Centre<T> centre(i64 k) const {
    return {tanh_half_i[k], tanh_half_f[k], tanh_half_o[k], i[k], f_c_prev[k],
            o[k], u[k], c[k], tanh_c[k]};
  }

  // The formula, and the change of h over 2 s_j.
  template <bool NEAR>
  LSTM_HD Entry<T> at(const Row<T> &row, const Centre<T> &centre, i64 k, i64 j) const {
    const i64 n = set.n;
    const T *U = set.U + k * n + j;
    T own[GATES] = {U[0], U[n * n], U[2 * n * n], U[3 * n * n]};
    T change = NEAR ? change_near(centre, own, half[j]) : change_of_hidden(row, own, step[j]);
    return {hidden_jacobian(row, own), change};
  }

  // |claimed - measured| and |measured|, each times 2 s_j, at the first n columns of row k and at
  // what fills the last register.
  template <bool NEAR> void compare_row(i64 k) const {
    const Row<T> own = row(k);
    const Centre<T> centre_of_row = centre(k);
    const i64 columns = padded<T>(set.n);
#pragma omp simd
    for (i64 j = 0; j < columns; ++j) {
      Entry<T> e = at<NEAR>(own, centre_of_row, k, j);
      gap[j] = magnitude(e.claimed * twice[j] - e.measured);
      size[j] = magnitude(e.measured);
    }
  }

  // One entry: claimed and measured.
  Entry<T> one(i64 k, i64 j) const {
    Entry<T> e = near ? at<true>(row(k), centre(k), k, j) : at<false>(row(k), centre(k), k, j);
    return {e.claimed, e.measured / twice[j]};
  }

  // The largest of numbers without a sign, as integers: they have the order of their bits, in which
  // infinity and then NaN are above all numbers.
  static LSTM_HD T largest(Mask sizes) {
    auto most = sizes[0];
    LSTM_UNROLL for (i64 l = 1; l < LANES<T>; ++l) most = larger(sizes[l], most);
    return from_bits(typename Format<T>::Bits(most));
  }

  Summary entries(i64 index, Worst &worst) const {
    const i64 n = set.n, columns = padded<T>(n);
    Mask ratio = {}, worst_row = {}, widest_bound = {};
    bool decisive = false;
    for (i64 k = 0; k < n; ++k) {
      near ? compare_row<true>(k) : compare_row<false>(k);
      Mask most = {};
      for (i64 j = 0; j < columns; j += LANES<T>) most = larger((Mask)load(gap + j), most);
      for (i64 j = 0; j < n && !decisive; ++j) decisive = size[j] > 2 * bound[k];
      const Mask own = (Mask)((V)most / (2 * bound[k]));
      worst_row = own > ratio ? Mask{} + int(k) : worst_row;
      ratio = larger(own, ratio);
    }
    for (i64 k = 0; k < n; k += LANES<T>)
      widest_bound = larger((Mask)magnitude(load(bound + k)), widest_bound);
    const T largest_ratio = largest(ratio), widest = largest(widest_bound);
    const bool decided = (largest_ratio - largest_ratio) + (widest - widest) == 0;
    if (decided && largest_ratio > worst.ratio) {
      i64 row = n;
      for (i64 l = 0; l < LANES<T>; ++l)
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
      Entry<T> e = one(k, j);
      T error = magnitude(e.claimed - e.measured);
      if (error * step[j] > largest) {
        largest = error * step[j];
        found = {double(ratio), double(error), double(bound[k] * (1 / step[j])),
                 double(e.claimed), double(e.measured), index, k, j};
      }
    }
    return found;
  }
};

}  // namespace lstm
