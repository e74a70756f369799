// The forward step at points near a centre, by the addition theorem of tanh.
//
// The two points of a difference are close to z^: |d| <= LIMIT. There
//   tanh(z ± d) = (T ± t)/(1 ± T t),                T = tanh(z),   t = tanh(d)
//   sigma(z ± d) = sigma(z) (1 ± t)/(1 ± T t),      T = tanh(z/2), t = tanh(d/2)
// where T and sigma(z) are the row's own and t is a few terms of its series. It is what any tanh does
// (tabulated values and a short series), with the row's value for the table, and a small part of the
// work. No derivative of the cell is in it. Multiplied by 1 ∓ T t, both denominators are 1 - (T t)²,
// next to 1: a few terms of the geometric series replace the division.
//
// Errors in unit roundoffs, to first order; errors of t are below LIMIT of one, so nothing. sigma(z)
// has 4, tanh(z) 8 (activations.cuh). even, even ± odd and the geometric series have one each, each
// product one. So f is off by 4 + 2 + 1 + 1 + 1 = 9 relatively, and i u by 4 + 2 for i, 8 + 2 for
// u, 2 for two series and 4 for products: 20 + 2. c - c^ is exact but for the error of c; tanh(c) is
// off by 8 + 2 and what c is off, o by 4 + 2, their products by 3, and what multiplies both points
// alike changes the difference by as much relatively and no more. `evaluation_error` (bounds.cuh)
// assumes 20 for f, 28 for i u, 28 for o tanh(c), and one rounding of each point; the points z^ ± d
// are exact here: nothing is added to z^.
#pragma once
#include "cell.cuh"

namespace lstm {

// Of |d| and |c - c^|. What the series leave out is below u/8:
//   tanh(d) - (d - d³/3): 2 |d|^5/15
//   1/(1 - y) - (1 + y + …): y^(TERMS + 1), with y <= 2 LIMIT²: y is (T t)², or for c, whose two
//   points are not quite opposite, that and their second difference, at most 1.5 r²
template <class T> struct Near;
template <> struct Near<double> {
  static constexpr double LIMIT = 0x1p-15;
  static constexpr int TERMS = 1;
};
template <> struct Near<float> {
  static constexpr double LIMIT = 0x1p-5;
  static constexpr int TERMS = 2;
};

// The reach of d and of c - c^ where every preactivation is at most r from its centre: |∂c/∂z|
// summed over gates is at most |c_{t-1}|/4 + 1/4 + 1.
LSTM_HD double reach_of_points(double r, double c_size) { return r * (1.25 + 0.25 * c_size); }

template <class T> LSTM_HD T near_tanh(T d) { return d * multiply_add(d * d, T(-1.0 / 3), T(1)); }

// 1/(1 - y)
template <class T> LSTM_HD T geometric(T y) {
  T sum = 1 + y;
  LSTM_UNROLL for (int k = 1; k < Near<T>::TERMS; ++k) sum = multiply_add(sum, y, T(1));
  return sum;
}

// (even ± odd)/(1 - square)
template <class T> struct Points {
  T even, odd, square;
};

// sigma(z ± d)/sigma(z), from T = tanh(z/2) and d/2
template <class T> LSTM_HD Points<T> sigmoid_points(T tanh_half, T half) {
  T t = near_tanh(half), w = tanh_half * t;
  return {multiply_add(-t, w, T(1)), t - w, w * w};
}

// tanh(z ± d), from T = tanh(z) and d
template <class T> LSTM_HD Points<T> tanh_points(T tanh, T d) {
  T t = near_tanh(d), w = tanh * t;
  return {multiply_add(-t, w, tanh), multiply_add(-tanh, w, t), w * w};
}

// What is tabulated of a row: tanh(z/2) and sigma(z) of three gates, tanh of the fourth and of c.
// The tanh(z/2) = 2 sigma - 1 are multiplied with t, so their errors are nothing.
template <class T> struct Centre {
  T tanh_half_i, tanh_half_f, tanh_half_o, i, f_c_prev, o, u, c, tanh_c;
};

template <class T> LSTM_HD Centre<T> centre_of(const Step<T> &s, T c_prev) {
  return {2 * s.i - 1, 2 * s.f - 1, 2 * s.o - 1, s.i, s.f * c_prev, s.o, s.u, s.c, s.tanh_c};
}

// h at z^ + 2 U_g half less h at z^ - 2 U_g half
template <class T> LSTM_HD T change_near(const Centre<T> &at, const T U[GATES], T half) {
  Points<T> i = sigmoid_points(at.tanh_half_i, U[INPUT] * half);
  Points<T> f = sigmoid_points(at.tanh_half_f, U[FORGET] * half);
  Points<T> o = sigmoid_points(at.tanh_half_o, U[OUTPUT] * half);
  Points<T> u = tanh_points(at.u, 2 * (U[CANDIDATE] * half));

  T from_f = at.f_c_prev * geometric(f.square);
  T from_iu = at.i * (geometric(i.square) * geometric(u.square));
  T c_forward = multiply_add(from_iu, (i.even + i.odd) * (u.even + u.odd), from_f * (f.even + f.odd));
  T c_backward = multiply_add(from_iu, (i.even - i.odd) * (u.even - u.odd), from_f * (f.even - f.odd));

  // tanh(c) = n/q at each point; both quotients over q_forward q_backward
  T t_forward = near_tanh(c_forward - at.c), t_backward = near_tanh(c_backward - at.c);
  T n_forward = at.tanh_c + t_forward, q_forward = multiply_add(at.tanh_c, t_forward, T(1));
  T n_backward = at.tanh_c + t_backward, q_backward = multiply_add(at.tanh_c, t_backward, T(1));
  T forward = (o.even + o.odd) * (n_forward * q_backward);
  T backward = (o.even - o.odd) * (n_backward * q_forward);
  T both = geometric(o.square) * geometric(1 - q_forward * q_backward);
  return (forward - backward) * (at.o * both);
}

}  // namespace lstm
