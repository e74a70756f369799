// The kernels' phases on the host, the threads of a phase one after another: for the tests.
#include <stddef.h>

#include "sigmoid.cuh"
#include "sphere.cuh"
#include "team_check.cuh"

namespace lstm {

// All threads of a team, forwards or backwards: what a phase finds must not depend on it.
struct Each {
  int threads;
  bool backwards;
  template <class Phase> void operator()(const Phase &phase) const {
    for (int t = 0; t < threads; ++t) phase(backwards ? threads - 1 - t : t);
  }
  template <class First, class Then> void operator()(const First &first, const Then &then) const {
    (*this)(first), (*this)(then);
  }
};

template <class T, bool LINES, bool MATRIX>
void check_range(const Case &c, const Arrangement &a, i64 start, i64 stop, int backwards,
                 const double *edges, char *fast, char *slow, Result *result) {
  const Team<T, LINES, MATRIX> team = {c, a, fast, slow};
  begin(*result, u64(stop - start));
  memset(result->bins, 0, sizeof result->bins);
  begin(*team.score());
  for (i64 index = start; index < stop; ++index)
    check(team, index, edges, result->bins, Each{a.threads, backwards != 0});
  merge(*result, *team.score());
}

// The weights of a set as a team draws them, whole: W (4, n, m) and U (4, n, n).
template <class T>
void draw(const Case &c, const Arrangement &a, i64 index, char *fast, T *out) {
  const Team<T, true, true> team = {c, a, fast, nullptr};
  const i64 last = first_of_state(team), at_once = a.capacity / 4 * 4;
  for (i64 first = 0; first < last; first += at_once) {
    const i64 stop = smaller(last, first + at_once);
    Each{a.threads, false}([&](int t) { draw(team, t, stream_of(team, index), first, stop); });
    for (i64 k = first; k < stop; ++k) out[k] = Kept<T>::value(team.tile()[k - first], c.scale);
  }
}

// sphere.cu's kernels: directions (sets, samples, n), and the search of one weight set after another.
template <class T>
void draw_directions(const Draw &of, i64 sets, const i64 *chosen, int threads, int teams,
                     bool backwards, double *memory, T *out, T *norms) {
  for (i64 k = 0; k < sets * of.samples; ++k) {
    double *own = memory + k % teams * Direction<T>::memory_of(of.size);
    draw_direction(Direction<T>{of, own, threads}, of.first_set + k / of.samples,
                   chosen ? chosen[k] : of.first_sample + k % of.samples, out + k * of.size,
                   norms + k, Each{threads, backwards});
  }
}

template <class T>
void search(const Claims<T> &claims, const T *h, const T *norms, i64 sets, int size, int gates,
            int samples, int before, bool backwards, Found<T> *found) {
  Shared<T> *shared = new Shared<T>;
  Held<T> *held = new Held<T>[PRODUCT_THREADS];
  for (i64 set = 0; set < sets; ++set)
    for (int first = 0; first < size; first += TILE) {
      memset(shared, 0xFF, sizeof *shared);
      const Search<T> own = {claims, h, norms, *shared, size, gates, samples, sets, set, first, before};
      search_rows(own, found, Each{PRODUCT_THREADS, backwards},
                  [&](int t) -> Held<T> & { return held[t]; });
    }
  delete[] held;
  delete shared;
}

}  // namespace lstm

using namespace lstm;

#define EXPORT(T, NAME)                                                                            \
  extern "C" void check_##NAME(const Case *c, const Arrangement *a, int place, i64 start,          \
                               i64 stop, int backwards, const double *edges, char *fast,           \
                               char *slow, Result *result) {                                       \
    (place == 0 ? check_range<T, true, true>                                                       \
                : place == 1 ? check_range<T, true, false> : check_range<T, false, false>)(        \
        *c, *a, start, stop, backwards, edges, fast, slow, result);                                \
  }                                                                                                \
  extern "C" void draw_##NAME(const Case *c, const Arrangement *a, i64 index, char *fast,          \
                              T *out) {                                                            \
    draw<T>(*c, *a, index, fast, out);                                                             \
  }                                                                                                \
  extern "C" void directions_##NAME(const Draw *of, i64 sets, const i64 *chosen, int threads,      \
                                    int teams, int backwards, double *memory, T *out, T *norms) {  \
    draw_directions<T>(*of, sets, chosen, threads, teams, backwards, memory, out, norms);          \
  }                                                                                                \
  extern "C" void search_##NAME(const Claims<T> *claims, const T *h, const T *norms, i64 sets,     \
                                int size, int gates, int samples, int before, int backwards,       \
                                Found<T> *found) {                                                 \
    search<T>(*claims, h, norms, sets, size, gates, samples, before, backwards, found);            \
  }                                                                                                \
  extern "C" void sizes_##NAME(i64 *out) {                                                         \
    const i64 found[] = {sizeof(Case),       sizeof(Arrangement), sizeof(Result),                  \
                         sizeof(Worst),      sizeof(Extremes),    sizeof(Partial<T>),              \
                         sizeof(Score),      sizeof(RowBound),    sizeof(Row<T>),                  \
                         sizeof(Centre<T>),  offsetof(Result, bins), offsetof(Arrangement, U),        \
                         sizeof(Draw),       sizeof(Claims<T>),   sizeof(lstm::Found<T>)};          \
    memcpy(out, found, sizeof found);                                                              \
  }

// One segment by one thread, with the functions' values as NumPy has them.
template <int FORM> void see_forms(int form, const Segment &own, const Values *values, Seen *seen) {
  if (form == FORM)
    for (u32 k = own.start; k < own.stop; ++k)
      see_form<FORM>(*seen, k, value_of(k, own.negative), values[k - own.start]);
  if constexpr (FORM + 1 < FORMS) see_forms<FORM + 1>(form, own, values, seen);
}
template <int F> void see_functions(int function, const Segment &own, const Values *values,
                                    Seen *seen) {
  if (function == F)
    for (u32 k = own.start; k < own.stop; ++k)
      see_function<F>(*seen, k, value_of(k, own.negative), values[k - own.start]);
  if constexpr (F + 1 < FUNCTIONS) see_functions<F + 1>(function, own, values, seen);
}

// In two parts, which are joined; of the truth of a form, only `settled` is the device's own.
extern "C" void see(const Segment *own, int of_function, int which, const Values *values,
                    Seen *seen) {
  Segment parts[2] = {*own, *own};
  parts[0].stop = parts[1].start = own->start + (own->stop - own->start) / 3;
  Seen found[2] = {nothing_seen(), nothing_seen()};
  for (int p = 0; p < 2; ++p) {
    if (of_function) found[p].largest = 0;
    const Values *given = values + (parts[p].start - own->start);
    if (of_function)
      see_functions<0>(which, parts[p], given, &found[p]);
    else
      see_forms<0>(which, parts[p], given, &found[p]);
  }
  join(found[1], found[0], of_function);
  *seen = found[1];
}
extern "C" void settle(const float *z, i64 count, double *out) {
  for (i64 k = 0; k < count; ++k) out[k] = settled(z[k]);
}
extern "C" void sizes_of_survey(i64 *out) {
  out[0] = sizeof(Values), out[1] = sizeof(Segment), out[2] = sizeof(Seen);
}

extern "C" void normals(u32 first, u32 stride, i64 count, double *out) {
  for (i64 k = 0; k < count; ++k) {
    const u32 point = u32(first + stride * k);
    out[k] = in_centre(point) ? normal_in_centre(point) : normal_in_tail(point);
  }
}

EXPORT(double, float64)
EXPORT(float, float32)
