// exp, sigma and tanh without a branch, so that a host compiler evaluates many at once, and with
// the same bits on every device that rounds + - * / and the fused multiply-add correctly.
//
// e^x = 2^k e^r with k the integer next to x/ln 2 and r = x - k ln 2, |r| <= 0.35 (Cody and
// Waite: ln 2 in two parts, of which k times the first is exact), and
// e^r - 1 = r + r² (1/2! + r/3! + …), cut after r^DEGREE. Errors in unit roundoffs u, to first
// order and relative to e^r:
//   r         1/2 u of 0.35, and the second part of ln 2 is known to 2^-53 of itself: 0.2
//   e^r - 1   one u for r² s + r, and for s and r² four times r²/2 <= 0.06: at most 1.3 of
//             |e^r - 1| <= 0.42, over e^r >= 0.7: 0.7
//   the rest  DEGREE leaves |r|^(DEGREE+1)/(DEGREE+1)!: below 0.1; last rounding: 1
// exp: 2.0 u. sigma: those, of which q/(1 + q) <= 1 arrives, and one for each of two operations:
// 4 u. tanh: expm1 of 2z may double the relative error of e^r - 1 where k = -1, to 5 u; the
// sum and the quotient take one each: 8 u. The bounds (lstm_gpu/bounds.py) assume 20 and 64.
#pragma once
#include "platform.cuh"

namespace lstm {

template <class T> struct Exponential;
template <> struct Exponential<double> {
  static constexpr int DEGREE = 13;
  static constexpr double LIMIT = 0x1.6232bdd7abcd3p+9;  // just above 1022 ln 2: 2^k is normal
  static constexpr double ROUNDER = 0x1.8p52;  // adding it rounds to an integer, in the low bits
  static constexpr double LOG2_E = 0x1.71547652b82fep+0;
  static constexpr double LN2_HIGH = 0x1.62e42feep-1, LN2_LOW = 0x1.a39ef35793c76p-33;
};
template <> struct Exponential<float> {
  static constexpr int DEGREE = 7;
  static constexpr float LIMIT = 0x1.5d58ap+6f;  // just above 126 ln 2
  static constexpr float ROUNDER = 0x1.8p23f;
  static constexpr float LOG2_E = 0x1.715476p+0f;
  static constexpr float LN2_HIGH = 0x1.62ep-1f, LN2_LOW = 0x1.0bfbe8p-15f;
};

template <int K> struct Factorial {
  static constexpr double INVERSE = Factorial<K - 1>::INVERSE / K;
};
template <> struct Factorial<0> {
  static constexpr double INVERSE = 1;
};

// 1/J! + r/(J+BY)! + r²/(J+2 BY)! + … up to 1/LAST!, by Horner's rule
template <int J, int LAST, int BY = 1, class T> LSTM_HD T series(T r) {
  constexpr T coefficient = T(Factorial<J>::INVERSE);
  if constexpr (J + BY > LAST)
    return coefficient;
  else
    return multiply_add(series<J + BY, LAST, BY>(r), r, coefficient);
}

// e^x as scale (1 + rest): scale a power of two, rest = e^r - 1.
template <class T> struct Reduced {
  T scale, rest;
};

// Beyond ±LIMIT the value at the limit, next to the smallest normal number or its inverse; NaN for
// NaN.
template <class T> LSTM_HD Reduced<T> reduced(T x) {
  typedef Exponential<T> E;
  typedef typename Format<T>::Bits Bits;
  x = with_sign(smaller(E::LIMIT, magnitude(x)), x);
  T rounded = multiply_add(x, E::LOG2_E, E::ROUNDER);
  T k = rounded - E::ROUNDER;
  T r = multiply_add(k, -E::LN2_LOW, multiply_add(k, -E::LN2_HIGH, x));
  Bits exponent = bits_of(rounded) + Bits(Format<T>::BIAS);  // the low bits hold k
  return {from_bits(exponent << Format<T>::MANTISSA), multiply_add(r * r, series<2, E::DEGREE>(r), r)};
}

template <class T> LSTM_HD T exponential(T x) {
  Reduced<T> e = reduced(x);
  return multiply_add(e.scale, e.rest, e.scale);
}

// sigma(z) = 1/(1 + e^{-z})
template <class T> LSTM_HD T sigmoid(T z) { return 1 / (1 + exponential(-z)); }

// tanh(z) = E/(E + 2) with E = e^{2z} - 1, accurate relatively near 0
template <class T> LSTM_HD T hyperbolic_tangent(T z) {
  Reduced<T> e = reduced(2 * z);
  T E = multiply_add(e.scale, e.rest, e.scale - 1);
  return E / (E + 2);
}

}  // namespace lstm
