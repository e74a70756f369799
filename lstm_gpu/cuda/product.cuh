// The products w·h and d·h of a tile of rows and samples by the threads of a block: who holds what,
// and how it is multiplied. float: multiply-adds. double: matrix multiply-adds of whole warps (DMMA,
// from sm_80 on), whose parts every lane has to have loaded before any multiplies. No TF32 for float:
// its bound would be another.
//
// Roofline of a multiprocessor of an H100, by its documentation, for double: 128 multiply-adds per
// clock in DMMA, 128 bytes between registers and shared memory or L1 cache, 13 from memory.
// - A component of a tile is 64 rows of w and of d with 64 samples: 8192 multiply-adds, 64 clocks.
// - Shared memory and L1: each of 8 warps takes 16 rows of w and of d and 32 samples, 32 clocks in all
//   (the 16 addresses of a half warp are in 16 banks: PITCH); 192 numbers are fetched and stored,
//   12 clocks each. The rows stay in the L1 cache: 128 KiB at n = 128.
// - Memory: 64 samples, 512 bytes, 40 clocks.
// - Registers, of 255: 64 sums, up to 40 parts, 24 fetched ahead, 52 of what is found (sphere.cuh). So
//   there is one block of 8 warps, two for each tensor core.
// So DMMA limits, if the warps hide latency, and at n = 128 a sample and a row take 2 of its clocks; then
// barriers and what is not overlapped: 0.22 clocks of double's pipe for each gate in the epilogue, and
// drawing, some 0.6. Not run on a GPU yet.
#pragma once
#include "platform.cuh"

namespace lstm {

constexpr int TILE = 64, DEPTH = 16, PRODUCT_THREADS = 256;  // rows and samples; components at once

// In shared memory: a block of components of the rows w and d, and of the samples.
template <class T> struct Tiles {
  static constexpr int PITCH = DEPTH + (sizeof(T) == 8 ? 4 : 1);
  T row[TILE][PITCH], direction[TILE][PITCH], sample[TILE][PITCH];
};

// What a thread holds: the sums of ROWS rows with SAMPLES samples. SHARERS threads share a row.
template <class T> struct Sums {
  static constexpr int SIDE = 16, ROWS = TILE / SIDE, SAMPLES = TILE / SIDE, SHARERS = SIDE;
  T z[ROWS][SAMPLES], dot[ROWS][SAMPLES];

  static LSTM_HD int row(int thread, int i) { return thread / SIDE + SIDE * i; }
  static LSTM_HD int sample(int thread, int j) { return thread % SIDE + SIDE * j; }
  static LSTM_HD int sharer(int thread) { return thread % SIDE; }

  LSTM_HD void take(int, const Tiles<T> &) {}

  template <class Of> LSTM_HD void multiply(int thread, const Tiles<T> &tiles, const Of &) {
    LSTM_UNROLL for (int k = 0; k < DEPTH; ++k) {
      T sample_part[SAMPLES];
      LSTM_UNROLL for (int j = 0; j < SAMPLES; ++j)
          sample_part[j] = tiles.sample[sample(thread, j)][k];
      LSTM_UNROLL for (int i = 0; i < ROWS; ++i) {
        const T w = tiles.row[row(thread, i)][k], d = tiles.direction[row(thread, i)][k];
        LSTM_UNROLL for (int j = 0; j < SAMPLES; ++j) {
          z[i][j] = multiply_add(w, sample_part[j], z[i][j]);
          dot[i][j] = multiply_add(d, sample_part[j], dot[i][j]);
        }
      }
    }
  }
};

// --- Matrix multiply-adds -------------------------------------------------------------------------
//
// A (16, 16) times B (16, 8). The PTX ISA's fragments of mma.m8n8k4 of .f64: lane l holds A[l/4][l%4],
// B[l%4][l/4], and of the sum C[l/4][2 (l%4) + {0, 1}]. Those of mma.m16n8k16 (from sm_90 on) are eight
// of these: A's rows 8 i …, columns 4 q … in a[i][q], B's rows 4 q … in b[q]. Whichever is used, each
// sum is one of n products in some order, which gamma(n) bounds.

constexpr int LANES = 32, EIGHTS = 2, QUARTERS = DEPTH / 4;

#ifdef __CUDA_ARCH__
__device__ __forceinline__ void matrix_multiply_add(const double (&a)[EIGHTS][QUARTERS],
                                                    const double (&b)[QUARTERS], double &c0,
                                                    double &c1, double &c2, double &c3) {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f64.f64.f64.f64 {%0, %1, %2, %3}, "
      "{%4, %5, %6, %7, %8, %9, %10, %11}, {%12, %13, %14, %15}, {%0, %1, %2, %3};"
      : "+d"(c0), "+d"(c1), "+d"(c2), "+d"(c3)
      : "d"(a[0][0]), "d"(a[1][0]), "d"(a[0][1]), "d"(a[1][1]), "d"(a[0][2]), "d"(a[1][2]),
        "d"(a[0][3]), "d"(a[1][3]), "d"(b[0]), "d"(b[1]), "d"(b[2]), "d"(b[3]));
#else
  LSTM_UNROLL for (int q = 0; q < QUARTERS; ++q) {
    asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
                 : "+d"(c0), "+d"(c1)
                 : "d"(a[0][q]), "d"(b[q]));
    asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
                 : "+d"(c2), "+d"(c3)
                 : "d"(a[1][q]), "d"(b[q]));
  }
