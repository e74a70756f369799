// The forward step at points near a centre, by the addition theorem of tanh.
//
// The two points of a difference are close to z^: |d| <= LIMIT. There
//   tanh(z ± d) = (T ± t)/(1 ± w),             w = T t,  T = tanh(z),   t = tanh(d)
//   sigma(z ± d) = sigma(z) (1 ± t)/(1 ± w),   w = T t,  T = tanh(z/2), t = tanh(d/2)
// where T and sigma(z) are the row's own and t is a few terms of its series. It is what any tanh does
// (tabulated values and a short series), with the row's value for the table, and a small part of the
// work. No derivative of the cell is in it. Both have the form (C ± a)/(1 ± w), C the value at z;
// multiplied by 1 ∓ w, both denominators are 1 - w², next to 1: with first = a - C w and
// p = w first/(1 - w²) it is (C - p) ± (first + w p), where a few terms of the geometric series
// replace the division.
//
// Errors in unit roundoffs, to first order. t may start from k s where the weight is k s rounded: its
// errors and those of first and p are below LIMIT of one, so nothing. sigma(z) has 4, tanh(z) 8
// (activations.cuh). C - p has one more, each product and each fused sum of c one. So f c_{t-1} is off
// by 4 + 1 + 1 = 6 relatively, i u by 4 + 1 + 8 + 1 = 14, and their sum by 2 of the larger. c - c^ is
// exact but for the error of c; tanh(c) is off by 8 + 2 and what c is off, o by 4 + 2, their products
// by 2, and what multiplies both points alike changes the difference by as much relatively and no
// more. `evaluation_error` (bounds.cuh) assumes 20 for f, 28 for i u, 28 for o tanh(c), 4 for c's own
// operations, and one rounding of each point; the points z^ ± d are exact here: nothing is added to z^.
#pragma once
#include "cell.cuh"

namespace lstm {

// Of |d| and |c - c^|. What the series leave out is below u/8:
//   tanh(d) - (d - d³/3): 2 |d|^5/15
//   p: w first w^(2 TERMS), with w and first each <= LIMIT
//   1/(1 - y) - (1 + y + …): y^(TERMS + 1), with y <= 2 LIMIT²: for c, whose two points are not quite
//   opposite, y is w² and their second difference, at most 1.5 r²
//   tanh at the two points of c, where OPPOSITE: LIMIT² times half their second difference
template <class T> struct Near;
template <> struct Near<double> {
  static constexpr double LIMIT = 0x1p-15;
  static constexpr int TERMS = 1;
  static constexpr bool OPPOSITE = true;
};
template <> struct Near<float> {
  static constexpr double LIMIT = 0x1p-5;
  static constexpr int TERMS = 2;
  static constexpr bool OPPOSITE = false;
};

// The reach of d and of c - c^ where every preactivation is at most r from its centre: |∂c/∂z|
// summed over gates is at most |c_{t-1}|/4 + 1/4 + 1.
LSTM_HD double reach_of_points(double r, double c_size) { return r * (1.25 + 0.25 * c_size); }

// tanh(k s), from s and cubic = -s³/3
template <class T> LSTM_HD T near_tanh(T k, T s, T cubic) {
  return k * multiply_add(k * k, cubic, s);
}
template <class T> LSTM_HD T near_tanh(T d) { return near_tanh(d, constant<T>(1), constant<T>(-1.0 / 3)); }

// 1 + y + … + y^terms
template <class T> LSTM_HD T geometric(T y, int terms) {
  T sum = 1 + y;
  LSTM_UNROLL for (int k = 1; k < terms; ++k) sum = multiply_add(sum, y, constant<T>(1));
  return sum;
}

// 1/(a b) for a product next to 1
template <class T> LSTM_HD T inverse_of(T a, T b) {
  if (Near<T>::TERMS == 1) return multiply_add(-a, b, constant<T>(2));
  return geometric(multiply_add(-a, b, constant<T>(1)), Near<T>::TERMS);
}

// What is tabulated of a row: tanh(z/2) and sigma(z) of three gates, tanh of the fourth and of c.
// The tanh(z/2) = 2 sigma - 1 are multiplied with t, so their errors are nothing.
template <class T> struct Centre {
  T tanh_half_i, tanh_half_f, tanh_half_o, i, f_c_prev, o, u, c, tanh_c;
};

template <class T> LSTM_HD Centre<T> centre_of(const Step<T> &s, T c_prev) {
  return {2 * s.i - 1, 2 * s.f - 1, 2 * s.o - 1, s.i, s.f * c_prev, s.o, s.u, s.c, s.tanh_c};
}

// A function at both points: even ± odd.
template <class T> struct Points {
  T even, odd;
};

template <class T> LSTM_HD Points<T> points_of(T centre, T w, T first) {
  T p = w * first;
  if (Near<T>::TERMS > 1) p = p * geometric(w * w, Near<T>::TERMS - 1);
  return {centre - p, multiply_add(w, p, first)};
}

// `sigma` (1 ± t)/(1 ± w): sigma(z ± d), from T = tanh(z/2) and t = tanh(d/2), times what `sigma` is
// multiplied with
template <class T> LSTM_HD Points<T> sigmoid_points(T sigma, T tanh_half, T t) {
  T w = tanh_half * t;
  return points_of(sigma, w, sigma * (t - w));
}

// tanh(z ± d), from T = tanh(z) and t = tanh(d)
template <class T> LSTM_HD Points<T> tanh_points(T tanh, T t) {
  T w = tanh * t;
  return points_of(tanh, w, multiply_add(-tanh, w, t));
}

// tanh of the changes even ± odd, `even` far below `odd` where OPPOSITE: the cubes are odd³ then.
template <class T> struct Changes {
  T forward, backward;
};
template <class T> LSTM_HD Changes<T> near_tanh(Points<T> d) {
  if (!Near<T>::OPPOSITE) return {near_tanh(d.even + d.odd), near_tanh(d.even - d.odd)};
  T odd = near_tanh(d.odd);
  return {d.even + odd, d.even - odd};
}

// h at z^ + d less h at z^ - d. t: tanh(d/2) of the three sigmoid gates, tanh(d) of the fourth
template <class T> LSTM_HD T change_near(const Centre<T> &at, const T t[GATES]) {
  Points<T> i = sigmoid_points(at.i, at.tanh_half_i, t[INPUT]);
  Points<T> f_c_prev = sigmoid_points(at.f_c_prev, at.tanh_half_f, t[FORGET]);
  Points<T> o = sigmoid_points(at.o, at.tanh_half_o, t[OUTPUT]);
  Points<T> u = tanh_points(at.u, t[CANDIDATE]);
  T c_even = multiply_add(i.even, u.even, multiply_add(i.odd, u.odd, f_c_prev.even));
  T c_odd = multiply_add(i.even, u.odd, multiply_add(i.odd, u.even, f_c_prev.odd));

  // tanh(c) = n/q at each point; both quotients over q.forward q.backward
  Changes<T> d = near_tanh(Points<T>{c_even - at.c, c_odd});
  Changes<T> n = {at.tanh_c + d.forward, at.tanh_c + d.backward};
  Changes<T> q = {multiply_add(at.tanh_c, d.forward, constant<T>(1)),
                  multiply_add(at.tanh_c, d.backward, constant<T>(1))};
  T h_forward = (o.even + o.odd) * (n.forward * q.backward);
  T h_backward = (o.even - o.odd) * (n.backward * q.forward);
  return (h_forward - h_backward) * inverse_of(q.forward, q.backward);
}

}  // namespace lstm
