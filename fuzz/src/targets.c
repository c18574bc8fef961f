/* The targets, as functions for the linker. They find the guests where the sources are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

#include "../../tests/c/artifact.h"
#include "../../tests/c/calls.h"
#include "../../tests/c/component.h"
#include "../../tests/c/generated.h"
#include "../../tests/c/paths.h"

/* What makes components lies beside the program. */
static void generate(enum generated_kind kind, const uint8_t *bytes, size_t len) {
  static void (*generator)(uint32_t, const uint8_t *, size_t, void (*)(const generated_t *));
  if (!generator) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(n > 0);
    path[n] = '\0';
    CHECK((size_t)(strrchr(path, '/') + 1 - path) + sizeof "libtorvyn_generate.so" <= sizeof path);
    strcpy(strrchr(path, '/') + 1, "libtorvyn_generate.so");
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fprintf(stderr, "%s\n", dlerror());
    CHECK(library != NULL);
    *(void **)&generator = dlsym(library, "torvyn_generate");
    CHECK(generator != NULL);
  }
  generator((uint32_t)kind, bytes, len, fuzz_generated);
}

static void fuzz_composed(const uint8_t *bytes, size_t len) { generate(GENERATED_COMPOSED, bytes, len); }
static void fuzz_modules(const uint8_t *bytes, size_t len) { generate(GENERATED_MODULES, bytes, len); }
static void fuzz_nested(const uint8_t *bytes, size_t len) { generate(GENERATED_NESTED, bytes, len); }

#define TARGET(name)                                             \
  void torvyn_fuzz_##name(const uint8_t *bytes, size_t len);     \
  void torvyn_fuzz_##name(const uint8_t *bytes, size_t len) {    \
    check_guests = FUZZ_GUESTS;                                  \
    check_doing = #name;                                         \
    fuzz_##name(bytes, len);                                     \
  }

TARGET(artifact)
TARGET(calls)
TARGET(component)
TARGET(composed)
TARGET(modules)
TARGET(nested)
TARGET(paths)
