// The full check of one weight set by a team of threads, phase by phase.
//
// The kernels (check.cu) put barriers between phases; the tests run the threads of a phase one
// after another on the host, so that all but the barriers is tried without a GPU.
//
// What a weight set costs on a GPU, per entry of its Jacobian and with m = n, in instructions of a
// thread (counted in the loops' machine code of double for sm_90; nothing was timed):
//   8 uniforms, kept   230, of them 76 products 32 x 32 -> 64 bits: a call of Philox4x64-10
//   z and its size     100, of them 40 of double: 8 weights, each made from its point and added twice
//   columns' largest    20
//   the entry          170, of them 92 of double, a division included (near.cuh has none)
// A multiprocessor issues 4 x 32 a clock, and H100's does 64 operations of double: 520/128 = 4.1
// clocks against 132/64 = 2.1. So the issue of instructions binds, the units of double next, and
// warps of different phases have to run side by side for either. Memory: U is written once and
// read twice, 4 bytes each, in shared memory up to n = 64 or so; beyond, 48 bytes per entry go
// through the second-level cache. W is not kept, n x n results are not written.
#pragma once
#include "team_entries.cuh"
#include "team_weights.cuh"

namespace lstm {

// What the upper half of the threads found into what the lower half did. One of several phases,
// half = threads/2, threads/4 … 1.
template <class Found> LSTM_HD void merge_halves(Found *found, int thread, int half) {
  if (thread >= half) return;
  merge(found[thread], found[thread + half]);
}

// The phases of one weight set, in their order. `each` runs a phase with every thread of the team
// and ends it when all have done so.
template <class A, class Each>
LSTM_HD void check(const A &team, i64 index, const double *edges, u32 *bins, const Each &each) {
  const Counter start = stream_of(team, index);
  each([&](int t) { draw_state(team, t, start); });
  each([&](int t) { make_state(team, t); });
  const int rows = 4 * team.n();
  int before = 0, drawn = 0;  // the rows that were in the tile last: the first, and how many
  bool more = false;
  for (int matrix = 0; matrix < 2; ++matrix) {  // W, then U
    const int length = matrix ? team.n() : team.m(), at_once = rows_at_once(team, length);
    for (int first = 0; first < rows; first += at_once) {
      const int count = smaller(at_once, rows - first);
      const i64 word = i64(rows) * (matrix ? team.m() : 0) + i64(first) * length;
      each([&](int t) {
        draw(team, t, start, word, word + i64(count) * length);
        gather(team, t, before, drawn, more);
      });
      each([&](int t) {
        multiply(team, t, first, count, length, matrix ? team.h_prev() : team.x(), matrix);
        if (matrix) columns(team, t, first, count);
      });
      before = first, drawn = count, more = matrix;
    }
  }
  each([&](int t) { gather(team, t, before, drawn, more); });
  each([&](int t) { forward(team, t); });
  each([&](int t) { bound_rows(team, t); });
  for (int half = team.a.threads / 2; half > 0; half /= 2)
    each([&](int t) { merge_halves(team.extremes(), t, half); });
  each([&](int t) { steps(team, t); });
  each([&](int t) { compare(team, t); });
  for (int half = team.a.threads / 2; half > 0; half /= 2)
    each([&](int t) { merge_halves(team.partials(), t, half); });
  each([&](int t) {
    if (t == 0) conclude(team, index, edges, bins);
  });
}

}  // namespace lstm
