// NumPy's random stream, Philox4x64-10 (Salmon et al. 2011), as lstm_gpu/weights/philox.py
// addresses it: key (seed, stream), weight set i owns the counters i B + 1 … (i + 1) B.
#pragma once
#include "platform.cuh"

namespace lstm {

constexpr int UNIFORMS_PER_COUNTER = 8;  // four words, the low half of each first
constexpr double UNIFORM_SPACING = 0x1p-24;

struct Counter {
  u64 low, high;  // the upper 128 of the 256 bits are zero
};

struct Key {
  u64 seed, stream;
};

LSTM_HD Counter advanced(Counter counter, u64 steps) {
  u64 low = counter.low + steps;
  return {low, counter.high + (low < steps)};
}

struct Product {
  u64 high, low;
};

// a b in 128 bits. From products of halves where registers have products of 64 bits: four of them for
// eight lanes at once are faster there than the processor's own for each.
LSTM_HD Product product(u64 a, u64 b) {
#ifdef __CUDA_ARCH__
  return {__umul64hi(a, b), a * b};
#elif defined(__SIZEOF_INT128__) && !defined(__AVX512DQ__)
  const unsigned __int128 whole = (unsigned __int128)a * b;
  return {u64(whole >> 64), u64(whole)};
#else
  const u64 low_half = 0xFFFFFFFF;
  u64 a0 = a & low_half, a1 = a >> 32, b0 = b & low_half, b1 = b >> 32;
  u64 middle = a1 * b0 + ((a0 * b0) >> 32);
  u64 carry = a0 * b1 + (middle & low_half);
  return {a1 * b1 + (middle >> 32) + (carry >> 32), a * b};
#endif
}

struct Words {
  u64 w[4];
};

constexpr int PHILOX_ROUNDS = 10;
constexpr u64 PHILOX_MULTIPLIER_0 = 0xD2E7470EE14C6C93, PHILOX_MULTIPLIER_1 = 0xCA5A826395121157;
constexpr u64 PHILOX_WEYL_0 = 0x9E3779B97F4A7C15, PHILOX_WEYL_1 = 0xBB67AE8584CAA73B;

LSTM_HD Words philox(Counter counter, Key key) {
  u64 x0 = counter.low, x1 = counter.high, x2 = 0, x3 = 0;
  u64 k0 = key.seed, k1 = key.stream;
  LSTM_UNROLL for (int round = 0; round < PHILOX_ROUNDS; ++round) {
    Product a = product(x0, PHILOX_MULTIPLIER_0), b = product(x2, PHILOX_MULTIPLIER_1);
    x0 = b.high ^ x1 ^ k0;
    x1 = b.low;
    x2 = a.high ^ x3 ^ k1;
    x3 = a.low;
    k0 += PHILOX_WEYL_0;
    k1 += PHILOX_WEYL_1;
  }
  return {{x0, x1, x2, x3}};
}

// A half word as k of the uniform k 2^-24 on [0, 1).
LSTM_HD u32 grid_point(u64 half) { return u32(half) >> 8; }

}  // namespace lstm
