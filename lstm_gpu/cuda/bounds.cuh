// The bounds of lstm_gpu/bounds.py and references/central.py for one row of D4 against central
// differences. In double whatever the dtype on trial, as there.
#pragma once
#include "cell.cuh"

namespace lstm {

constexpr double TANH_UNITS = 2 * 4, SIGMOID_UNITS = 2 * TANH_UNITS + 4;  // accuracy.DOCUMENTED
constexpr double SLACK = 1 + 0x1p-14;
constexpr int PRODUCT_UNITS = 16;

LSTM_HD constexpr double gamma_of(double k, double u) { return k * u / (1 - k * u); }

// Bounds on a quantity and on its first three derivatives along a line.
struct Majorant {
  double q[4];
};

// Sup norms of sigma and tanh and of their derivatives.
constexpr double SQRT3 = 1.7320508075688772;
LSTM_HD Majorant sigmoid_sup_norms() { return {{1, 1 / 4.0, 1 / (6 * SQRT3), 1 / 8.0}}; }
LSTM_HD Majorant tanh_sup_norms() { return {{1, 1, 4 / (3 * SQRT3), 2}}; }

LSTM_HD Majorant operator+(const Majorant &a, const Majorant &b) {
  return {{a.q[0] + b.q[0], a.q[1] + b.q[1], a.q[2] + b.q[2], a.q[3] + b.q[3]}};
}

// Leibniz
LSTM_HD Majorant operator*(const Majorant &a, const Majorant &b) {
  return {{a.q[0] * b.q[0], a.q[0] * b.q[1] + a.q[1] * b.q[0],
           a.q[0] * b.q[2] + 2 * (a.q[1] * b.q[1]) + a.q[2] * b.q[0],
           a.q[0] * b.q[3] + 3 * (a.q[1] * b.q[2]) + 3 * (a.q[2] * b.q[1]) + a.q[3] * b.q[0]}};
}

// Faà di Bruno: the composition with a function of the given sup norms
LSTM_HD Majorant through(const Majorant &a, const Majorant &sup) {
  double p = a.q[1], p2 = a.q[2], p3 = a.q[3];
  return {{sup.q[0], sup.q[1] * p, sup.q[1] * p2 + sup.q[2] * (p * p),
           sup.q[1] * p3 + 3 * sup.q[2] * (p * p2) + sup.q[3] * (p * p * p)}};
}

// Majorant of h_t[k] for unit slopes in every preactivation; c_size = |c_{t-1}[k]|.
LSTM_HD Majorant hidden_majorant(double c_size) {
  Majorant previous = {{c_size, 0, 0, 0}}, sigma = sigmoid_sup_norms(), tanh = tanh_sup_norms();
  Majorant cell = sigma * previous + sigma * tanh;  // along a line of slope 1 in each gate
  return sigma * through(cell, tanh);
}

// Error of evaluating h_t[k] anywhere near, where every preactivation is off by at most dz.
LSTM_HD double evaluation_error(double c_size, double dz, double u) {
  double sigma = dz / 4 + SIGMOID_UNITS * u;
  double candidate = dz + TANH_UNITS * u;
  double cell = sigma * c_size + sigma * (1 + candidate) + candidate + gamma_of(4, u) * (c_size + 1);
  double tanh_c = cell + TANH_UNITS * u;
  return sigma * (1 + tanh_c) + tanh_c + gamma_of(2, u);
}

// A factor of a Jacobian entry: an upper bound on its size and one on its error.
struct Factor {
  double size, error;
};

// Of a product of factors: sum over i of error_i · prod over j ≠ i of size_j.
LSTM_HD Factor operator*(const Factor &a, const Factor &b) {
  return {a.size * b.size, a.error * b.size + a.size * b.error};
}

LSTM_HD Factor operator*(double a, const Factor &b) { return {a * b.size, a * b.error}; }
LSTM_HD Factor operator+(const Factor &a, const Factor &b) {
  return {a.size + b.size, a.error + b.error};
}

struct Activated {
  Factor value, derivative;
};

// A sigmoid with its derivative as (1 - sigma) sigma, and a tanh with its own as 1 - tanh². `slope`
// is a bound on the derivative within 2 dz of z. The array code evaluates the derivative at the
// nearest point to 0; here it is that of the value on trial, which costs no exponential, with the
// value's error and e^(2 dz) or e^(4 dz): |sigma''| <= sigma' and |tanh''| <= 2 tanh'. Unless it is
// to be SHARP, values are bounded by 1 and slopes by their sup norms.
constexpr double MOST_DZ = 0.25;  // up to there e^x <= 1 + 2 x for these x
template <bool SHARP>
LSTM_HD Activated activated_sigmoid(double dz, double value, double u, double tiny) {
  if (!SHARP) value = 1;
  double at_value = value * (1 - value) + SIGMOID_UNITS * u * value;
  double slope = SHARP && dz <= MOST_DZ ? at_value * (1 + 4 * dz) : 0.25;
  double d = slope * dz + SIGMOID_UNITS * u * value + tiny;
  double error = d * (1 + d) + 3 * u * (slope + d * (1 + d));
  return {{value + 2 * d, d}, {slope + error, error}};
}
template <bool SHARP>
LSTM_HD Activated activated_tanh(double dz, double value, double u, double tiny) {
  if (!SHARP) value = 1;
  double at_value = 1 - value * value + 2 * TANH_UNITS * u;
  double slope = SHARP && dz <= MOST_DZ ? at_value * (1 + 8 * dz) : 1;
  double d = slope * dz + TANH_UNITS * u * value + tiny;
  double size = value + 2 * d, error = d * (2 * size + d) + 3 * u;
  return {{size, d}, {slope + error, error}};
}

// Sum over gates of the errors of the coefficients of U_g in row k of D4.
template <bool SHARP, class T>
LSTM_HD double formula_error(const Step<T> &step, const double dz[GATES], double c_size) {
  const double u = Format<T>::UNIT_ROUNDOFF, tiny = Format<T>::TINY;
  Activated i = activated_sigmoid<SHARP>(dz[INPUT], magnitude(step.i), u, tiny);
  Activated f = activated_sigmoid<SHARP>(dz[FORGET], magnitude(step.f), u, tiny);
  Activated o = activated_sigmoid<SHARP>(dz[OUTPUT], magnitude(step.o), u, tiny);
  Activated g = activated_tanh<SHARP>(dz[CANDIDATE], magnitude(step.u), u, tiny);
  double c_error = f.value.error * c_size + i.value.error * g.value.size +
                   i.value.size * g.value.error +
                   gamma_of(4, u) * (f.value.size * c_size + i.value.size * g.value.size) + tiny;
  Activated t = activated_tanh<SHARP>(c_error, magnitude(step.tanh_c), u, tiny);

  Factor through_o = t.value * o.derivative;
  Factor through_c = o.value * t.derivative *
                     (c_size * f.derivative + g.value * i.derivative + i.value * g.derivative);
  return gamma_of(PRODUCT_UNITS, u) * (through_o.size + through_c.size) + through_o.error +
         through_c.error;
}

// What row k's bound of an entry, (delta + r (linear + r² cubic)) / s_j, is made of, but for r.
struct RowBound {
  double delta, linear, cubic;
};

template <bool SHARP, class T>
LSTM_HD RowBound row_bound(const Step<T> &step, const T z[GATES], const double dz[GATES],
                           double c_prev) {
  const double u = Format<T>::UNIT_ROUNDOFF;
  double c_size = magnitude(c_prev), reach = 0, dz_row = 0;
  for (int g = 0; g < GATES; ++g) {
    reach = larger(double(magnitude(z[g])), reach);
    dz_row = larger(dz[g], dz_row);
  }
  Majorant k = hidden_majorant(c_size);
  double linear = 2 * u * k.q[1] + dz_row * k.q[2] + formula_error<SHARP>(step, dz, c_size);
  return {evaluation_error(c_size, u * (reach + 1), u), linear, k.q[3]};
}

// s_j: the largest power of two with s_j · largest <= radius, within 2^-120 … 2^60; 1 for a column
// of zeros.
constexpr int LEAST_EXPONENT = -120, MOST_EXPONENT = 60;
LSTM_HD double power_of_two(int exponent) { return from_bits(u64(exponent + 1023) << 52); }
LSTM_HD double step_size(double radius, double largest) {
  double ratio = largest > 0 ? radius / largest : 1;
  ratio = larger(power_of_two(LEAST_EXPONENT), smaller(power_of_two(MOST_EXPONENT), ratio));
  return from_bits(bits_of(ratio) & 0xFFF0000000000000);
}

}  // namespace lstm
