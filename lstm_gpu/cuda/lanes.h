// A register's worth of numbers (GCC's and Clang's vector types), for sums and maxima of rows: a
// compiler may not reorder those by itself.
#pragma once
#include "platform.cuh"
#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace lstm {

constexpr i64 LINE = 64;  // bytes of a cache line and of the widest registers

template <class T> struct Lanes;
template <> struct Lanes<double> {
  typedef double V __attribute__((vector_size(LINE), aligned(8)));
  typedef long long Mask __attribute__((vector_size(LINE), aligned(8)));
};
template <> struct Lanes<float> {
  typedef float V __attribute__((vector_size(LINE), aligned(4)));
  typedef int Mask __attribute__((vector_size(LINE), aligned(4)));
};

template <class T> constexpr i64 LANES = LINE / sizeof(T);

// The size of a row in whole registers.
template <class T> LSTM_HD i64 padded(i64 size) {
  return (size + LANES<T> - 1) / LANES<T> * LANES<T>;
}

template <class T> LSTM_HD typename Lanes<T>::V load(const T *from) {
  typename Lanes<T>::V lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

template <class T> LSTM_HD void store(typename Lanes<T>::V lanes, T *to) {
  memcpy(to, &lanes, sizeof lanes);
}

// |a|: the bit of the sign cleared
LSTM_HD Lanes<double>::V magnitude(Lanes<double>::V a) {
  return (Lanes<double>::V)((Lanes<double>::Mask)a & 0x7FFFFFFFFFFFFFFF);
}
LSTM_HD Lanes<float>::V magnitude(Lanes<float>::V a) {
  return (Lanes<float>::V)((Lanes<float>::Mask)a & 0x7FFFFFFF);
}

typedef int EightIntegers __attribute__((vector_size(LINE / 2), aligned(4)));

LSTM_HD Lanes<double>::V as_reals(EightIntegers k) {
#ifdef __AVX512F__  // GCC would make two of it
  return (Lanes<double>::V)_mm512_cvtepi32_pd((__m256i)k);
#else
  return __builtin_convertvector(k, Lanes<double>::V);
#endif
}

template <class T> struct Two {
  T first, second;
};

// The sums of the lanes of a and of b, together; by halves, so the order is the same wherever this
// is compiled.
LSTM_HD Two<double> totals(Lanes<double>::V a, Lanes<double>::V b) {
  Lanes<double>::V t = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +
                       __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
  t += __builtin_shufflevector(t, t, 2, 3, 0, 1, 6, 7, 4, 5);
  t += __builtin_shufflevector(t, t, 1, 0, 3, 2, 5, 4, 7, 6);
  return {t[0], t[4]};
}
LSTM_HD Two<float> totals(Lanes<float>::V a, Lanes<float>::V b) {
  Lanes<float>::V t =
      __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
      __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  t += __builtin_shufflevector(t, t, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  t += __builtin_shufflevector(t, t, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  t += __builtin_shufflevector(t, t, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return {t[0], t[8]};
}

}  // namespace lstm