#endif
}
#endif

// Warp v multiplies 16 rows from 16 (v/2) on with 32 samples from 32 (v%2) on.
template <> struct Sums<double> {
  static constexpr int ROWS = EIGHTS, SAMPLES = 8, SHARERS = 8, BLOCKS = SAMPLES / 2;
  double z[ROWS][SAMPLES], dot[ROWS][SAMPLES];
  double row_part[EIGHTS][QUARTERS], direction_part[EIGHTS][QUARTERS];  // a
  double sample_part[BLOCKS][QUARTERS];                                 // b

  static LSTM_HD int row(int thread, int i) { return thread / 64 * 16 + 8 * i + thread % LANES / 4; }
  static LSTM_HD int sample(int thread, int j) {
    return thread / LANES % 2 * 32 + 8 * (j / 2) + 2 * (thread % 4) + j % 2;
  }
  static LSTM_HD int sharer(int thread) { return thread / LANES % 2 * 4 + thread % 4; }

  LSTM_HD void take(int thread, const Tiles<double> &tiles) {
    const int lane = thread % LANES, first = thread / LANES % 2 * 32;
    LSTM_UNROLL for (int q = 0; q < QUARTERS; ++q) {
      const int k = 4 * q + lane % 4;
      LSTM_UNROLL for (int i = 0; i < EIGHTS; ++i) {
        row_part[i][q] = tiles.row[row(thread, i)][k];
        direction_part[i][q] = tiles.direction[row(thread, i)][k];
      }
      LSTM_UNROLL for (int b = 0; b < BLOCKS; ++b)
          sample_part[b][q] = tiles.sample[first + 8 * b + lane / 4][k];
    }
  }

  // of(t): what thread t holds; a device asks for none but its own.
  template <class Of>
  LSTM_HD void multiply(int thread, const Tiles<double> &, const Of &of) {
#ifdef __CUDA_ARCH__
    LSTM_UNROLL for (int b = 0; b < BLOCKS; ++b) {
      matrix_multiply_add(row_part, sample_part[b], z[0][2 * b], z[0][2 * b + 1], z[1][2 * b],
                          z[1][2 * b + 1]);
      matrix_multiply_add(direction_part, sample_part[b], dot[0][2 * b], dot[0][2 * b + 1],
                          dot[1][2 * b], dot[1][2 * b + 1]);
    }
#else
    const int lane = thread % LANES, warp = thread - lane;
    for (int k = 0; k < DEPTH; ++k) {
      const Sums &a = of(warp + 4 * (lane / 4) + k % 4);
      for (int j = 0; j < SAMPLES; ++j) {
        const Sums &b = of(warp + 4 * (2 * (lane % 4) + j % 2) + k % 4);
        for (int i = 0; i < EIGHTS; ++i) {
          const double sample = b.sample_part[j / 2][k / 4];
          z[i][j] = multiply_add(a.row_part[i][k / 4], sample, z[i][j]);
          dot[i][j] = multiply_add(a.direction_part[i][k / 4], sample, dot[i][j]);
        }
      }
    }
#endif
  }
};

}  // namespace lstm
