// Philox for many counters at once where a processor has products of 52 bits (AVX-512 IFMA).
//
// With x = x0 + 2^52 x1 and b = b0 + 2^52 b1 the upper word of x b is
// (high(x0 b0) + x0 b1 + x1 (b mod 2^12)) >> 12, plus x1 (b >> 12), where high is the upper half of
// a product in 104 bits: what is left out, its lower half, is below 2^52 and carries nothing into
// bit 64. The sum stays below 2^64, since b1 < 2^12 - 1.
//
// The units for registers are the ones in demand, everywhere in the check. So some counters are
// drawn by the units for single words, which are idle, two at a time and round by round among the
// others.
#pragma once
#if defined(__AVX512IFMA__) && defined(__AVX512DQ__)
#define LSTM_PHILOX_AVX512
#include <immintrin.h>

#include "philox.cuh"

namespace lstm {

typedef __m512i Eight;  // words

LSTM_HD Eight eight(u64 word) { return _mm512_set1_epi64((long long)word); }

struct EightProducts {
  Eight high, low;
};

LSTM_HD EightProducts product(Eight x, u64 b) {
  const Eight x0 = _mm512_and_si512(x, eight((1ull << 52) - 1)), x1 = _mm512_srli_epi64(x, 52);
  Eight middle = _mm512_mullo_epi64(x0, eight(b >> 52));
  middle = _mm512_madd52lo_epu64(middle, x1, eight(b & 0xFFF));
  middle = _mm512_madd52hi_epu64(middle, x, eight(b));  // the instruction ignores bits above 52
  return {_mm512_add_epi64(_mm512_srli_epi64(middle, 12), _mm512_mullo_epi64(x1, eight(b >> 12))),
          _mm512_mullo_epi64(x, eight(b))};
}

LSTM_HD Eight exclusive_or(Eight a, Eight b, Eight c) {
  return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}

// Of two words alone, by the processor's own product.
LSTM_HD constexpr Product product_of_words(u64 a, u64 b) {
  const unsigned __int128 whole = (unsigned __int128)a * b;
  return {u64(whole >> 64), u64(whole)};
}

// What counters share whose upper words are the same: the keys, and what round 1 makes of the upper
// word. It leaves x0 = counter.high ^ k0 and x1 = 0, so in round 2 one of the products is the same
// for all.
struct Schedule {
  u64 key[PHILOX_ROUNDS][2];
  Product of_high;

  explicit Schedule(Key own) {
    for (int round = 0; round < PHILOX_ROUNDS; ++round) {
      key[round][0] = own.seed + u64(round) * PHILOX_WEYL_0;
      key[round][1] = own.stream + u64(round) * PHILOX_WEYL_1;
    }
  }
  void set(u64 counter_high) {
    of_high = product_of_words(counter_high ^ key[0][0], PHILOX_MULTIPLIER_0);
  }
};

// Eight counters, their four words in a register each.
struct EightCounters {
  Eight x[4];

  // Rounds 1 and 2, from the product of round 1.
  LSTM_HD void begin(const Schedule &s, EightProducts a) {
    const EightProducts b = product(_mm512_xor_si512(a.high, eight(s.key[0][1])), PHILOX_MULTIPLIER_1);
    x[0] = _mm512_xor_si512(b.high, eight(s.key[1][0])), x[1] = b.low;
    x[2] = _mm512_xor_si512(a.low, eight(s.of_high.high ^ s.key[1][1])), x[3] = eight(s.of_high.low);
  }

  LSTM_HD void next_round(const u64 key[2]) {
    const EightProducts a = product(x[0], PHILOX_MULTIPLIER_0), b = product(x[2], PHILOX_MULTIPLIER_1);
    x[0] = exclusive_or(b.high, x[1], eight(key[0])), x[1] = b.low;
    x[2] = exclusive_or(a.high, x[3], eight(key[1])), x[3] = a.low;
  }

  // 64 numbers as `level_of` makes them: (x & kept) ^ sign. The lanes hold counters 0 4 1 5 2 6 3 7.
  LSTM_HD void store(int *out) const {
    const Eight kept = _mm512_set1_epi32(0xFFFFFF00), sign = _mm512_set1_epi32(0x80000000);
    Eight p[4];
    LSTM_UNROLL for (int w = 0; w < 4; ++w) p[w] = _mm512_ternarylogic_epi64(x[w], kept, sign, 0x6A);
    // All four words of two counters: their first two and last two are next to each other in these.
    const Eight first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const Eight second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const Eight a = _mm512_unpacklo_epi64(p[0], p[1]), b = _mm512_unpacklo_epi64(p[2], p[3]);
    const Eight c = _mm512_unpackhi_epi64(p[0], p[1]), d = _mm512_unpackhi_epi64(p[2], p[3]);
    _mm512_storeu_si512(out, _mm512_permutex2var_epi64(a, first, b));
    _mm512_storeu_si512(out + 16, _mm512_permutex2var_epi64(a, second, b));
    _mm512_storeu_si512(out + 32, _mm512_permutex2var_epi64(c, first, d));
    _mm512_storeu_si512(out + 48, _mm512_permutex2var_epi64(c, second, d));
  }
};

// Two counters.
struct TwoCounters {
  u64 x[2][4];

