/* The fuzz targets on their seeds, in fuzz/seeds: what a fuzzer begins with, and every input that
 * once showed a defect. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>

#include "artifact.h"
#include "calls.h"
#include "component.h"
#include "paths.h"

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void target(const char *name, void (*run)(const uint8_t *, size_t)) {
  char folder[4096], *names[1024];
  size_t count = 0;
  struct dirent *entry;
  DIR *dir;
  part(name);
  snprintf(folder, sizeof folder, "../../fuzz/seeds/%s", name);
  CHECK((dir = opendir(guest_path(folder))) != NULL);
  while ((entry = readdir(dir)) != NULL && count < sizeof names / sizeof *names)
    if (entry->d_name[0] != '.') {
      size_t len = strlen(folder) + strlen(entry->d_name) + 2;
      CHECK((names[count] = malloc(len)) != NULL);
      snprintf(names[count++], len, "%s/%s", folder, entry->d_name);
    }
  closedir(dir);
  CHECK(count > 0);
  qsort(names, count, sizeof *names, compare_names);
  for (size_t i = 0; i < count; i++) {
    size_t len;
    uint8_t *bytes = load(names[i], &len), *exact = malloc(len ? len : 1);
    CHECK(exact != NULL);
    memcpy(exact, bytes, len); /* of its own length, for a checker of memory */
    check_doing = names[i];
    run(exact, len);
    free(exact);
    free(bytes);
    free(names[i]);
  }
  printf("             %zu seeds\n", count);
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  target("component", fuzz_component);
  target("artifact", fuzz_artifact);
  target("calls", fuzz_calls);
  target("paths", fuzz_paths);
  return check_end();
}
