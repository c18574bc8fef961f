/* File descriptors of the process: those that the library holds, where they lie, and what becomes of
 * everything when the program closes them and opens its own files at their numbers. */
#define _GNU_SOURCE
#include "check.h"
#include "wasi.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

enum { MOST = 256 }; /* no number is as high */

static char folder[] = "/tmp/torvyn-descriptors-XXXXXX";
static const char *at(const char *name) {
  static char paths[4][64];
  static unsigned turn;
  char *path = paths[turn++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

/* Which numbers are open. */
static unsigned open_now(uint8_t *is_open) {
  unsigned n = 0;
  for (int fd = 0; fd < MOST; fd++) n += is_open[fd] = fcntl(fd, F_GETFD) >= 0;
  return n;
}

/* What is open is what was, but for numbers that lead nowhere: a thread may still wait there for what the
 * program closed. The last threads of WASI's may take a moment to end. */
static void same_are_open(const uint8_t *before) {
  uint8_t now[MOST];
  int differ = 1;
  for (int tries = 0; differ && tries < 200; tries++) {
    if (tries) sleep_ms(10);
    open_now(now);
    differ = 0;
    for (int fd = 0; fd < MOST; fd++) differ |= now[fd] != before[fd] && !(now[fd] && fcntl(fd, F_GETFL) & O_PATH);
  }
  CHECK(!differ);
}

/* ---- all that holds descriptors --------------------------------------------- */

enum { DIRECT, GENERAL, POOLED, BYTES, LOADED, WAYS };

static torvyn_engine_t *engines[WAYS];
static torvyn_linked_t *linked[WAYS];
static torvyn_instance_t *instances[WAYS];
/* One that has no image, since nothing is in its memory. */
static torvyn_linked_t *empty;
/* What was granted a directory: one that has a file of it open, and one that reads in it. */
static torvyn_linked_t *holding, *reading;
static torvyn_instance_t *holder, *reader;

static torvyn_component_t *made(torvyn_engine_t *engine, int way) {
  torvyn_component_t *component = component_of(engine, "upper-case"), *again = STALE;
  torvyn_blob_t *blob = STALE;
  FILE *file;
  if (way < BYTES) return component;
  if (way == BYTES) {
    again = reloaded(engine, component);
  } else {
    OK(torvyn_component_serialize(component, &blob, &err));
    torvyn_bytes_t bytes = torvyn_blob_bytes(blob);
    file = fopen(at("artifact"), "wb");
    CHECK(file != NULL && fwrite(bytes.data, 1, bytes.len, file) == bytes.len && fclose(file) == 0);
    torvyn_blob_free(blob);
    OK(torvyn_component_deserialize_file_unchecked(engine, at("artifact"), &again, &err));
  }
  torvyn_component_free(component);
  return again;
}

static void make_all(void) {
  torvyn_imports_t *imports = STALE;
  for (int way = 0; way < WAYS; way++) {
    torvyn_engine_config_t config = {.struct_size = sizeof config,
                                     .path = way == GENERAL ? TORVYN_PATH_GENERAL : TORVYN_PATH_AUTO,
                                     .pool_instances = way == POOLED ? 4 : 0,
                                     .optimize = TORVYN_OPTIMIZE_NONE};
    engines[way] = engine_with(&config);
    linked[way] = linked_once(made(engines[way], way), NULL);
    instances[way] = instance_of(linked[way], 1, NULL);
    OK(torvyn_init(instances[way], str(""), &err));
    emits(instances[way], "abc", "ABC");
  }
  empty = linked_once(component_from(engines[DIRECT], WAT("(component\n" SOUND ")")), NULL);
  OK(torvyn_imports_new(engines[DIRECT], &imports, &err));
  OK(torvyn_imports_wasi_preopen(imports, folder, str("/"), TORVYN_ACCESS_READ_WRITE, &err));
  holding = linked_once(component_from(engines[DIRECT],
                                       wasi_component("    (func (export \"init\") (param i32 i32) (result i32)\n"
                                                      "      (call $say (call $file (call $dir))))\n")),
                        imports);
  OK(torvyn_imports_wasi_socket(imports, TORVYN_SOCKET_TCP_CONNECT, str("127.0.0.1"), 1, 1, &err));
  reading = linked_once(component_of(engines[DIRECT], "wasi-stdio"), imports);
  torvyn_imports_free(imports);
  holder = instance_of(holding, 1, NULL);
  EXPECT_TEXT(TORVYN_ERROR_GUEST_INTERNAL, "code=B", torvyn_init(holder, str(""), &err));
  reader = instance_of(reading, 1, NULL);
  emits(reader, "read:/file", "");
}

static void free_all(void) {
  torvyn_instance_free(holder);
  torvyn_linked_free(holding);
  torvyn_instance_free(reader);
  torvyn_linked_free(reading);
  torvyn_linked_free(empty);
  for (int way = 0; way < WAYS; way++) {
    torvyn_instance_free(instances[way]);
    torvyn_linked_free(linked[way]);
    torvyn_engine_free(engines[way]);
  }
}

/* ---- where they lie ---------------------------------------------------------- */

/* With the standard streams closed: none of their numbers is taken; all is closed by exec, and at the end. */
static void above_the_standard_streams(void) {
  uint8_t before[MOST], all[MOST];
  int out = fcntl(1, F_DUPFD_CLOEXEC, MOST), err = fcntl(2, F_DUPFD_CLOEXEC, MOST);
  unsigned were, are, own = 0;
  int low = 0;
  CHECK(out >= MOST && err >= MOST && close(0) == 0 && close(1) == 0 && close(2) == 0);
  were = open_now(before);
  make_all();
  are = open_now(all);
  for (int fd = 0; fd < MOST; fd++) low |= fd < 3 && all[fd];
  for (int fd = 0; fd < MOST; fd++) own += all[fd] && !before[fd] && (fcntl(fd, F_GETFD) & FD_CLOEXEC);
  free_all();
  same_are_open(before);
  CHECK(dup2(out, 1) == 1 && dup2(err, 2) == 2);
  printf("  %u descriptors\n", own);
  CHECK(low == 0 && own == are - were && own > WAYS);
}

/* ---- what closing them breaks ------------------------------------------------- */

/* Closes all but the standard streams, as a program does that becomes a daemon; with `own`, its own file
 * lies at each number then. */
static void close_from_three(int own) {
  char text[PAGE];
  int file = open(at("secret"), O_RDWR | O_CREAT, 0600), kept;
  memset(text, 'S', sizeof text);
  CHECK(file >= 0 && write(file, text, sizeof text) == sizeof text);
  CHECK((kept = fcntl(file, F_DUPFD, MOST)) >= MOST);
  for (int fd = 3; fd < MOST; fd++) close(fd);
  for (int fd = 3; own && fd < MOST; fd++) CHECK(dup2(kept, fd) == fd);
  close(kept);
}

#define LOST "file descriptor"

static void closed(int own) {
  uint8_t before[MOST];
  struct stat first, now;
  torvyn_instance_t *instance;
  torvyn_linked_t *again;
  torvyn_imports_t *imports;
  torvyn_element_t e;
  torvyn_output_t out;
  make_all();
  close_from_three(own);
  open_now(before);
  if (own) CHECK(fstat(3, &first) == 0);
  for (int way = 0; way < WAYS; way++) {
    /* What is there goes on; of what is made anew, nothing is the program's. */
    emits(instances[way], "abc", "ABC");
    instance = STALE;
    EXPECT_TEXT(TORVYN_ERROR_INSTANTIATION, LOST, torvyn_instance_new(linked[way], 2, NULL, &instance, &err));
    CHECK(instance == NULL);
    EXPECT_TEXT(TORVYN_ERROR_INSTANTIATION, LOST, torvyn_instance_reset(instances[way], &err));
    CHECK(torvyn_instance_state(instances[way]) == TORVYN_STATE_POISONED);
  }
  torvyn_instance_free(instance_of(empty, 2, NULL));
  EXPECT_TEXT(TORVYN_ERROR_INSTANTIATION, LOST, torvyn_instance_new(holding, 2, NULL, &instance, &err));
  EXPECT_TEXT(TORVYN_ERROR_INTERNAL, LOST, (e = element("read:/file"), torvyn_process(reader, &e, &out, &err)));
  CHECK(torvyn_instance_state(reader) == TORVYN_STATE_POISONED);
  EXPECT_TEXT(TORVYN_ERROR_INSTANTIATION, LOST, torvyn_instance_reset(reader, &err));
  /* What is made after that is as good as ever. */
  again = linked_once(component_of(engines[POOLED], "upper-case"), NULL);
  instance = instance_of(again, 3, NULL);
  OK(torvyn_init(instance, str(""), &err));
  emits(instance, "abc", "ABC");
  torvyn_instance_free(instance);
  torvyn_linked_free(again);
  OK(torvyn_imports_new(engines[DIRECT], &imports, &err));
  OK(torvyn_imports_wasi_preopen(imports, folder, str("/"), TORVYN_ACCESS_READ_WRITE, &err));
  OK(torvyn_imports_wasi_socket(imports, TORVYN_SOCKET_TCP_CONNECT, str("127.0.0.1"), 1, 1, &err));
  again = linked_once(component_of(engines[DIRECT], "wasi-stdio"), imports);
  torvyn_imports_free(imports);
  instance = instance_of(again, 3, NULL);
  emits(instance, "read:/file", "");
  torvyn_instance_free(instance);
  torvyn_linked_free(again);
  free_all();
  same_are_open(before);
  for (int fd = 3; own && fd < MOST; fd++) CHECK(fstat(fd, &now) == 0 && now.st_ino == first.st_ino);
  if (own) {
    char text[PAGE + 1];
    CHECK(pread(3, text, sizeof text, 0) == PAGE);
    for (int i = 0; i < PAGE; i++) CHECK(text[i] == 'S');
  }
}

static int ended;

/* The program's own threads make and close what is like the library's. */
static void *makes_alike(void *at) {
  while (!__atomic_load_n(&ended, __ATOMIC_SEQ_CST)) {
    int made[16];
    for (int i = 0; i < 16; i++) made[i] = i % 2 ? eventfd(0, EFD_CLOEXEC) : epoll_create1(EPOLL_CLOEXEC);
    usleep(100);
    for (int i = 0; i < 16; i++) close(made[i]);
  }
  return at;
}

static void alike(void) {
  pthread_t threads[2];
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *sockets;
  for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, makes_alike, NULL) == 0);
  for (int engine = 0; engine < 8; engine++) {
    torvyn_engine_t *made = engine_with(NULL);
    torvyn_instance_t *instance;
    OK(torvyn_imports_new(made, &imports, &err));
    OK(torvyn_imports_wasi_socket(imports, TORVYN_SOCKET_TCP_CONNECT, str("127.0.0.1"), 1, 1, &err));
    sockets = linked_once(component_of(made, "wasi-stdio"), imports);
    torvyn_imports_free(imports);
    instance = instance_of(sockets, 1, NULL);
    usleep(1000);
    OK(torvyn_init(instance, str(""), &err));
    emits(instance, "sleep:1", "slept");
    torvyn_instance_free(instance);
    torvyn_linked_free(sockets);
    torvyn_engine_free(made);
  }
  __atomic_store_n(&ended, 1, __ATOMIC_SEQ_CST);
  for (int i = 0; i < 2; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

static void all_closed(void) { closed(0); }
static void all_replaced(void) { closed(1); }

int main(int argc, char **argv) {
  check_begin(argc, argv);
  CHECK(mkdtemp(folder) != NULL);
  in_child("descriptors lie above the standard streams", above_the_standard_streams);
  in_child("descriptors of the program's that are like the library's", alike);
  in_child("descriptors that were closed", all_closed);
  in_child("descriptors that are the program's now", all_replaced);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  CHECK(system(command) == 0);
  return check_end();
}