  LSTM_HD void begin(const Schedule &s, u64 low) {
    LSTM_UNROLL for (int c = 0; c < 2; ++c) {
      const Product a = product_of_words(low + c, PHILOX_MULTIPLIER_0);
      const Product b = product_of_words(a.high ^ s.key[0][1], PHILOX_MULTIPLIER_1);
      x[c][0] = b.high ^ s.key[1][0], x[c][1] = b.low;
      x[c][2] = a.low ^ s.of_high.high ^ s.key[1][1], x[c][3] = s.of_high.low;
    }
  }

  LSTM_HD void next_round(const u64 key[2]) {
    LSTM_UNROLL for (int c = 0; c < 2; ++c) {
      const Product a = product_of_words(x[c][0], PHILOX_MULTIPLIER_0);
      const Product b = product_of_words(x[c][2], PHILOX_MULTIPLIER_1);
      x[c][0] = b.high ^ (x[c][1] ^ key[0]), x[c][1] = b.low;
      x[c][2] = a.high ^ (x[c][3] ^ key[1]), x[c][3] = a.low;
    }
  }

  LSTM_HD void store(int *out) const {
    LSTM_UNROLL for (int c = 0; c < 2; ++c) {
      LSTM_UNROLL for (int w = 0; w < 4; ++w) {
        const u64 levels = (x[c][w] & 0xFFFFFF00FFFFFF00) ^ 0x8000000080000000;
        memcpy(out + 8 * c + 2 * w, &levels, sizeof levels);
      }
    }
  }
};

// c M of round 1 for the eight counters c that come next, in the order of their lanes. The counters
// after them have it by an addition.
struct NextProducts {
  EightProducts a;

  // Of 0 4 1 5 2 6 3 7.
  struct Lanes {
    u64 high[8] = {}, low[8] = {};
    constexpr Lanes() {
      for (int l = 0; l < 8; ++l) {
        const Product p = product_of_words(u64(l / 2 + l % 2 * 4), PHILOX_MULTIPLIER_0);
        high[l] = p.high, low[l] = p.low;
      }
    }
  };

  explicit NextProducts(u64 first) {
    static constexpr Lanes lanes;
    const Product p = product_of_words(first, PHILOX_MULTIPLIER_0);
    a = {_mm512_loadu_si512(lanes.high), _mm512_loadu_si512(lanes.low)};
    add({eight(p.high), eight(p.low)});
  }
  LSTM_HD void add(EightProducts b) {
    a.low = _mm512_add_epi64(a.low, b.low);
    const __mmask8 carry = _mm512_cmplt_epu64_mask(a.low, b.low);
    a.high = _mm512_add_epi64(a.high, b.high);
    a.high = _mm512_mask_sub_epi64(a.high, carry, a.high, eight(~0ull));
  }
  LSTM_HD EightProducts step(u64 counters) {
    const EightProducts own = a;
    const Product p = product_of_words(counters, PHILOX_MULTIPLIER_0);
    add({eight(p.high), eight(p.low)});
    return own;
  }
};

// 8 EIGHTS counters, and 2 PAIRS after them.
template <int EIGHTS, int PAIRS>
LSTM_HD void draw_together(const Schedule &s, NextProducts &next, u64 low, int *out) {
  static_assert(PAIRS == 0 || (EIGHTS == 4 && PAIRS == 4));
  EightCounters many[EIGHTS];
  LSTM_UNROLL for (int h = 0; h < EIGHTS; ++h)
    many[h].begin(s, next.step(h + 1 < EIGHTS ? 8 : 8 + 2 * PAIRS));
  _Pragma("GCC unroll 1") for (int part = 0; part < 4; ++part) {
    TwoCounters two;
    if (PAIRS) two.begin(s, low + 8 * EIGHTS + 2 * part);
    LSTM_UNROLL for (int slot = 0; slot < 2 * EIGHTS; ++slot) {
      if (PAIRS) two.next_round(s.key[2 + slot]);
      many[slot % EIGHTS].next_round(s.key[2 + 2 * part + slot / EIGHTS]);
    }
    if (PAIRS) two.store(out + 64 * EIGHTS + 16 * part);
  }
  LSTM_UNROLL for (int h = 0; h < EIGHTS; ++h) many[h].store(out + 64 * h);
}

constexpr i64 BATCH = 40;  // counters that are drawn together

// At least `count` counters from `low` on, up to 15 more; their lower words must not wrap.
inline void draw_many(const Schedule &s, u64 low, i64 count, int *out) {
  NextProducts next(low);
  for (; count >= BATCH; count -= BATCH, low += BATCH, out += BATCH * UNIFORMS_PER_COUNTER)
    draw_together<4, 4>(s, next, low, out);
  for (; count > 16; count -= 32, low += 32, out += 32 * UNIFORMS_PER_COUNTER)
    draw_together<4, 0>(s, next, low, out);
  for (; count > 0; count -= 8, low += 8, out += 8 * UNIFORMS_PER_COUNTER)
    draw_together<1, 0>(s, next, low, out);
}

}  // namespace lstm
#endif
