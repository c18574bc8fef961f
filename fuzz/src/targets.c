/* The targets, as functions for the linker. They find the guests where the sources are. */
#define _POSIX_C_SOURCE 200809L
#include "../../tests/c/artifact.h"
#include "../../tests/c/calls.h"
#include "../../tests/c/component.h"
#include "../../tests/c/paths.h"

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
TARGET(paths)
