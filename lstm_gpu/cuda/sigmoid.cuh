// The forms of sigma' at float32 values, and the errors of exp, tanh and sigma there: what
// lstm_gpu/claims/sigmoid_survey.py and function_errors.py count and measure, value by value.
//
// The truths are theirs, in double: e/(1 + e)² with e = e^{-|z|}, where nothing cancels. CUDA documents
// 1 ulp for exp and tanh of double, below the 4 that their error analysis allows: at most
// 13 · 2^-53 of sigma', 2.4e-8 ulp of float32, and 11 · 2^-53 of exp, tanh and sigma; both below
// 2^-20 ulp. Scaling by powers of two is exact.
//
// Per value: two or three exponentials of float, one of double (some 20 operations), two divisions of
// double; no memory but a block's result. Not measured.
#pragma once
#include "bounds.cuh"

namespace lstm {

enum Form {
  EXPONENTIAL_SQUARE, PRODUCT_OF_QUOTIENTS, DIFFERENCE_OF_QUOTIENTS, SIGMA_ONE_MINUS_SIGMA,
  REFLECTED, STABLE, FORMS
};
enum Function { EXP, TANH, SIGMOID, FUNCTIONS };
enum Event { OVERFLOW_, NOT_A_NUMBER, HALF_LOST, LOST, ZERO, EVENTS };

// The functions of a float that a form or an error needs, as the device has them; the tests give
// NumPy's instead.
struct Values {
  float minus, plus, size;  // e^{-z}, e^z, e^{-|z|}
  float power;              // (1 + e^{-z})^{-2}
  float tanh;
  double truth;  // of a form e^{-|z|}, of a function its own value
};

LSTM_HD bool is_infinite(float a) { return magnitude(a) == from_bits(u32(0x7F800000)); }
LSTM_HD bool is_nan(float a) { return a != a; }
LSTM_HD bool is_nan(double a) { return a != a; }

// A value that remembers whether an intermediate result was infinite.
struct Traced {
  float value;
  bool overflowed;
  LSTM_HD Traced(float v, bool before = false) : value(v), overflowed(before || is_infinite(v)) {}
};
// A sum that no compiler fuses with the product that it may be given: the exponential's last step.
LSTM_HD float one_plus(float a) {
#ifdef __CUDA_ARCH__
  return __fadd_rn(1.0f, a);
#else
  return 1.0f + a;
#endif
}
LSTM_HD Traced one_plus(Traced a) { return {one_plus(a.value), a.overflowed}; }
LSTM_HD Traced operator-(float a, Traced b) { return {a - b.value, b.overflowed}; }
LSTM_HD Traced operator/(float a, Traced b) { return {a / b.value, b.overflowed}; }
LSTM_HD Traced operator-(Traced a, Traced b) {
  return {a.value - b.value, a.overflowed || b.overflowed};
}
LSTM_HD Traced operator*(Traced a, Traced b) {
  return {a.value * b.value, a.overflowed || b.overflowed};
}
LSTM_HD Traced operator/(Traced a, Traced b) {
  return {a.value / b.value, a.overflowed || b.overflowed};
}

// lstm_gpu/sigmoid_forms.py, operation by operation.
template <int FORM> LSTM_HD Traced form(float z, const Values &v) {
  const bool infinite = is_infinite(z);
  const Traced t(FORM == STABLE ? v.size : v.minus, infinite);
  const Traced sum = one_plus(t), sigma = 1 / sum;
  switch (FORM) {
    case EXPONENTIAL_SQUARE: return t * Traced(v.power, sum.overflowed);
    case DIFFERENCE_OF_QUOTIENTS: return (sum / sum - sigma) * sigma;
    case SIGMA_ONE_MINUS_SIGMA: return (1 - sigma) * sigma;
    case REFLECTED: return sigma * (1 / one_plus(Traced(v.plus, infinite)));
    default: return t / sum * sigma;  // PRODUCT_OF_QUOTIENTS, STABLE
  }
}

LSTM_HD int floor_log2(double positive) { return int(bits_of(positive) >> 52) - 1023; }
constexpr int LOWEST = -126, DIGITS = 24;

// sigma'(z) in units of its own ulp, and the exponent of that.
struct Truth {
  double value;
  int exponent;
};
LSTM_HD Truth truth_of(float z, double e) {
  const double value = e / ((1 + e) * (1 + e));
  int exponent = value > 0 ? floor_log2(value) : LOWEST;
  if (z != 0) exponent = smaller(exponent, -3);  // 1/4 is reached at z = 0 alone
  exponent = larger(exponent, LOWEST) - DIGITS + 1;
  return {value * power_of_two(-exponent), exponent};
}

// |z| as the truth is evaluated at: 0 and infinity stand for what no float64 tells from them.
LSTM_HD double settled(float z) {
  const double size = magnitude(double(z));
  return size < 0x1p-26 ? 0 : size >= 208 ? from_bits(u64(0x7FF0000000000000)) : size;
}

// What is found among values of one sign, by magnitude (the bits without the sign).
struct Seen {
  double largest, lower;  // errors in ulp: of a form `lower` is -1 if one was not finite, else 0;
                          // of a function, of what is below the normal range
  u64 counts[EVENTS];
  u32 at, lower_at, first[EVENTS];
};
static_assert(sizeof(Seen) == 88, "SEEN of lstm_gpu/claims/sigmoid_kernel.py");
constexpr u32 NOWHERE = 0xFFFFFFFF;

LSTM_HD Seen nothing_seen() {
  return {-1, 0, {}, NOWHERE, NOWHERE, {NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE}};
}

LSTM_HD void reach(double &largest, u32 &at, double error, u32 magnitude) {
  if (error > largest || (error == largest && magnitude < at)) largest = error, at = magnitude;
}

LSTM_HD void join(Seen &own, const Seen &other, bool of_function) {
  if (other.at != NOWHERE) reach(own.largest, own.at, other.largest, other.at);
  if (!of_function)
    own.lower = smaller(other.lower, own.lower);
  else if (other.lower_at != NOWHERE)
    reach(own.lower, own.lower_at, other.lower, other.lower_at);
  LSTM_UNROLL for (int e = 0; e < EVENTS; ++e) {
    own.counts[e] += other.counts[e];
    own.first[e] = smaller(other.first[e], own.first[e]);
  }
}

template <int FORM> LSTM_HD void see_form(Seen &seen, u32 pattern, float z, const Values &v) {
  const Truth truth = truth_of(z, v.truth);
  const Traced found = form<FORM>(z, v);
  const double error =
      magnitude(double(found.value) * power_of_two(-truth.exponent) - truth.value);
  const bool known = !is_nan(z);
  const double half = larger(truth.value * 0x1p-12, 1.0), whole = larger(truth.value * 0.5, 1.0);
  const bool events[EVENTS] = {
      found.overflowed && !is_infinite(z), is_nan(found.value), !(error < half) && known,
      !(error < whole) && known, found.value == 0 && truth.value > 0.5};
  LSTM_UNROLL for (int e = 0; e < EVENTS; ++e) {
    seen.counts[e] += events[e];
    if (events[e] && pattern < seen.first[e]) seen.first[e] = pattern;
  }
  if (error - error == 0)
    reach(seen.largest, seen.at, error, pattern);
  else
    seen.lower = -1;
}

// The value under test.
template <int FUNCTION> LSTM_HD float computed(const Values &v) {
  return FUNCTION == EXP ? v.plus : FUNCTION == TANH ? v.tanh : 1 / one_plus(v.minus);
}

// The same in double where |z| is from 2^-46 to 256; beyond, what it tends to there.
template <int FUNCTION> LSTM_HD double limit(float z) {
  const bool near = magnitude(z) < 1;
  if (FUNCTION == TANH) return near ? double(z) : with_sign(1.0, double(z));
  const double infinity = from_bits(u64(0x7FF0000000000000));
  return near ? (FUNCTION == EXP ? 1 : 0.5) : z < 0 ? 0 : FUNCTION == EXP ? infinity : 1;
}
LSTM_HD bool in_between(float z) {
  return !(magnitude(z) < 0x1p-46f) && !(magnitude(z) >= 256.0f);
}

// function_errors._take; counts[0]: results of the wrong kind.
template <int FUNCTION> LSTM_HD void see_function(Seen &seen, u32 pattern, float z, const Values &v) {
  const double infinite = 0x1p128, unsure = 0x1p-48, tiny = 0x1p-126;
  const float value = computed<FUNCTION>(v);
  double truth = in_between(z) ? v.truth : limit<FUNCTION>(z);
  if (truth > infinite) truth = infinite;
  double result = double(value);
  if (result > infinite) result = infinite;
  const double size = magnitude(truth);
  const bool normal = size * (1 + unsure) >= tiny;
  const int exponent = normal ? larger(floor_log2(size * (1 - unsure)), LOWEST) : LOWEST;
  const double error = magnitude(result - truth) * power_of_two(DIGITS - 1 - exponent);
  if (error > 0) {
    if (normal)
      reach(seen.largest, seen.at, error, pattern);
    else
      reach(seen.lower, seen.lower_at, error * 0x1p-23, pattern);
  }
  const bool nan = is_nan(truth), signs = bits_of(value) >> 31 != bits_of(truth) >> 63;
  seen.counts[0] += is_nan(value) != nan || (signs && !nan);
}

// Magnitudes from `start` to `stop`, of one sign, in one region, bin and zone.
struct Segment {
  u32 start, stop;
  int negative, unused;
};
static_assert(sizeof(Segment) == 16, "SEGMENT of lstm_gpu/claims/sigmoid_kernel.py");

LSTM_HD float value_of(u32 pattern, int negative) {
  return from_bits(pattern | (negative ? 0x80000000u : 0u));
}

}  // namespace lstm
