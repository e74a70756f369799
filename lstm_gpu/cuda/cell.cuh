// The forward equations of the LSTM cell at one entry, as lstm_gpu/cell.py has them.
#pragma once
#include "activations.cuh"

namespace lstm {

constexpr int GATES = 4;
enum Gate { INPUT, FORGET, CANDIDATE, OUTPUT };

template <class T> struct Step {
  T i, f, u, o, c, tanh_c, h;
};

// Gates, cell state and hidden state from the four preactivations.
template <class T> LSTM_HD Step<T> activate(const T z[GATES], T c_prev) {
  Step<T> s;
  s.i = sigmoid(z[INPUT]);
  s.f = sigmoid(z[FORGET]);
  s.o = sigmoid(z[OUTPUT]);
  s.u = hyperbolic_tangent(z[CANDIDATE]);
  s.c = s.f * c_prev + s.i * s.u;
  s.tanh_c = hyperbolic_tangent(s.c);
  s.h = s.o * s.tanh_c;
  return s;
}

}  // namespace lstm
