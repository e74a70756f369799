// What a host compiler and CUDA's compilers name differently; every other header is written once.
//
// Nothing here or above may be contracted: compile with -ffp-contract=off (g++) or --fmad=false
// (CUDA). Where a fused multiply-add is wanted it is written, as multiply_add, so that both sides
// round alike.
#pragma once

#ifdef __CUDACC__
#define LSTM_HD __host__ __device__ __forceinline__
#define LSTM_UNROLL _Pragma("unroll")
#define LSTM_UNROLL_4 _Pragma("unroll 4")
#else
#include <math.h>
#include <string.h>
#define LSTM_HD inline __attribute__((always_inline))
#define LSTM_UNROLL _Pragma("GCC unroll 16")
#define LSTM_UNROLL_4 _Pragma("GCC unroll 4")
#endif

namespace lstm {

typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;
static_assert(sizeof(u32) == 4 && sizeof(u64) == 8 && sizeof(i64) == 8, "the stream is defined on 32 and 64 bits");

LSTM_HD double multiply_add(double a, double b, double c) { return fma(a, b, c); }
LSTM_HD float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }

LSTM_HD double magnitude(double a) { return fabs(a); }
LSTM_HD float magnitude(float a) { return fabsf(a); }

LSTM_HD double with_sign(double size, double sign) { return copysign(size, sign); }
LSTM_HD float with_sign(float size, float sign) { return copysignf(size, sign); }

// A constant, in a header whose T may be a register of numbers, too (lanes.h).
template <class T> struct Constant {
  static LSTM_HD T of(double value) { return T(value); }
};
template <class T> LSTM_HD T constant(double value) { return Constant<T>::of(value); }

// The larger and the smaller number; b where a is NaN, and where b is.
template <class T> LSTM_HD T larger(T a, T b) { return a > b ? a : b; }
template <class T> LSTM_HD T smaller(T a, T b) { return a < b ? a : b; }

// By one of several threads at the same time; on the host by one alone, unless LSTM_THREADS is said.
LSTM_HD void raise(u32 *to, u32 value) {
#ifdef __CUDA_ARCH__
  atomicMax(to, value);
#elif defined(LSTM_THREADS)
  u32 seen = __atomic_load_n(to, __ATOMIC_RELAXED);
  while (seen < value && !__atomic_compare_exchange_n(to, &seen, value, true, __ATOMIC_RELAXED,
                                                      __ATOMIC_RELAXED)) {
  }
#else
  *to = larger(*to, value);
#endif
}
LSTM_HD u32 add(u32 *to, u32 value) {  // what was there before
#ifdef __CUDA_ARCH__
  return atomicAdd(to, value);
#elif defined(LSTM_THREADS)
  return __atomic_fetch_add(to, value, __ATOMIC_RELAXED);
#else
  *to += value;
  return *to - value;
#endif
}

LSTM_HD u64 bits_of(double a) {
  u64 bits;
  memcpy(&bits, &a, sizeof bits);
  return bits;
}
LSTM_HD u32 bits_of(float a) {
  u32 bits;
  memcpy(&bits, &a, sizeof bits);
  return bits;
}
LSTM_HD double from_bits(u64 bits) {
  double a;
  memcpy(&a, &bits, sizeof a);
  return a;
}
LSTM_HD float from_bits(u32 bits) {
  float a;
  memcpy(&a, &bits, sizeof a);
  return a;
}

// What differs between the two formats (IEEE 754 binary64 and binary32).
template <class T> struct Format;
template <> struct Format<double> {
  typedef u64 Bits;
  static constexpr int MANTISSA = 52, BIAS = 1023;
  static constexpr double UNIT_ROUNDOFF = 0x1p-53, TINY = 0x1p-1022;
};
template <> struct Format<float> {
  typedef u32 Bits;
  static constexpr int MANTISSA = 23, BIAS = 127;
  static constexpr double UNIT_ROUNDOFF = 0x1p-24, TINY = 0x1p-126;
};

}  // namespace lstm
