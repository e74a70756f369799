// Weights and states from the grid points of the random stream, with NumPy's bits: the law
// pytorch_uniform and the regime generic of lstm_gpu/weights. Only + - * /, in the order written
// there, and no fused multiply-add.
#pragma once
#include "philox.cuh"

namespace lstm {

struct Case {
  u64 seed, stream;  // the key of the random stream
  i64 hidden_size, input_size;
  double scale;  // 2/√n
};
static_assert(sizeof(Case) == 40, "CASE of lstm_gpu/cuda_check.py");

LSTM_HD double uniform(u32 point) { return UNIFORM_SPACING * double(int(point)); }

// atanh for |t| <= 0.1716 by twelve terms of its power series.
LSTM_HD double atanh_series(double t) {
  const int TERMS = 12;
  double square = t * t, total = 1.0 / (2 * TERMS - 1);
  LSTM_UNROLL for (int k = TERMS - 2; k >= 0; --k) total = total * square + 1.0 / (2 * k + 1);
  return t * total;
}

// Natural logarithm of positive normal x: x = m 2^e with m from √½ to √2.
LSTM_HD double portable_log(double x) {
  const double LN2 = 0.6931471805599453, SQRT_HALF = 0.7071067811865476;
  const u64 MANTISSA = 0xFFFFFFFFFFFFF, HALF = 0x3FE0000000000000;
  u64 bits = bits_of(x);
  double m = from_bits((bits & MANTISSA) | HALF);
  double e = double(int(bits >> 52)) - 1022;
  bool low = m < SQRT_HALF;
  m = low ? 2 * m : m;
  e = low ? e - 1 : e;
  return 2 * atanh_series((m - 1) / (m + 1)) + e * LN2;
}

LSTM_HD double portable_atanh(double t) {
  double logarithms = (portable_log(1 + t) - portable_log(1 - t)) * 0.5;
  return magnitude(t) <= 0.125 ? atanh_series(t) : logarithms;
}

// The regime `generic`: x uniform on ±1, o on 0.05 … 1, c = atanh(y) with y uniform on ±0.95.
LSTM_HD double generic_input(u32 point) { return 2 * uniform(point) - 1; }
LSTM_HD double generic_output(u32 point) { return 0.05 + 0.95 * uniform(point); }
LSTM_HD double generic_tanh_c(u32 point) { return 0.95 * (2 * uniform(point) - 1); }

}  // namespace lstm
