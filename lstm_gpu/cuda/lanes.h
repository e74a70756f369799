// A register's worth of numbers (GCC's and Clang's vector types), for sums and maxima of rows: a
// compiler may not reorder those by itself.
#pragma once
#include <utility>

#include "platform.cuh"
#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace lstm {

constexpr i64 LINE = 64;  // bytes of a cache line and of the widest registers

template <class T> struct Lanes;
template <> struct Lanes<double> {
  typedef int Integers __attribute__((vector_size(LINE / 2), aligned(4)));  // one for each number
  typedef double V __attribute__((vector_size(LINE), aligned(8)));
  typedef long long Mask __attribute__((vector_size(LINE), aligned(8)));
};
template <> struct Lanes<float> {
  typedef int Integers __attribute__((vector_size(LINE), aligned(4)));
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

LSTM_HD Lanes<double>::V as_reals(Lanes<double>::Integers k) {
#ifdef __AVX512F__  // GCC would make two of it
  return (Lanes<double>::V)_mm512_cvtepi32_pd((__m256i)k);
#else
  return __builtin_convertvector(k, Lanes<double>::V);
#endif
}

// The halves of each group of WIDTH lanes, added: first of a's groups, then of b's.
template <int WIDTH, class V, int... I> LSTM_HD V folded(V a, V b, std::integer_sequence<int, I...>) {
  constexpr int HALF = WIDTH / 2;
  return __builtin_shufflevector(a, b, (I / HALF * WIDTH + I % HALF)...) +
         __builtin_shufflevector(a, b, (I / HALF * WIDTH + I % HALF + HALF)...);
}
template <int WIDTH, class V> LSTM_HD V fold(V a, V b) {
  return folded<WIDTH>(a, b, std::make_integer_sequence<int, sizeof(V) / sizeof(a[0])>());
}

// The sums of the lanes of four registers and of four others, together; by halves, so the order is
// the same wherever this is compiled.
template <int WIDTH, class V> LSTM_HD V fold_four(const V a[4]) {
  return fold<WIDTH / 2>(fold<WIDTH>(a[0], a[1]), fold<WIDTH>(a[2], a[3]));
}
template <class T, class V> LSTM_HD void totals(const V a[4], const V b[4], T *of_a, T *of_b) {
  constexpr int WIDTH = LANES<T>;
  V sums = fold<WIDTH / 4>(fold_four<WIDTH>(a), fold_four<WIDTH>(b));
  if (WIDTH == 16) sums = fold<2>(sums, sums);
  memcpy(of_a, &sums, 4 * sizeof(T));
  memcpy(of_b, reinterpret_cast<T *>(&sums) + 4, 4 * sizeof(T));
}

}  // namespace lstm
