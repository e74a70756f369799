// Where a team of threads keeps its arrays, decided on the host (lstm_gpu/arrangement.py, which
// repeats these structs): offsets in bytes into its part of the block's shared memory ("fast"), or
// of the device's memory ("slow").
#pragma once
#include "platform.cuh"

namespace lstm {

struct Arrangement {
  i64 fast_bytes, slow_bytes;  // of a team; multiples of 16
  int threads;                 // of a team: a power of two
  int capacity;                // numbers that the tile holds: a multiple of 4
  // Always fast.
  int tile, sums, extremes, partials, score;
  // One array each over rows or columns.
  int x, h_prev, c_prev, z, reach, step, largest, bound, parts, rows, centres;
  int U;  // the same place as the tile where it is fast
};
static_assert(sizeof(Arrangement) == 96, "ARRANGEMENT of lstm_gpu/arrangement.py");

}  // namespace lstm
