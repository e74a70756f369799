// How a weight is kept: in four bytes, as the point of the grid that it was drawn at, or as the
// number itself where that has four bytes. So U of n = 64 takes 64 KiB in either format, and two
// blocks share a multiprocessor's memory.
#pragma once
#include "weights.cuh"

namespace lstm {

// The weight of a grid point, uniform on ±1/√n with scale = 2/√n. k 2^-24 - 1/2 is put together from
// its bits, as 1 + k 2^-24 less 3/2: a conversion from an integer takes a GPU four times as long.
constexpr int MIDDLE = 1 << 23;
LSTM_HD double weight_at(u32 point, double scale) {
  return (from_bits(0x3FF0000000000000 | u64(point) << 28) - 1.5) * scale;
}

template <class T> struct Kept;
template <> struct Kept<double> {
  typedef u32 Number;
  static LSTM_HD u32 keep(u32 point, double) { return point; }
  static LSTM_HD double value(u32 kept, double scale) { return weight_at(kept, scale); }
  // A number that orders by size, and the size that belongs to it.
  static LSTM_HD u32 key(u32 kept) {
    const int off = int(kept) - MIDDLE;
    return u32(off < 0 ? -off : off);
  }
  static LSTM_HD double size(u32 key, double scale) {
    return magnitude(weight_at(u32(MIDDLE) - key, scale));
  }
};
template <> struct Kept<float> {
  typedef float Number;
  static LSTM_HD float keep(u32 point, double scale) { return float(weight_at(point, scale)); }
  static LSTM_HD float value(float kept, double) { return kept; }
  static LSTM_HD u32 key(float kept) { return bits_of(kept) & 0x7FFFFFFF; }
  static LSTM_HD float size(u32 key, double) { return from_bits(key); }
};

// Four of them, moved at once.
template <class T> struct alignas(16) Quad {
  typename Kept<T>::Number v[4];
};

}  // namespace lstm
