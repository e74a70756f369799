// A register's worth of numbers (GCC's and Clang's vector types): for sums and maxima of rows, which a
// compiler may not reorder by itself, and for entries, where integers among the numbers would let it
// take narrower registers.
#pragma once
#include <utility>

#include "platform.cuh"
#ifdef __FMA__  // with __AVX512F__, too
#include <immintrin.h>
#endif

namespace lstm {

constexpr i64 LINE = 64;  // bytes of a cache line and of the widest registers

template <class T> struct Lanes;
template <> struct Lanes<double> {
  typedef u32 Sizes __attribute__((vector_size(LINE / 2)));
  typedef int Integers __attribute__((vector_size(LINE / 2)));  // one for each number
  typedef double V __attribute__((vector_size(LINE)));
  typedef long long Mask __attribute__((vector_size(LINE)));
};
template <> struct Lanes<float> {
  typedef u32 Sizes __attribute__((vector_size(LINE)));
  typedef int Integers __attribute__((vector_size(LINE)));
  typedef float V __attribute__((vector_size(LINE)));
  typedef int Mask __attribute__((vector_size(LINE)));
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

template <class T> LSTM_HD typename Lanes<T>::Integers load_integers(const int *from) {
  typename Lanes<T>::Integers lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

template <class T> LSTM_HD typename Lanes<T>::Sizes load_sizes(const u32 *from) {
  typename Lanes<T>::Sizes lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

template <class T> LSTM_HD void store(typename Lanes<T>::V lanes, T *to) {
  memcpy(to, &lanes, sizeof lanes);
}

// A number in all lanes: a - 0, which is a to its bits.
template <class T> LSTM_HD typename Lanes<T>::V all(T a) { return a - typename Lanes<T>::V{}; }
template <> struct Constant<Lanes<double>::V> {
  static LSTM_HD Lanes<double>::V of(double value) { return all(value); }
};
template <> struct Constant<Lanes<float>::V> {
  static LSTM_HD Lanes<float>::V of(double value) { return all(float(value)); }
};

// Lane by lane; not left to the compiler, which would take the lanes apart.
LSTM_HD Lanes<double>::V multiply_add(Lanes<double>::V a, Lanes<double>::V b, Lanes<double>::V c) {
#ifdef __AVX512F__
  return (Lanes<double>::V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__)
  __m256d x[2], y[2], z[2];
  memcpy(x, &a, LINE), memcpy(y, &b, LINE), memcpy(z, &c, LINE);
  for (int half = 0; half < 2; ++half) z[half] = _mm256_fmadd_pd(x[half], y[half], z[half]);
  memcpy(&c, z, LINE);
  return c;
#else
  LSTM_UNROLL for (i64 l = 0; l < LANES<double>; ++l) c[l] = multiply_add(a[l], b[l], c[l]);
  return c;
#endif
}
LSTM_HD Lanes<float>::V multiply_add(Lanes<float>::V a, Lanes<float>::V b, Lanes<float>::V c) {
#ifdef __AVX512F__
  return (Lanes<float>::V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  __m256 x[2], y[2], z[2];
  memcpy(x, &a, LINE), memcpy(y, &b, LINE), memcpy(z, &c, LINE);
  for (int half = 0; half < 2; ++half) z[half] = _mm256_fmadd_ps(x[half], y[half], z[half]);
  memcpy(&c, z, LINE);
  return c;
#else
  LSTM_UNROLL for (i64 l = 0; l < LANES<float>; ++l) c[l] = multiply_add(a[l], b[l], c[l]);
  return c;
#endif
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
LSTM_HD Lanes<float>::V as_reals(Lanes<float>::Integers k) {
  return __builtin_convertvector(k, Lanes<float>::V);
}

LSTM_HD Lanes<double>::V as_reals(Lanes<double>::Sizes k) {
#ifdef __AVX512F__
  return (Lanes<double>::V)_mm512_cvtepu32_pd((__m256i)k);
#else
  return __builtin_convertvector(k, Lanes<double>::V);
#endif
}
LSTM_HD Lanes<float>::V as_reals(Lanes<float>::Sizes k) {
  return __builtin_convertvector(k, Lanes<float>::V);
}

struct Sum {
  template <class V> LSTM_HD V operator()(V a, V b) const { return a + b; }
};
struct Or {
  template <class V> LSTM_HD V operator()(V a, V b) const { return a | b; }
};
struct Larger {
  template <class V> LSTM_HD V operator()(V a, V b) const { return larger(a, b); }
};

// The halves of each group of WIDTH lanes, made one: first of a's groups, then of b's.
template <int WIDTH, class Of, class V, int... I>
LSTM_HD V folded(V a, V b, std::integer_sequence<int, I...>) {
  constexpr int HALF = WIDTH / 2;
  return Of()(__builtin_shufflevector(a, b, (I / HALF * WIDTH + I % HALF)...),
              __builtin_shufflevector(a, b, (I / HALF * WIDTH + I % HALF + HALF)...));
}

// The lanes of each of COUNT registers, made one; of fewer registers than lanes, what is left of
// each in as many lanes of its own. By halves: the order is the same wherever this is compiled.
template <class Of, int COUNT, class V> LSTM_HD V folds(const V *a) {
  constexpr int WIDTH = sizeof(V) / sizeof(a[0][0]);
  if constexpr (COUNT == 1)
    return a[0];
  else
    return folded<2 * WIDTH / COUNT, Of>(folds<Of, COUNT / 2>(a), folds<Of, COUNT / 2>(a + COUNT / 2),
                                         std::make_integer_sequence<int, WIDTH>());
}

// What is left of each of some registers in WIDTH lanes, made one: in the first lanes.
template <class Of, int WIDTH, class V> LSTM_HD V folds_of_groups(V a) {
  constexpr int LANES_OF = sizeof(V) / sizeof(a[0]);
  if constexpr (WIDTH == 1)
    return a;
  else
    return folds_of_groups<Of, WIDTH / 2>(
        folded<WIDTH, Of>(a, a, std::make_integer_sequence<int, LANES_OF>()));
}

// The sums of the lanes of COUNT registers, one after another.
template <int COUNT, class V, class T> LSTM_HD void store_sums(const V *a, T *to) {
  const V sums = folds_of_groups<Sum, LANES<T> / COUNT>(folds<Sum, COUNT>(a));
  memcpy(to, &sums, COUNT * sizeof(T));
}

}  // namespace lstm
