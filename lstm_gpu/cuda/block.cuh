// The full check of one weight set by the threads of a block, phase by phase.
//
// Each phase is a function of the thread's number; all threads finish a phase before one begins
// the next. The kernels (check.cu) put a barrier between phases; the tests run the threads of a
// phase one after another on the host, so that all but the barriers is tried without a GPU.
#pragma once
#include "check.cuh"
#include "near.cuh"
#include "weights.cuh"

namespace lstm {

// What a block finds in one weight set: the verdict's numbers and the worst entry.
struct Found {
  Summary summary;
  Worst worst;
};

// What one thread found among its entries.
template <class T> struct Partial {
  T ratio, finite;  // finite: 0, or NaN where an error or a bound is not
  i64 entry;
  int decisive;
};

template <class T> struct Block {
  Case c;
  i64 threads;
  T *U;                    // (4, n, n)
  T *x, *h_prev, *c_prev;  // (m), (n), (n)
  T *z, *reach;            // (4, n)
  T *step, *bound;         // (n)
  RowBound *parts;         // (n)
  Step<T> *values;         // (n)
  Centre<T> *centres;      // (n)
  Partial<T> *partials;    // (threads)

  static LSTM_HD i64 aligned(i64 bytes) { return (bytes + 15) / 16 * 16; }

  // Bytes of memory that a block works in.
  static LSTM_HD i64 bytes(const Case &c, i64 threads) {
    Block<T> block;
    return block.place(c, threads, nullptr) - static_cast<char *>(nullptr);
  }

  template <class A> static LSTM_HD A *take(char *&next, i64 count) {
    A *taken = reinterpret_cast<A *>(next);
    next += aligned(count * i64(sizeof(A)));
    return taken;
  }

  // Lay the arrays into memory from `next` on; returns where they end.
  LSTM_HD char *place(const Case &of, i64 thread_count, char *next) {
    c = of, threads = thread_count;
    const i64 n = c.hidden_size;
    U = take<T>(next, 4 * n * n);
    x = take<T>(next, c.input_size), h_prev = take<T>(next, n), c_prev = take<T>(next, n);
    z = take<T>(next, 4 * n), reach = take<T>(next, 4 * n);
    step = take<T>(next, n), bound = take<T>(next, n);
    parts = take<RowBound>(next, n), values = take<Step<T>>(next, n);
    centres = take<Centre<T>>(next, n), partials = take<Partial<T>>(next, threads);
    return next;
  }

  LSTM_HD Words words(i64 index, i64 counter) const {
    const i64 all = 4 * c.hidden_size * (c.input_size + c.hidden_size) + c.input_size +
                    3 * c.hidden_size;
    Product before = product(index, (all + UNIFORMS_PER_COUNTER - 1) / UNIFORMS_PER_COUNTER);
    return philox(advanced({before.low, before.high}, counter + 1), {c.seed, c.stream});
  }

  LSTM_HD static u32 point_of(const Words &words, i64 word) {
    const int place = int(word % UNIFORMS_PER_COUNTER);
    const u64 whole = place < 4 ? (place < 2 ? words.w[0] : words.w[1])
                                : (place < 6 ? words.w[2] : words.w[3]);
    return grid_point(place % 2 ? whole >> 32 : whole);
  }

  LSTM_HD u32 point(i64 index, i64 word) const {
    return point_of(words(index, word / UNIFORMS_PER_COUNTER), word);
  }

  // Phase 1: an element of the state per thread.
  LSTM_HD void draw_state(i64 thread, i64 index) {
    const i64 n = c.hidden_size, m = c.input_size, first = 4 * n * (m + n);
    for (i64 j = thread; j < m; j += threads) x[j] = T(generic_input(point(index, first + j)));
    for (i64 k = thread; k < n; k += threads) {
      const T o = T(generic_output(point(index, first + m + k)));
      const double y = generic_tanh_c(point(index, first + m + n + k));
      h_prev[k] = o * T(y);
      c_prev[k] = T(portable_atanh(y));
    }
  }

  // One row of a matrix from the stream times v, and the same of sizes; the row is kept in `own`.
  LSTM_HD void draw_row(i64 index, i64 first, i64 length, const T *v, T *own, T &sum, T &size) {
    for (i64 at = first; at < first + length;) {
      const Words drawn = words(index, at / UNIFORMS_PER_COUNTER);
      const i64 next = (at / UNIFORMS_PER_COUNTER + 1) * UNIFORMS_PER_COUNTER;
      for (; at < next && at < first + length; ++at) {
        const T w = T(pytorch_uniform(point_of(drawn, at), c.scale));
        if (own) own[at - first] = w;
        sum += w * v[at - first];
        size += magnitude(w * v[at - first]);
      }
    }
  }

  // Phase 2: a row of a gate's W and U per thread.
  LSTM_HD void draw_weights(i64 thread, i64 index) {
    const i64 n = c.hidden_size, m = c.input_size;
    for (i64 r = thread; r < 4 * n; r += threads) {
      T driven = 0, recurrent = 0, driven_size = 0, recurrent_size = 0;
      draw_row(index, r * m, m, x, nullptr, driven, driven_size);
      draw_row(index, 4 * n * m + r * n, n, h_prev, U + r * n, recurrent, recurrent_size);
      z[r] = driven + recurrent;
      reach[r] = driven_size + recurrent_size;
    }
  }

  // Phase 3: a row's forward step and the parts of its bound per thread.
  LSTM_HD void rows(i64 thread) {
    const i64 n = c.hidden_size;
    const double g = gamma_of(2 * (n + c.input_size) + 4, Format<T>::UNIT_ROUNDOFF) * SLACK;
    for (i64 k = thread; k < n; k += threads) {
      const T own[GATES] = {z[k], z[n + k], z[2 * n + k], z[3 * n + k]};
      const double dz[GATES] = {g * reach[k], g * reach[n + k], g * reach[2 * n + k],
                                g * reach[3 * n + k]};
      values[k] = activate(own, c_prev[k]);
      parts[k] = row_bound(values[k], own, dz, double(c_prev[k]));
      centres[k] = centre_of(values[k], c_prev[k]);
    }
  }

  struct Reach {
    double radius;
    bool near;
  };

  // The radius that minimises the bound; every thread computes it.
  LSTM_HD Reach radius() const {
    double delta = 0, cubic = 0, most_c = 0;
    for (i64 k = 0; k < c.hidden_size; ++k) {
      delta = larger(parts[k].delta, delta), cubic = larger(parts[k].cubic, cubic);
      most_c = larger(double(magnitude(c_prev[k])), most_c);
    }
    const double r = smaller(1.0, cbrt(3 * delta / cubic));
    return {r, reach_of_points(r, most_c) <= Near<T>::LIMIT};
  }

  // Phase 4: a column's step and a row's bound per thread.
  LSTM_HD void steps(i64 thread) {
    const i64 n = c.hidden_size;
    const double r = radius().radius;
    for (i64 j = thread; j < n; j += threads) {
      T largest = 0;
      for (i64 row = 0; row < 4 * n; ++row) largest = larger(magnitude(U[row * n + j]), largest);
      step[j] = T(step_size(r, double(largest)));
      const RowBound &p = parts[j];
      bound[j] = T((p.delta + r * (p.linear + r * r * (p.cubic / 6))) * SLACK);
    }
  }

  LSTM_HD Entry<T> at(i64 k, i64 j, bool near) const {
    const i64 n = c.hidden_size;
    const T *u = U + k * n + j;
    const T own[GATES] = {u[0], u[n * n], u[2 * n * n], u[3 * n * n]};
    const T centre[GATES] = {z[k], z[n + k], z[2 * n + k], z[3 * n + k]};
    const Row<T> row = row_of(values[k], centre, c_prev[k]);
    const T change = near ? change_near(centres[k], own, step[j] / 2)
                          : change_of_hidden(row, own, step[j]);
    return {hidden_jacobian(row, own), change * (1 / (2 * step[j]))};
  }

  // Phase 5: entries, neighbouring ones by neighbouring threads.
  LSTM_HD void entries(i64 thread) {
    const i64 n = c.hidden_size;
    const bool near = radius().near;
    Partial<T> own = {-1, 0, 0, 0};
    for (i64 e = thread; e < n * n; e += threads) {
      const i64 k = e / n, j = e % n;
      const Entry<T> entry = at(k, j, near);
      const T gap = magnitude(entry.claimed - entry.measured) * step[j];
      own.finite += (gap - gap) + (bound[k] - bound[k]);
      own.decisive |= magnitude(entry.measured) * step[j] > bound[k];
      if (gap / bound[k] > own.ratio) own.ratio = gap / bound[k], own.entry = e;
    }
    partials[thread] = own;
  }

  // Phase 6, one thread: the whole from its parts.
  LSTM_HD Found found(i64 index) const {
    const i64 n = c.hidden_size;
    Partial<T> all = {-1, 0, 0, 0};
    for (i64 t = 0; t < threads; ++t) {
      const Partial<T> &p = partials[t];
      if (p.ratio > all.ratio || (p.ratio == all.ratio && p.entry < all.entry))
        all.ratio = p.ratio, all.entry = p.entry;
      all.finite += p.finite;
      all.decisive |= p.decisive;
    }
    T widest = 0, least_step = step[0];
    bool outside = false;
    for (i64 k = 0; k < n; ++k) {
      widest = larger(bound[k], widest);
      least_step = smaller(step[k], least_step);
      outside |= double(step[k]) <= power_of_two(LEAST_EXPONENT);
    }
    const i64 k = all.entry / n, j = all.entry % n;
    const Entry<T> worst = at(k, j, radius().near);
    const int decided = all.finite == 0 && !outside;
    return {{double(all.ratio), double(widest * (1 / least_step)), decided,
             decided && all.decisive},
            {double(all.ratio), double(magnitude(worst.claimed - worst.measured)),
             double(bound[k] * (1 / step[j])), double(worst.claimed), double(worst.measured),
             index, k, j}};
  }
};

}  // namespace lstm
