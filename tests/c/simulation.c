/* A simulation: many instances of several engines, called, reset, cancelled and freed on four threads,
 * in callbacks of each other's calls, while the program makes time pass and the system refuses memory,
 * address space, descriptors, mappings and threads, and the process forks; all of it as a seed says,
 * and all of it held against a model that was written from torvyn.h.
 *
 *   simulation GUESTS                     episodes for some seconds, or for TORVYN_SIMULATION
 *   simulation GUESTS SEED [STEPS [tell]]    one episode, as it was; `tell` prints each step
 *
 * What is wrong is said with its seed and the steps before it. */
#define _GNU_SOURCE
#include "../simulation/steps.h"

#include <errno.h>
#include <signal.h>

enum { STEPS = 1500 }; /* of an episode */

static uint64_t steps_wanted = STEPS;

static void hangs(int signal) {
  (void)signal;
  static const char said[] = "a step does not end\n";
  (void)!write(2, said, sizeof said - 1);
  record->failed = 1;
  _Exit(1);
}

static void run_steps(void) {
  while (record->tallies.steps < (in_a_fork ? last_step : steps_wanted)) {
    step();
    hand_on();
  }
  if (!in_a_fork) return;
  all_freed();
  _Exit(0);
}

static void *run_thread(void *number) {
  me = (int)(intptr_t)number;
  take_turns(run_steps);
  return NULL;
}

/* In a process of its own, which has not called the library before. */
static void episode(void) {
  pthread_t threads[THREADS], ticks;
  random_state = record->seed;
  signal(SIGALRM, hangs);
  for (int i = 0; i < THREADS; i++) pthread_cond_init(&turns.come[i], NULL);
  turns.whose = 0;
  CHECK(pthread_create(&ticks, NULL, run_ticker, NULL) == 0);
  for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, run_thread, (void *)(intptr_t)i) == 0);
  for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  all_freed();
  pthread_mutex_lock(&ticker.lock);
  ticker.over = 1;
  pthread_cond_signal(&ticker.come);
  pthread_mutex_unlock(&ticker.lock);
  CHECK(pthread_join(ticks, NULL) == 0);
}

/* Gives whether all was well. */
static int run_episode(uint64_t seed) {
  int status;
  pid_t child;
  memset(record, 0, sizeof *record);
  record->seed = seed;
  fflush(stdout);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    episode();
    exit(0); /* and not _Exit(): a sanitizer looks for leaks */
  }
  while (waitpid(child, &status, 0) != child) CHECK(errno == EINTR);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !record->failed) return 1;
  fprintf(stderr, "\nseed %" PRIu64 ", step %" PRIu64 ": ", seed, record->tallies.steps);
  if (WIFSIGNALED(status)) fprintf(stderr, "signal %d", WTERMSIG(status));
  else fprintf(stderr, "status %d", WEXITSTATUS(status));
  fprintf(stderr, "; the steps before:\n");
  for (unsigned n = record->noted > SHOWN ? record->noted - SHOWN : 0; n < record->noted; n++)
    fprintf(stderr, "  %s\n", record->notes[n % NOTES]);
  fprintf(stderr, "the latest error: %s\n", record->said);
  fprintf(stderr, "to see it again: simulation GUESTS %" PRIu64 " %" PRIu64 " tell\n", seed, steps_wanted);
  return 0;
}

/* Runs the seed again: gives whether it does the same. */
static int runs_again(void) {
  record_t *first = malloc(sizeof *first);
  unsigned n = 0;
  int well;
  CHECK(first != NULL);
  memcpy(first, record, sizeof *first);
  well = run_episode(first->seed);
  if (well && record->digest != first->digest) {
    while (n < first->noted && n < NOTES - 1 && !strcmp(first->notes[n], record->notes[n])) n++;
    fprintf(stderr, "\nseed %" PRIu64 " does not run the same way twice:\n  %s\n  %s\n", first->seed, first->notes[n],
            record->notes[n]);
    well = 0;
  }
  free(first);
  return well;
}

static void remove_artifacts(void) {
  DIR *folder = opendir(world.artifacts);
  struct dirent *entry;
  char path[400];
  CHECK(folder != NULL);
  while ((entry = readdir(folder)) != NULL) {
    snprintf(path, sizeof path, "%s/%s", world.artifacts, entry->d_name);
    if (entry->d_name[0] != '.') CHECK(unlink(path) == 0);
  }
  closedir(folder);
  CHECK(rmdir(world.artifacts) == 0);
}

static void add_tallies(uint64_t *sums) {
  uint64_t tallies[TALLY_COUNT];
  memcpy(tallies, &record->tallies, sizeof tallies);
  for (size_t n = 0; n < TALLY_COUNT; n++) sums[n] += tallies[n];
}

int main(int argc, char **argv) {
  const char *said = getenv("TORVYN_SIMULATION");
  double seconds = said ? strtod(said, NULL) : 4 * check_slow();
  uint64_t first, episodes = 0, began = now_ns(), sums[TALLY_COUNT] = {0};
  int well = 1;
  if (argc < 2 || argc > 5) {
    fprintf(stderr, "usage: %s GUESTS [SEED [STEPS [tell]]]\n", argv[0]);
    return 2;
  }
  check_guests = argv[1];
  record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(record != MAP_FAILED);
  strcpy(world.artifacts, "/tmp/torvyn-simulation-XXXXXX");
  CHECK(mkdtemp(world.artifacts) != NULL);
  if (argc > 3) steps_wanted = strtoull(argv[3], NULL, 10);
  telling = argc > 4;
  if (argc > 2) {
    first = strtoull(argv[2], NULL, 10);
    well = run_episode(first);
    episodes = 1;
    add_tallies(sums);
  } else {
    /* The same each time, so that what fails is what was changed. */
    first = getenv("TORVYN_SEED") ? strtoull(getenv("TORVYN_SEED"), NULL, 10) : 1;
    printf("seeds from %" PRIu64 "\n", first);
    while (well && (double)(now_ns() - began) < seconds * 1e9) {
      well = run_episode(first + episodes++);
      add_tallies(sums);
      /* One of four runs again: it does the same. */
      if (well && episodes % 4 == 1) well = runs_again();
    }
  }
  remove_artifacts();
  double took = (double)(now_ns() - began) / 1e9;
  printf("%" PRIu64 " episodes, %.0f steps a second, in %.0f s; the digest of the last is %016" PRIx64 "\n", episodes,
         (double)sums[0] / took, took, record->digest);
  for (size_t n = 0; n < TALLY_COUNT; n++) printf("%10" PRIu64 " %s\n", sums[n], tally_names[n]);
  if (well) printf("all checks hold\n");
  return !well;
}
