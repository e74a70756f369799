// The kernels' phases by threads that run at the same time, with a barrier after each: built with
// -fsanitize=thread, which reports every pair of accesses that no barrier keeps apart.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <thread>
#include <vector>

#include "sphere.cuh"
#include "team_check.cuh"

using namespace lstm;

// Two barriers in turn: the sanitizer takes what a thread did before it came to a barrier as before all
// that a thread does after it left it, even if that one left late, from the phase before.
struct Each {
  int thread;
  pthread_barrier_t *barriers;
  mutable int turn;
  template <class Phase> void operator()(const Phase &phase) const {
    phase(thread);
    pthread_barrier_wait(barriers + (turn ^= 1));
  }
  template <class First, class Then> void operator()(const First &first, const Then &then) const {
    (*this)(first), (*this)(then);
  }
};

template <class Work> void together(int threads, const Work &work) {
  pthread_barrier_t barriers[2];
  for (pthread_barrier_t &one : barriers) pthread_barrier_init(&one, nullptr, unsigned(threads));
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) all.emplace_back([&, t] { work(Each{t, barriers, 0}); });
  for (std::thread &one : all) one.join();
  for (pthread_barrier_t &one : barriers) pthread_barrier_destroy(&one);
}

template <class T, bool LINES, bool MATRIX>
void check_sets(const Case &c, const Arrangement &a, const double *edges) {
  std::vector<char> fast(size_t(a.fast_bytes) + 16), slow(size_t(a.slow_bytes) + 16);
  u32 bins[BINS] = {};
  const Team<T, LINES, MATRIX> team = {c, a, fast.data(), slow.data()};
  begin(*team.score());
  together(a.threads, [&](const Each &each) {
    for (i64 index = 0; index < 3; ++index) check(team, index, edges, bins, each);
  });
  u32 sets = 0;
  for (u32 bin : bins) sets += bin;
  if (sets != 3) printf("%u of 3 weight sets\n", sets), exit(1);
}

template <class T> void draw_some(int size) {
  const Draw of = {1, 2, size, 3, 0, 2};
  std::vector<double> memory(Direction<T>::memory_of(size));
  std::vector<T> out(size + 1);
  const Direction<T> team = {of, memory.data(), 8};
  together(8, [&](const Each &each) {
    for (i64 sample = 0; sample < 2; ++sample) draw_direction(team, 3, sample, out.data(), &out[size], each);
  });
}

template <class T> void search_some(int size, int samples) {
  std::vector<T> U(size * size, T(0.25)), rows(size, T(1)), h(samples * size, T(0.5));
  std::vector<T> norms(samples, T(1));
  const Claims<T> claims = {U.data(),    U.data(),    rows.data(), rows.data(),
                            rows.data(), rows.data(), rows.data(), rows.data()};
  std::vector<Found<T>> found(size);
  static Shared<T> shared;
  std::vector<Held<T>> held(PRODUCT_THREADS);
  together(PRODUCT_THREADS, [&](const Each &each) {
    const Search<T> own = {claims, h.data(), norms.data(), shared, size, 1, samples, 1, 0, 0, 0};
    search_rows(own, found.data(), each, [&](int t) -> Held<T> & { return held[t]; });
  });
}

// Arguments: a file with Case, Arrangement and edges as the kernels get them, the place, the dtype.
int main(int, char **arguments) {
  Case c;
  Arrangement a;
  double edges[BINS];
  FILE *file = fopen(arguments[1], "rb");
  if (!file || fread(&c, sizeof c, 1, file) + fread(&a, sizeof a, 1, file) +
                       fread(edges, sizeof edges, 1, file) != 3)
    return 2;
  fclose(file);
  const int place = atoi(arguments[2]);
  if (atoi(arguments[3]) == 64)
    (place == 0 ? check_sets<double, true, true>
                : place == 1 ? check_sets<double, true, false> : check_sets<double, false, false>)(
        c, a, edges);
  else
    (place == 0 ? check_sets<float, true, true>
                : place == 1 ? check_sets<float, true, false> : check_sets<float, false, false>)(
        c, a, edges);
  if (place) return 0;
  draw_some<double>(21);
  search_some<double>(5, 70);
  return 0;
}
