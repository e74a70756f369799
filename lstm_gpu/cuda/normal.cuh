// Standard normals from the grid points of the random stream, with NumPy's bits:
// lstm_gpu/weights/portable.py, operation by operation, none of them fused.
#pragma once
#include "weights.cuh"

namespace lstm {

// numerator(r)/denominator(r) by Horner's rule, highest power first (Wichura 1988, AS 241).
LSTM_HD double quotient(const double (&above)[8], const double (&below)[8], double r) {
  double numerator = above[0], denominator = below[0];
  LSTM_UNROLL for (int k = 1; k < 8; ++k) {
    numerator = numerator * r + above[k];
    denominator = denominator * r + below[k];
  }
  return numerator / denominator;
}

LSTM_HD double quotient_in_centre(double r) {
  const double above[8] = {2509.0809287301226727, 33430.575583588128105, 67265.770927008700853,
                           45921.953931549871457, 13731.693765509461125, 1971.5909503065514427,
                           133.14166789178437745, 3.3871328727963666080};
  const double below[8] = {5226.4952788528545610, 28729.085735721942674, 39307.895800092710610,
                           21213.794301586595867, 5394.1960214247511077, 687.18700749205790830,
                           42.313330701600911252, 1.0};
  return quotient(above, below, r);
}

LSTM_HD double quotient_in_tail(double r) {
  const double above[8] = {7.7454501427834140764e-4, 2.27238449892691845833e-2,
                           2.41780725177450611770e-1, 1.27045825245236838258,
                           3.64784832476320460504, 5.76949722146069140550,
                           4.63033784615654529590, 1.42343711074968357734};
  const double below[8] = {1.05075007164441684324e-9, 5.475938084995344946e-4,
                           1.51986665636164571966e-2, 1.48103976427480074590e-1,
                           6.89767334985100004550e-1, 1.67638483018380384940,
                           2.05319162663775882187, 1.0};
  return quotient(above, below, r);
}

// By the inverse of the distribution function at the middle of the point's cell. That is at least
// 2^-25 from 0 and 1, so r is at most 4.2: the approximation from r = 5 on is not needed.
LSTM_HD double middle(u32 point) { return uniform(point) + 0x1p-25; }
LSTM_HD bool in_centre(u32 point) { return magnitude(middle(point) - 0.5) <= 0.425; }

LSTM_HD double normal_in_centre(u32 point) {
  const double q = middle(point) - 0.5;
  return quotient_in_centre(0.180625 - q * q) * q;
}

LSTM_HD double normal_in_tail(u32 point) {
  const double p = middle(point), q = p - 0.5;
  const double r = sqrt(-portable_log(q < 0 ? p : 1 - p));
  const double size = quotient_in_tail(r - 1.6);
  return q < 0 ? -size : size;
}

}  // namespace lstm
