// Philox for eight counters at once where a processor has products of 52 bits (AVX-512 IFMA).
//
// With x = x0 + 2^52 x1 and b = b0 + 2^52 b1 the upper word of x b is
// (high(x0 b0) + x0 b1 + x1 (b mod 2^12)) >> 12, plus x1 (b >> 12), where high is the upper half of
// a product in 104 bits: what is left out, its lower half, is below 2^52 and carries nothing into
// bit 64. The sum stays below 2^64, since b1 < 2^12 - 1.
#pragma once
#if defined(__AVX512IFMA__) && defined(__AVX512DQ__)
#define LSTM_PHILOX_AVX512
#include <immintrin.h>

#include "philox.cuh"

namespace lstm {

typedef __m512i Eight;  // words

struct EightWords {
  Eight w[4];
};

struct EightProducts {
  Eight high, low;
};

LSTM_HD Eight all(u64 word) { return _mm512_set1_epi64((long long)word); }

LSTM_HD EightProducts product(Eight x, u64 b) {
  const Eight x0 = _mm512_and_si512(x, all((1ull << 52) - 1)), x1 = _mm512_srli_epi64(x, 52);
  Eight middle = _mm512_mullo_epi64(x0, all(b >> 52));
  middle = _mm512_madd52lo_epu64(middle, x1, all(b & 0xFFF));
  middle = _mm512_madd52hi_epu64(middle, x, all(b));  // the instruction ignores bits above 52
  return {_mm512_add_epi64(_mm512_srli_epi64(middle, 12), _mm512_mullo_epi64(x1, all(b >> 12))),
          _mm512_mullo_epi64(x, all(b))};
}

LSTM_HD Eight exclusive_or(Eight a, Eight b, Eight c) {
  return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}

// One round of `philox`.
LSTM_HD void next_round(Eight x[4], Eight k0, Eight k1) {
  EightProducts a = product(x[0], PHILOX_MULTIPLIER_0), b = product(x[2], PHILOX_MULTIPLIER_1);
  Eight x0 = exclusive_or(b.high, x[1], k0), x2 = exclusive_or(a.high, x[3], k1);
  x[0] = x0, x[1] = b.low, x[2] = x2, x[3] = a.low;
}

// Grid points of eight counters, 64 of them, as `grid_point` makes them of `philox`.
LSTM_HD void store_grid_points(const Eight x[4], u32 *out) {
  // Shifted, each word is two grid points as they lie in memory; now words to their counters.
  Eight p[4];
  LSTM_UNROLL for (int w = 0; w < 4; ++w) p[w] = _mm512_srli_epi32(x[w], 8);
  const Eight a = _mm512_unpacklo_epi64(p[0], p[1]), b = _mm512_unpackhi_epi64(p[0], p[1]);
  const Eight c = _mm512_unpacklo_epi64(p[2], p[3]), d = _mm512_unpackhi_epi64(p[2], p[3]);
  const Eight even_low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const Eight even_high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  // Now each 256 bits hold one counter: 0 and 2 (4 and 6) of a and c, 1 and 3 (5 and 7) of b and d.
  const Eight c02 = _mm512_permutex2var_epi64(a, even_low, c);
  const Eight c46 = _mm512_permutex2var_epi64(a, even_high, c);
  const Eight c13 = _mm512_permutex2var_epi64(b, even_low, d);
  const Eight c57 = _mm512_permutex2var_epi64(b, even_high, d);
  _mm512_storeu_si512(out, _mm512_shuffle_i64x2(c02, c13, 0x44));
  _mm512_storeu_si512(out + 16, _mm512_shuffle_i64x2(c02, c13, 0xEE));
  _mm512_storeu_si512(out + 32, _mm512_shuffle_i64x2(c46, c57, 0x44));
  _mm512_storeu_si512(out + 48, _mm512_shuffle_i64x2(c46, c57, 0xEE));
}

// 8 COUNT counters from `counter` on, whose rounds overlap: 64 COUNT grid points. Their lower words
// must not wrap.
//
// The upper words are zero, so round 1 has one product, and round 2 one of a word that all share.
template <int COUNT> LSTM_HD void draw_eights(Counter counter, Key key, u32 *out) {
  const Eight lanes = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
  const Product shared = product(counter.high ^ key.seed, PHILOX_MULTIPLIER_0);
  u64 k0 = key.seed + PHILOX_WEYL_0, k1 = key.stream + PHILOX_WEYL_1;
  Eight x[COUNT][4];
  LSTM_UNROLL for (int h = 0; h < COUNT; ++h) {
    EightProducts a = product(_mm512_add_epi64(all(counter.low + 8 * h), lanes), PHILOX_MULTIPLIER_0);
    EightProducts b = product(_mm512_xor_si512(a.high, all(key.stream)), PHILOX_MULTIPLIER_1);
    x[h][0] = _mm512_xor_si512(b.high, all(k0)), x[h][1] = b.low;
    x[h][2] = _mm512_xor_si512(a.low, all(shared.high ^ k1)), x[h][3] = all(shared.low);
  }
  LSTM_UNROLL for (int round = 2; round < PHILOX_ROUNDS; ++round) {
    k0 += PHILOX_WEYL_0;
    k1 += PHILOX_WEYL_1;
    LSTM_UNROLL for (int h = 0; h < COUNT; ++h) next_round(x[h], all(k0), all(k1));
  }
  LSTM_UNROLL for (int h = 0; h < COUNT; ++h) store_grid_points(x[h], out + 64 * h);
}

}  // namespace lstm
#endif
