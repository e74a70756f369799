// The kernels' phases on the host, the threads of a phase one after another: for the tests.
#include <stddef.h>

#include "team.cuh"

namespace lstm {

// All threads of a team, forwards or backwards: what a phase finds must not depend on it.
struct Each {
  int threads;
  bool backwards;
  template <class Phase> void operator()(const Phase &phase) const {
    for (int t = 0; t < threads; ++t) phase(backwards ? threads - 1 - t : t);
  }
};

template <class T, bool LINES, bool MATRIX>
void check_range(const Case &c, const Arrangement &a, i64 start, i64 stop, int backwards,
                 const double *edges, char *fast, char *slow, Result *result) {
  const Team<T, LINES, MATRIX> team = {c, a, fast, slow};
  begin(*result, u64(stop - start));
  memset(result->bins, 0, sizeof result->bins);
  team.begin();
  for (i64 index = start; index < stop; ++index)
    check(team, index, edges, result->bins, Each{a.threads, backwards != 0});
  merge(*result, *team.score());
}

// The weights of a set as `Team` draws them, whole: W (4, n, m) and U (4, n, n).
template <class T>
void draw(const Case &c, const Arrangement &a, i64 index, char *fast, T *out) {
  const Team<T, true, true> team = {c, a, fast, nullptr};
  const i64 last = team.first_of_state(), at_once = a.capacity / 4 * 4;
  for (i64 first = 0; first < last; first += at_once) {
    const i64 stop = smaller(last, first + at_once);
    Each{a.threads, false}([&](int t) { team.draw(t, team.stream(index), first, stop); });
    for (i64 k = first; k < stop; ++k) out[k] = Kept<T>::value(team.tile()[k - first], c.scale);
  }
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
  extern "C" void sizes_##NAME(i64 *out) {                                                         \
    const i64 found[] = {sizeof(Case),       sizeof(Arrangement), sizeof(Result),                  \
                         sizeof(Worst),      sizeof(Extremes),    sizeof(Partial<T>),              \
                         sizeof(Score),      sizeof(RowBound),    sizeof(Row<T>),                  \
                         sizeof(Centre<T>),  offsetof(Result, bins), offsetof(Arrangement, U)};    \
    memcpy(out, found, sizeof found);                                                              \
  }

EXPORT(double, float64)
EXPORT(float, float32)
