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
  T *i, *f, *u, *o, *c, *tanh_c;
  T *Q_i, *Q_f, *Q_o, *E_u, *E_c;
  T *bound, *step, *half_inverse, *gap, *size;
  bool near;  // the points are near enough to their centre for near.cuh

  static size_t bytes(const Case &of) {
    return WeightSet<T>::bytes(of) + of.hidden_size * (3 * 8 + 16 * sizeof(T)) + 19 * 2 * LINE;
  }

  Check(const Case &of, Memory &memory) : set(of, memory) {
    const i64 size_of_row = padded<T>(set.n);
    for (double **array : {&delta, &linear, &cubic}) *array = memory.take<double>(size_of_row);
    for (T **array : {&i, &f, &u, &o, &c, &tanh_c, &Q_i, &Q_f, &Q_o, &E_u, &E_c})
      *array = memory.take<T>(size_of_row);
    for (T **array : {&bound, &step, &half_inverse, &gap, &size})
      *array = memory.take<T>(size_of_row);
  }

  // The step at z^ and the parts of each row's bound.
  void rows() {
    const i64 n = set.n;
    const double g = gamma_of(2 * (n + set.m) + 4, Format<T>::UNIT_ROUNDOFF) * SLACK;
#pragma omp simd
    for (i64 k = 0; k < n; ++k) row_at(k, n, g);
  }

  LSTM_HD void row_at(i64 k, i64 n, double g) {
    T z[GATES] = {set.z[k], set.z[n + k], set.z[2 * n + k], set.z[3 * n + k]};
    double dz[GATES] = {g * set.reach[k], g * set.reach[n + k], g * set.reach[2 * n + k],
                        g * set.reach[3 * n + k]};
    Step<T> s = activate(z, set.c_prev[k]);
    RowBound b = row_bound(s, z, dz, double(set.c_prev[k]));
    delta[k] = b.delta, linear[k] = b.linear, cubic[k] = b.cubic;
    i[k] = s.i, f[k] = s.f, u[k] = s.u, o[k] = s.o, c[k] = s.c, tanh_c[k] = s.tanh_c;
    Centre<T> at = centre_of(z, s.c, set.c_prev[k]);
    Q_i[k] = at.Q_i, Q_f[k] = at.Q_f, Q_o[k] = at.Q_o, E_u[k] = at.E_u, E_c[k] = at.E_c;
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
    double outside = 0;
    for (i64 j = 0; j < n; ++j) {
      const double s = step_size(r, double(set.largest[j]));
      if (s <= power_of_two(LEAST_EXPONENT)) outside = INFINITY;
      step[j] = T(s);
      half_inverse[j] = T(1 / (2 * s));
    }
    for (i64 k = 0; k < n; ++k)
      bound[k] = T((outside + delta[k] + r * (linear[k] + r * r * (cubic[k] / 6))) * SLACK);
  }

  Row<T> row(i64 k) const {
    const i64 n = set.n;
    T z[GATES] = {set.z[k], set.z[n + k], set.z[2 * n + k], set.z[3 * n + k]};
    return row_of({i[k], f[k], u[k], o[k], 0, tanh_c[k], 0}, z, set.c_prev[k]);
  }

  Centre<T> centre(i64 k) const {
    return {Q_i[k], Q_f[k], Q_o[k], E_u[k], E_c[k], c[k], set.c_prev[k]};
  }

  template <bool NEAR>
  LSTM_HD Entry<T> at(const Row<T> &row, const Centre<T> &centre, i64 k, i64 j) const {
    const i64 n = set.n;
    const T *U = set.U + k * n + j;
    T own[GATES] = {U[0], U[n * n], U[2 * n * n], U[3 * n * n]};
    T change = NEAR ? change_near(centre, own, step[j]) : change_of_hidden(row, own, step[j]);
    return {hidden_jacobian(row, own), change * half_inverse[j]};
  }

  // |claimed - measured| s_j and |measured| s_j: over the row's bound, error over bound.
  template <bool NEAR>
  LSTM_HD void compare(const Row<T> &row, const Centre<T> &centre, i64 k, i64 j) const {
    Entry<T> e = at<NEAR>(row, centre, k, j);
    gap[j] = magnitude(e.claimed - e.measured) * step[j];
    size[j] = magnitude(e.measured) * step[j];
  }

  // `compare` at the first n columns of row k, and at what fills the last register.
  template <bool NEAR> void compare_row(i64 k) const {
    const Row<T> own = row(k);
    const Centre<T> at = centre(k);
    const i64 columns = padded<T>(set.n);
#pragma omp simd
    for (i64 j = 0; j < columns; ++j) compare<NEAR>(own, at, k, j);
  }

  Entry<T> one(i64 k, i64 j) const {
    return near ? at<true>(row(k), centre(k), k, j) : at<false>(row(k), centre(k), k, j);
  }

  Summary entries(i64 index, Worst &worst) const {
    const i64 n = set.n, columns = padded<T>(n);
    V ratio = {}, finite = {};  // finite: 0, or NaN where something is not
    Mask worst_row = {}, decisive = {};
    for (i64 k = 0; k < n; ++k) {
      near ? compare_row<true>(k) : compare_row<false>(k);
      V most = {};
      for (i64 j = 0; j < columns; j += LANES<T>) {
        V error = load(gap + j);
        most = error > most ? error : most;
        finite += error - error;
        decisive |= load(size + j) > bound[k];
      }
      most /= bound[k];
      worst_row = most > ratio ? Mask{} + int(k) : worst_row;
      ratio = most > ratio ? most : ratio;
    }
    T largest_ratio = 0, widest = 0, least_step = step[0];
    i64 at_row = n;
    bool any_decisive = false;
    for (i64 l = 0; l < LANES<T>; ++l) {
      any_decisive |= decisive[l] != 0;
      if (ratio[l] > largest_ratio) largest_ratio = ratio[l], at_row = n;
      if (ratio[l] == largest_ratio) at_row = smaller(i64(worst_row[l]), at_row);
    }
    T bounds_finite = 0;
    for (i64 k = 0; k < n; ++k) {
      bounds_finite += bound[k] - bound[k];
      widest = larger(bound[k], widest);
      least_step = smaller(step[k], least_step);
    }
    const bool decided = totals(finite, finite).first + bounds_finite == 0;
    if (decided && largest_ratio > worst.ratio) worst = locate(index, largest_ratio, at_row);
    return {double(largest_ratio), double(widest * (1 / least_step)), decided,
            decided && any_decisive};
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
