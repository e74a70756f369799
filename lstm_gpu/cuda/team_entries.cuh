// Phases from z to the score: rows, their bounds, the steps of columns, and the entries.
#pragma once
#include "team.cuh"

namespace lstm {

// 1/(2 s) of a power of two s, exactly and without a division: the exponent's sign turned.
template <class T> LSTM_HD T half_inverse(T s) {
  typedef typename Format<T>::Bits Bits;
  constexpr Bits twice_bias = Bits(2 * Format<T>::BIAS - 1) << Format<T>::MANTISSA;
  return from_bits(Bits(twice_bias - bits_of(s)));
}

// A row's forward step. Its bound is another phase: together they need more registers than a
// thread has. What the bound needs of f is left where the bound will be.
template <class A> LSTM_HD void forward(const A &team, int thread) {
  typedef typename A::Real T;
  for (int k = thread; k < team.n(); k += team.a.threads) {
    const T at[GATES] = {team.z()[k], team.z()[team.n() + k], team.z()[2 * team.n() + k],
                         team.z()[3 * team.n() + k]};
    const Step<T> s = activate(at, team.c_prev()[k]);
    team.rows()[k] = row_of(s, at, team.c_prev()[k]);
    team.centres()[k] = centre_of(s, team.c_prev()[k]);
    team.bound()[k] = s.f;
  }
}

// The parts of a row's bound.
template <class A> LSTM_HD void bound_rows(const A &team, int thread) {
  typedef typename A::Real T;
  const double g = gamma_of(2 * (team.n() + team.m()) + 4, Format<T>::UNIT_ROUNDOFF) * SLACK;
  Extremes own = {0, 0, 0};
  for (int k = thread; k < team.n(); k += team.a.threads) {
    const Row<T> &row = team.rows()[k];
    const Centre<T> &at = team.centres()[k];
    const Step<T> s = {at.i, team.bound()[k], at.u, at.o, at.c, at.tanh_c, 0};
    const double dz[GATES] = {g * team.reach()[k], g * team.reach()[team.n() + k],
                              g * team.reach()[2 * team.n() + k],
                              g * team.reach()[3 * team.n() + k]};
    const RowBound b = row_bound<true>(s, row.z, dz, double(row.c_prev));
    team.parts()[k] = b;
    merge(own, {b.delta, b.cubic, double(magnitude(row.c_prev))});
  }
  team.extremes()[thread] = own;
}

// A column's step and a row's bound, with the radius that minimises the bound.
template <class A> LSTM_HD void steps(const A &team, int thread) {
  typedef typename A::Real T;
  const Extremes all = team.extremes()[0];
  const double r = smaller(1.0, cbrt(3 * all.delta / all.cubic));
  if (thread == 0) team.score()->near = reach_of_points(r, all.most_c) <= Near<T>::LIMIT;
  Partial<T> own = {-1, 0, 0, T(1), 0, 0, 0};
  bool any = false;
  for (int j = thread; j < team.n(); j += team.a.threads) {
    const double s = step_size(r, double(Kept<T>::size(team.largest()[j], team.c.scale)));
    const RowBound p = team.parts()[j];
    const T b = T((p.delta + r * (p.linear + r * r * (p.cubic / 6))) * SLACK);
    team.step()[j] = T(s);
    team.bound()[j] = b;
    own.least_step = any ? smaller(T(s), own.least_step) : T(s);
    own.widest = larger(b, own.widest);
    own.finite += b - b;
    own.outside |= s <= power_of_two(LEAST_EXPONENT);
    any = true;
  }
  if (!any) own.least_step = T(power_of_two(MOST_EXPONENT));  // no step is larger
  team.partials()[thread] = own;
}

template <bool NEAR, class A>
LSTM_HD Entry<typename A::Real> entry_at(const A &team, int k, int j) {
  typedef typename A::Real T;
  const i64 gate = i64(team.n()) * team.n();
  const typename A::Number *u = team.U() + i64(k) * team.n() + j;
  const double scale = team.c.scale;
  const T own[GATES] = {Kept<T>::value(u[0], scale), Kept<T>::value(u[gate], scale),
                        Kept<T>::value(u[2 * gate], scale), Kept<T>::value(u[3 * gate], scale)};
  const T s = team.step()[j], half = s / 2;
  const T t[GATES] = {near_tanh(own[INPUT] * half), near_tanh(own[FORGET] * half),
                      near_tanh(own[CANDIDATE] * s), near_tanh(own[OUTPUT] * half)};
  const T change = NEAR ? change_near(team.centres()[k], t)
                        : change_of_hidden(team.rows()[k], own, s);
  return {hidden_jacobian(team.rows()[k].factor, own), change * half_inverse(s)};
}

// Entries, neighbouring ones by neighbouring threads.
template <bool NEAR, class A> LSTM_HD void compare_entries(const A &team, int thread) {
  typedef typename A::Real T;
  Partial<T> own = team.partials()[thread];
  const int down = team.a.threads / team.n(), right = team.a.threads % team.n();
  int k = thread / team.n(), j = thread % team.n();
  for (int e = thread; e < team.n() * team.n(); e += team.a.threads) {
    const Entry<T> entry = entry_at<NEAR>(team, k, j);
    const T gap = magnitude(entry.claimed - entry.measured) * team.step()[j], b = team.bound()[k];
    own.finite += gap - gap;
    own.decisive |= magnitude(entry.measured) * team.step()[j] > b;
    const T ratio = gap / b;
    if (ratio > own.ratio) own.ratio = ratio, own.entry = e;
    k += down, j += right;
    if (j >= team.n()) j -= team.n(), ++k;
  }
  team.partials()[thread] = own;
}

template <class A> LSTM_HD void compare(const A &team, int thread) {
  if (team.score()->near)
    compare_entries<true>(team, thread);
  else
    compare_entries<false>(team, thread);
}

// One thread, last of all: the weight set into the team's score and the block's histogram.
template <class A>
LSTM_HD void conclude(const A &team, i64 index, const double *edges, u32 *bins) {
  typedef typename A::Real T;
  const Partial<T> all = team.partials()[0];
  Score &own = *team.score();
  if (all.finite != 0 || all.outside) {
    own.undecided += 1;
    return;
  }
  const double ratio = double(all.ratio);
  own.refuted += ratio > 1;
  own.decisive += all.decisive != 0;
  if (all.decisive != 0) own.least = smaller(double(all.widest * (1 / all.least_step)), own.least);
  add(bins + bin_of(ratio, edges), 1);
  if (ratio > own.worst.ratio) {
    const int k = all.entry / team.n(), j = all.entry % team.n();
    const Entry<T> e = own.near ? entry_at<true>(team, k, j) : entry_at<false>(team, k, j);
    own.worst = {ratio, double(magnitude(e.claimed - e.measured)),
                 double(team.bound()[k] * (1 / team.step()[j])), double(e.claimed),
                 double(e.measured), index, k, j};
  }
}

}  // namespace lstm
