// One entry of the full check: D4, and the central difference of the whole forward step.
#pragma once
#include "bounds.cuh"

namespace lstm {

// What row k of a weight set needs at each of its entries: z^, c_{t-1} and the factors of its
// U_g in D4.
template <class T> struct Row {
  T z[GATES], c_prev;
  T factor[GATES];
};

// D4: tanh(c) ∘ ∂o + o ∘ (1 - tanh²(c)) ∘ (c_{t-1} ∘ ∂f + u ∘ ∂i + i ∘ ∂u), ∂g = g' ∘ U_g, with the
// derivatives as the derivation writes them, (1 - sigma) sigma and 1 - tanh².
template <class T> LSTM_HD Row<T> row_of(const Step<T> &s, const T z[GATES], T c_prev) {
  T cell = s.o * (1 - s.tanh_c * s.tanh_c);
  return {{z[INPUT], z[FORGET], z[CANDIDATE], z[OUTPUT]}, c_prev,
          {cell * (s.u * ((1 - s.i) * s.i)), cell * (c_prev * ((1 - s.f) * s.f)),
           cell * (s.i * (1 - s.u * s.u)), s.tanh_c * ((1 - s.o) * s.o)}};
}

template <class T> LSTM_HD T hidden_jacobian(const T factor[GATES], const T U[GATES]) {
  T cell = factor[FORGET] * U[FORGET] + factor[INPUT] * U[INPUT] + factor[CANDIDATE] * U[CANDIDATE];
  return factor[OUTPUT] * U[OUTPUT] + cell;
}

// The forward step at z^ ± s_j U e_j, h at the one point less h at the other.
template <class T> LSTM_HD T change_of_hidden(const Row<T> &row, const T U[GATES], T step) {
  T forward[GATES], backward[GATES];
  LSTM_UNROLL for (int g = 0; g < GATES; ++g) {
    T change = U[g] * step;
    forward[g] = row.z[g] + change;
    backward[g] = row.z[g] - change;
  }
  return activate(forward, row.c_prev).h - activate(backward, row.c_prev).h;
}

template <class T> struct Entry {
  T claimed, measured;
};

// The verdict's numbers of one weight set, as lstm_gpu/tally.py has them. All entries of row k
// have the bound B_k/s_j, and s_j is a power of two: so error/bound = (error s_j)/B_k to the bit,
// and one division per row is enough.
struct Summary {
  double ratio, widest;  // the largest error over bound, the largest bound
  int decided, decisive;
};

struct Worst {
  double ratio, error, bound, claimed, measured;
  long long set, row, column;
};

}  // namespace lstm
