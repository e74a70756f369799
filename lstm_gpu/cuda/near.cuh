// The forward step at points near a centre, by the addition theorem of the exponential function.
//
// The two points of a difference are close to z^: |d| <= NEAR. There e^{-(z + d)} = e^{-z} e^{-d},
// where e^{-z} is that of the row and e^{-d} a few terms of the series; so are e^{2u} and e^{2c}
// for the tanh. It is what any exp does (tabulated values times a short series), with the row's
// own value for the table, and a third of the work. No derivative of the cell is in it.
//
// With E = e^{2 z_u} and Q = e^{-z}: i u = (E - 1)/((1 + Q_i)(1 + E)), one quotient for both,
// and o tanh(c) likewise. Errors in unit roundoffs, to first order: Q and E have 2
// (activations.cuh), e^d 2.1, Q e^d + 1 then at most 5.1 relatively; E e^d has 5.1, its sum with 1
// 6.1, and E - 1, over E + 1, 6.1 absolutely. So f is off by 6.1 absolutely, i u and o tanh(c) by
// 6.1 + 6.1 + 5.1 + 2 = 19.3 and what c is off. The points z^ ± d are exact: nothing is added to
// z^. `evaluation_error` (bounds.cuh) assumes 20, 28, 28 and one rounding of each point.
#pragma once
#include "cell.cuh"

namespace lstm {

// |d|^(DEGREE + 1)/(DEGREE + 1)! <= u/10 for |d| <= LIMIT.
template <class T> struct Near;
template <> struct Near<double> {
  static constexpr int DEGREE = 4;
  static constexpr double LIMIT = 0x1p-10;
};
template <> struct Near<float> {
  static constexpr int DEGREE = 5;
  static constexpr double LIMIT = 0x1p-3;
};

// The reach of d, 2 d and 2 (c - c^) where every preactivation is at most r from its centre:
// |∂c/∂z| summed over gates is at most |c_{t-1}|/4 + 1/4 + 1.
LSTM_HD double reach_of_points(double r, double c_size) { return r * (2.5 + 0.5 * c_size); }

template <class T> struct Pair {
  T forward, backward;
};

// e^d and e^{-d}: the even and the odd terms are the same
template <class T> LSTM_HD Pair<T> exponential_pair(T d) {
  constexpr int DEGREE = Near<T>::DEGREE;
  T square = d * d;
  T even = series<0, DEGREE, 2>(square), odd = d * series<1, DEGREE, 2>(square);
  return {even + odd, even - odd};
}

template <class T> LSTM_HD T near_exponential(T d) { return series<0, Near<T>::DEGREE>(d); }

// The exponentials at the centre: Q of the sigmoids, E of the tanhs.
template <class T> struct Centre {
  T Q_i, Q_f, Q_o, E_u, E_c, c, c_prev;
};

template <class T> LSTM_HD Centre<T> centre_of(const T z[GATES], T c, T c_prev) {
  return {exponential(-z[INPUT]), exponential(-z[FORGET]), exponential(-z[OUTPUT]),
          exponential(2 * z[CANDIDATE]), exponential(2 * c), c, c_prev};
}

// h_t from e^{-d_i}, e^{-d_f}, e^{-d_o} and e^{2 d_u}
template <class T>
LSTM_HD T hidden_near(const Centre<T> &at, T e_i, T e_f, T e_o, T e_u) {
  T f = 1 / multiply_add(at.Q_f, e_f, T(1));
  T E_u = at.E_u * e_u;
  T iu = (E_u - 1) / (multiply_add(at.Q_i, e_i, T(1)) * (E_u + 1));
  T c = f * at.c_prev + iu;
  T E_c = at.E_c * near_exponential(2 * (c - at.c));
  return (E_c - 1) / (multiply_add(at.Q_o, e_o, T(1)) * (E_c + 1));
}

// h at z^ + U_g s_j less h at z^ - U_g s_j
template <class T> LSTM_HD T change_near(const Centre<T> &at, const T U[GATES], T step) {
  Pair<T> i = exponential_pair(-U[INPUT] * step), f = exponential_pair(-U[FORGET] * step);
  Pair<T> o = exponential_pair(-U[OUTPUT] * step);
  Pair<T> u = exponential_pair(2 * U[CANDIDATE] * step);
  return hidden_near(at, i.forward, f.forward, o.forward, u.forward) -
         hidden_near(at, i.backward, f.backward, o.backward, u.backward);
}

}  // namespace lstm
