// What a core reaches in tight loops, and how many multiplications one entry takes: the numbers that
// a floor is made of. Built with the flags of the compiled check, from its own headers.
#include <chrono>

#include "host_check.h"

namespace lstm {

// Numbers that count: `change_near` and the formula are run with them, so that nobody counts by
// hand. A product with 2 is an addition.
template <class T> struct Counted {
  Counted(double = 0) {}
};
static i64 multiplications;
template <class T> Counted<T> operator*(Counted<T> a, Counted<T>) { return ++multiplications, a; }
template <class T> Counted<T> operator*(int, Counted<T> a) { return a; }
template <class T> Counted<T> operator+(Counted<T> a, Counted<T>) { return a; }
template <class T> Counted<T> operator+(int, Counted<T> a) { return a; }
template <class T> Counted<T> operator-(Counted<T> a, Counted<T>) { return a; }
template <class T> Counted<T> operator-(int, Counted<T> a) { return a; }
template <class T> Counted<T> operator-(Counted<T> a) { return a; }
template <class T> Counted<T> multiply_add(Counted<T> a, Counted<T>, Counted<T>) {
  return ++multiplications, a;
}
template <class T> struct Near<Counted<T>> : Near<T> {};

template <class T> i64 multiplications_of_an_entry() {
  typedef Counted<T> N;
  multiplications = 0;
  N factor[GATES], U[GATES], t[GATES];  // as `Check::at`
  for (int g = 0; g < GATES; ++g) t[g] = near_tanh(U[g], N(), N());
  (void)(hidden_jacobian(factor, U) * N() - change_near(Centre<N>(), t));
  return multiplications;
}

// Seconds per item, the least of many runs of some microseconds: whoever else uses the core.
template <class F> double least_seconds(i64 items, F run) {
  typedef std::chrono::steady_clock Clock;
  double least = INFINITY;
  for (int repeat = 0; repeat < 400; ++repeat) {
    const Clock::time_point start = Clock::now();
    run();
    least = smaller(std::chrono::duration<double>(Clock::now() - start).count(), least);
  }
  return least / items;
}

constexpr i64 SIZE = 1024;  // numbers that stay in the first-level cache

template <class T, class F> double seconds_of_function(F function) {
  alignas(LINE) T in[SIZE], out[SIZE];
  for (i64 j = 0; j < SIZE; ++j) in[j] = T(0.9) * T(2 * j - SIZE) / SIZE;
  double seconds = least_seconds(SIZE, [&] {
#pragma omp simd
    for (i64 j = 0; j < SIZE; ++j) out[j] = function(in[j]);
    __asm__ volatile("" : : "r"(out) : "memory");
  });
  return seconds;
}

// Fused multiply-adds, chains of them beside each other.
template <class T> double seconds_of_multiply_add() {
  constexpr int LENGTH = 24;
  return seconds_of_function<T>([](T x) {
    LSTM_UNROLL for (int k = 0; k < LENGTH; ++k) x = multiply_add(x, T(0.5), T(0.25));
    return x;
  }) / LENGTH;
}

// One number of the stream, as the check draws them.
inline double seconds_of_word() {
  constexpr i64 COUNTERS = 8 * BATCH;
  alignas(LINE) int levels[(COUNTERS + Generator::OVER) * UNIFORMS_PER_COUNTER];
  Generator generator({1, 2});
  Counter counter = {1, 0};
  return least_seconds(COUNTERS * UNIFORMS_PER_COUNTER, [&] {
    generator.draw(counter, COUNTERS, levels);
    counter.low += COUNTERS;
    __asm__ volatile("" : : "r"(levels) : "memory");
  });
}

// One byte written and read again, where so many are in use.
inline double seconds_of_byte(i64 in_use) {
  Memory memory(in_use + 2 * LINE);
  if (!memory.start) return 0;
  const i64 half = in_use / 2;
  return least_seconds(half, [&] {
    memcpy(memory.start + half, memory.start, half);
    __asm__ volatile("" : : "r"(memory.start) : "memory");
  });
}

template <class T> void rates(i64 in_use, double *seconds) {
  seconds[0] = seconds_of_word();
  seconds[1] = seconds_of_multiply_add<T>();
  seconds[2] = seconds_of_function<T>([](T z) { return sigmoid(z); });
  seconds[3] = seconds_of_function<T>([](T z) { return hyperbolic_tangent(z); });
  seconds[4] = seconds_of_function<double>([](double y) { return portable_atanh(y); });
  seconds[5] = seconds_of_byte(in_use);
}

}  // namespace lstm

#define LSTM_RATES(T, NAME)                                                                        \
  extern "C" void rates_##NAME(long long in_use, double *seconds) {                               \
    lstm::rates<T>(in_use, seconds);                                                               \
  }                                                                                                \
  extern "C" long long multiplications_##NAME() { return lstm::multiplications_of_an_entry<T>(); } \
  extern "C" int sharp_##NAME(long long n, long long m) {                                          \
    return lstm::WeightSet<T>::wants_sharp({0, 0, n, m, 2 / sqrt(double(n))});                     \
  }

LSTM_RATES(double, float64)
LSTM_RATES(float, float32)
