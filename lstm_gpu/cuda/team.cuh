// A team of threads, which has one weight set at a time, and where it keeps what. The threads run
// phases: functions of the team and a thread's number in it. All threads finish a phase before one
// begins the next.
//
// LINES, MATRIX: whether what a team has per row, and U, are in fast memory.
#pragma once
#include "arrangement.cuh"
#include "kept.cuh"
#include "near.cuh"
#include "score.cuh"

namespace lstm {

template <class T, bool LINES, bool MATRIX> struct Team {
  typedef T Real;
  typedef typename Kept<T>::Number Number;
  static constexpr bool U_IN_TILE = MATRIX;

  const Case &c;
  const Arrangement &a;
  char *fast, *slow;

  template <class A> LSTM_HD A *work(int offset) const {
    return reinterpret_cast<A *>(fast + offset);
  }
  template <class A> LSTM_HD A *line(int offset) const {
    return reinterpret_cast<A *>((LINES ? fast : slow) + offset);
  }

  LSTM_HD int n() const { return int(c.hidden_size); }
  LSTM_HD int m() const { return int(c.input_size); }
  LSTM_HD Number *tile() const { return work<Number>(a.tile); }
  LSTM_HD T *sums() const { return work<T>(a.sums); }  // (2, threads)
  LSTM_HD Extremes *extremes() const { return work<Extremes>(a.extremes); }
  LSTM_HD Partial<T> *partials() const { return work<Partial<T>>(a.partials); }
  LSTM_HD Score *score() const { return work<Score>(a.score); }
  LSTM_HD T *x() const { return line<T>(a.x); }
  LSTM_HD T *h_prev() const { return line<T>(a.h_prev); }
  LSTM_HD T *c_prev() const { return line<T>(a.c_prev); }
  LSTM_HD T *z() const { return line<T>(a.z); }          // (4, n)
  LSTM_HD T *reach() const { return line<T>(a.reach); }  // |W||x| + |U||h|, (4, n)
  LSTM_HD T *step() const { return line<T>(a.step); }
  LSTM_HD u32 *largest() const { return line<u32>(a.largest); }  // keys of |U_g[k, j]|, column j
  LSTM_HD T *bound() const { return line<T>(a.bound); }
  LSTM_HD RowBound *parts() const { return line<RowBound>(a.parts); }
  LSTM_HD Row<T> *rows() const { return line<Row<T>>(a.rows); }
  LSTM_HD Centre<T> *centres() const { return line<Centre<T>>(a.centres); }
  LSTM_HD Number *U() const {  // (4, n, n)
    return reinterpret_cast<Number *>((MATRIX ? fast : slow) + a.U);
  }
};

}  // namespace lstm
