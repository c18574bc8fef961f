/* What a component sees of the file system is what was granted, whatever others do to
 * the paths that lead there; and how many of the process's descriptors it may hold. */
#define _GNU_SOURCE
#include "check.h"
#include "wasi.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

static char folder[64];

/* A path within the folder; valid until the eighth call after this one. */
static const char *at(const char *name) {
  static char paths[8][512];
  static unsigned turn;
  char *path = paths[turn++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static void make(const char *name, const char *text) {
  FILE *file = fopen(at(name), "w");
  CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void make_directory(const char *name) { CHECK(mkdir(at(name), 0700) == 0); }

/* srv/out is what is granted, or both; beside them lies a secret. */
static void make_folder(void) {
  strcpy(folder, "/tmp/torvyn-sandbox-XXXXXX");
  CHECK(mkdtemp(folder) != NULL);
  make_directory("srv");
  make_directory("srv/out");
  make_directory("secret");
  make("srv/out/file", "granted");
  make("secret/file", "secret");
}

static void remove_folder(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  CHECK(system(command) == 0);
}

static torvyn_imports_t *granted(torvyn_engine_t *engine, const char *path, const char *guest, torvyn_access_t access) {
  torvyn_imports_t *imports = NULL;
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_wasi_preopen(imports, path, str(guest), access, &err));
  return imports;
}

static torvyn_linked_t *linked_with(torvyn_component_t *component, torvyn_imports_t *imports) {
  torvyn_linked_t *linked = NULL;
  OK(torvyn_linked_new(component, imports, &linked, &err));
  torvyn_imports_free(imports);
  return linked;
}

static torvyn_engine_t *engine;
static torvyn_component_t *stdio;

/* A new instance reads, and one that is reset. */
static void reads(torvyn_linked_t *linked, torvyn_instance_t *before, const char *path, const char *wanted) {
  torvyn_instance_t *instance = instance_of(linked, 1, NULL);
  char command[128];
  snprintf(command, sizeof command, "read:%s", path);
  emits(instance, command, wanted);
  torvyn_instance_free(instance);
  OK(torvyn_instance_reset(before, &err));
  emits(before, command, wanted);
}

#define GONE "error: No such file or directory"

static void renamed(void) {
  torvyn_linked_t *a, *b;
  torvyn_instance_t *before;
  make_folder();
  a = linked_with(stdio, granted(engine, at("srv"), "/d", TORVYN_ACCESS_READ_WRITE));
  b = linked_with(stdio, granted(engine, at("srv/out"), "/d", TORVYN_ACCESS_READ));
  before = instance_of(b, 1, NULL);
  reads(b, before, "/d/file", "granted");
  /* What a component that has srv could do. */
  CHECK(rename(at("srv/out"), at("srv/old")) == 0 && symlink("../secret", at("srv/out")) == 0);
  reads(b, before, "/d/file", "granted");
  CHECK(unlink(at("srv/out")) == 0);
  make_directory("srv/out");
  make("srv/out/file", "another");
  reads(b, before, "/d/file", "granted");
  CHECK(unlink(at("srv/old/file")) == 0 && rmdir(at("srv/old")) == 0);
  reads(b, before, "/d/file", GONE);
  emits(before, "list:/d", "2"); /* . and .. */
  emits(before, "raw:../secret/file", "error: Operation not permitted");
  torvyn_instance_free(before);
  torvyn_linked_free(b);
  /* Within a grant, what lies there now is seen. */
  before = instance_of(a, 1, NULL);
  reads(a, before, "/d/out/file", "another");
  torvyn_instance_free(before);
  torvyn_linked_free(a);
  remove_folder();
}

/* A path that leads through links is followed when it is granted, and not again. */
static void links(void) {
  torvyn_linked_t *linked;
  torvyn_instance_t *before;
  make_folder();
  CHECK(symlink("srv", at("link")) == 0);
  linked = linked_with(stdio, granted(engine, at("link/out"), "/d", TORVYN_ACCESS_READ_WRITE));
  before = instance_of(linked, 1, NULL);
  CHECK(unlink(at("link")) == 0 && symlink("secret", at("link")) == 0);
  make_directory("secret/out");
  make("secret/out/file", "secret");
  reads(linked, before, "/d/file", "granted");
  emits(before, "raw-rename:x", "error: No such file or directory");
  torvyn_instance_free(before);
  torvyn_linked_free(linked);
  remove_folder();
}

/* One directory within the other, and one twice: each with its own access. */
static void nested(void) {
  torvyn_imports_t *imports;
  torvyn_linked_t *linked;
  torvyn_instance_t *instance;
  make_folder();
  imports = granted(engine, at("srv"), "/a", TORVYN_ACCESS_READ_WRITE);
  OK(torvyn_imports_wasi_preopen(imports, at("srv/out"), str("/b"), TORVYN_ACCESS_READ, &err));
  OK(torvyn_imports_wasi_preopen(imports, at("srv/out"), str("/c"), TORVYN_ACCESS_READ_WRITE, &err));
  linked = linked_with(stdio, imports);
  instance = instance_of(linked, 1, NULL);
  CHECK(rename(at("srv/out"), at("srv/old")) == 0 && symlink("../secret", at("srv/out")) == 0);
  emits(instance, "read:/a/out/file", "error: Operation not permitted");
  emits(instance, "read:/a/old/file", "granted");
  emits(instance, "read:/b/file", "granted");
  emits(instance, "write:/b/new", "error: Operation not permitted");
  emits(instance, "write:/c/new", "ok");
  emits(instance, "read:/b/new", "written by the guest");
  CHECK(access(at("srv/old/new"), F_OK) == 0 && access(at("secret/new"), F_OK) != 0);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  remove_folder();
}

/* Another file system over the directory, and one below it. */
static void mounts(void) {
  torvyn_linked_t *linked;
  torvyn_instance_t *before;
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
    printf("skipped: no mount may be made here\n");
    return;
  }
  make_folder();
  make_directory("srv/out/below");
  linked = linked_with(stdio, granted(engine, at("srv/out"), "/d", TORVYN_ACCESS_READ));
  before = instance_of(linked, 1, NULL);
  CHECK(mount(at("secret"), at("srv/out/below"), NULL, MS_BIND, NULL) == 0);
  reads(linked, before, "/d/below/file", "secret");
  CHECK(mount(at("secret"), at("srv/out"), NULL, MS_BIND, NULL) == 0);
  reads(linked, before, "/d/file", "granted");
  CHECK(umount(at("srv/out")) == 0 && umount(at("srv/out/below")) == 0);
  reads(linked, before, "/d/below/file", GONE);
  torvyn_instance_free(before);
  torvyn_linked_free(linked);
  remove_folder();
}

/* A program that locks itself in where there is neither the path nor /proc. */
static void locked_in(void) {
  torvyn_linked_t *linked;
  torvyn_instance_t *before;
  int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  make_folder();
  linked = linked_with(stdio, granted(engine, at("srv/out"), "/d", TORVYN_ACCESS_READ));
  before = instance_of(linked, 1, NULL);
  CHECK(root >= 0);
  if (chdir(at("secret")) != 0 || chroot(".") != 0) {
    printf("skipped: no root may be changed here\n");
  } else {
    CHECK(access("file", F_OK) == 0 && access(at("srv"), F_OK) != 0);
    reads(linked, before, "/d/file", "granted");
    CHECK(fchdir(root) == 0 && chroot(".") == 0);
  }
  CHECK(close(root) == 0);
  torvyn_instance_free(before);
  torvyn_linked_free(linked);
  remove_folder();
}

/* More entries than are read at once. */
static void many_entries(void) {
  torvyn_linked_t *linked;
  torvyn_instance_t *instance;
  char name[64];
  make_folder();
  for (int i = 0; i < 300; i++) {
    snprintf(name, sizeof name, "srv/out/%d", i);
    make(name, "");
  }
  linked = linked_with(stdio, granted(engine, at("srv/out"), "/d", TORVYN_ACCESS_READ));
  instance = instance_of(linked, 1, NULL);
  emits(instance, "list:/d", "303"); /* with `file`, . and .. */
  emits(instance, "list:/d", "303");
  emits(instance, "list:/d/file", "error: Not a directory");
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  remove_folder();
}

static int is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static int open_count(void) {
  int n = 0;
  for (int fd = 0; fd < 1024; fd++) n += is_open(fd);
  return n;
}

static void descriptors(void) {
  torvyn_imports_t *imports;
  torvyn_linked_t *linked;
  torvyn_instance_t *some[20];
  int before, in;
  pid_t child;
  make_folder();
  linked = linked_with(stdio, granted(engine, at("srv"), "/d", TORVYN_ACCESS_READ));
  some[0] = instance_of(linked, 1, NULL);
  emits(some[0], "read:/d/out/file", "granted"); /* now the engine has what it waits with */
  torvyn_instance_free(some[0]);
  torvyn_linked_free(linked);
  before = open_count();
  in = dup(0);
  CHECK(in > 2 && close(0) == 0);
  imports = granted(engine, at("srv/out"), "/d", TORVYN_ACCESS_READ);
  CHECK(!is_open(0) && dup2(in, 0) == 0 && close(in) == 0);
  CHECK(open_count() == before + 1);
  for (int fd = 3, found = 0; fd < 1024; fd++) {
    char link[64], path[512];
    ssize_t len;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if ((len = readlink(link, path, sizeof path - 1)) < 0) continue;
    path[len] = 0;
    if (strcmp(path, at("srv/out")) == 0) CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && !found++);
  }
  EXPECT(TORVYN_ERROR_WASI, torvyn_imports_wasi_preopen(imports, at("none"), str("/x"), TORVYN_ACCESS_READ, &err));
  EXPECT(TORVYN_ERROR_WASI, torvyn_imports_wasi_preopen(imports, at("srv"), str("/d"), TORVYN_ACCESS_READ, &err));
  CHECK(open_count() == before + 1);
  linked = linked_with(stdio, imports);
  for (int i = 0; i < 20; i++) {
    some[i] = instance_of(linked, 1, NULL);
    emits(some[i], "read:/d/file", "granted");
  }
  CHECK(open_count() == before + 1);
  /* A child has it, too. */
  fflush(stdout);
  CHECK((child = fork()) >= 0);
  if (child == 0) {
    torvyn_instance_t *own = instance_of(linked, 2, NULL);
    emits(own, "read:/d/file", "granted");
    _Exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  torvyn_linked_free(linked);
  for (int i = 0; i < 20; i++) {
    CHECK(open_count() == before + 1);
    torvyn_instance_free(some[i]);
  }
  CHECK(open_count() == before);
  remove_folder();
}

/* ---- how many -------------------------------------------------------------- */

/* The configuration's letter chooses what is opened until that is refused; how often it was not
 * is told. */
#define OPENING \
  "    (func $open-one (param $way i32) (param $dir i32) (result i32)\n" \
  "      (if (i32.eq (local.get $way) (i32.const 108)) (then\n" /* l: reads the directory */ \
  "        (call $list (local.get $dir) (i32.const 64))\n" \
  "        (return (i32.eqz (i32.load8_u (i32.const 64))))))\n" \
  "      (if (i32.eqz (call $file (local.get $dir))) (then (return (i32.const 0))))\n" \
  "      (if (i32.eq (local.get $way) (i32.const 115)) (then\n" /* s: a stream of it is left */ \
  "        (call $reads (i32.load (i32.const 68)) (i64.const 0) (i32.const 128))\n" \
  "        (if (i32.load8_u (i32.const 128)) (then unreachable))\n" \
  "        (call $drop (i32.load (i32.const 68)))))\n" \
  "      (if (i32.eq (local.get $way) (i32.const 100))\n" /* d: nothing of it is left */ \
  "        (then (call $drop (i32.load (i32.const 68)))))\n" \
  "      (i32.const 1))\n" \
  "    (func (export \"init\") (param $at i32) (param $len i32) (result i32)\n" \
  "      (local $way i32) (local $dir i32) (local $n i32)\n" \
  "      (local.set $way (i32.load8_u (local.get $at)))\n" \
  "      (local.set $dir (call $dir))\n" \
  "      (block $refused\n" \
  "        (loop $next\n" \
  "          (br_if $refused (i32.eqz (call $open-one (local.get $way) (local.get $dir))))\n" \
  "          (local.set $n (i32.add (local.get $n) (i32.const 1)))\n" \
  "          (br_if $next (i32.lt_u (local.get $n) (i32.const 200))))\n" \
  "        (return (call $say (i32.const 0))))\n" /* never refused */ \
  "      (if (i32.ne (i32.load8_u (i32.const 68)) (i32.const 22)) (then unreachable))\n" /* insufficient-memory */ \
  /* One less, and there is room for one more. */ \
  "      (if (i32.eq (local.get $way) (i32.const 111)) (then\n" /* o: the files stay open */ \
  "        (call $drop (i32.const 2))\n" \
  "        (if (i32.eqz (call $open-one (local.get $way) (local.get $dir))) (then unreachable))\n" \
  "        (if (call $open-one (local.get $way) (local.get $dir)) (then unreachable))))\n" \
  "      (call $say (i32.sub (local.get $n) (i32.const 40))))\n"

static unsigned refusals;

static void count_refusals(void *user, const torvyn_log_line_t *line) {
  (void)user;
  if (line->level == TORVYN_LOG_WARN && memmem(line->message.data, line->message.len, "max_files", 9)) refusals++;
}

static void limits(void) {
  torvyn_engine_config_t config = {.struct_size = sizeof config, .log = count_refusals};
  torvyn_engine_config_t fewer = {.struct_size = sizeof fewer, .max_files = 45};
  torvyn_engine_t *own, *other;
  torvyn_component_t *opening;
  torvyn_linked_t *linked;
  int before;
  /* What is opened; and how often with 45, by the engine or the options, and with 64. */
  const char *cases[][3] = {{"o", "code=F", "code=Y"}, {"s", "code=F", "code=Y"}, {"l", "code=F", "code=Y"},
                            {"d", "code=A", "code=A"}};
  make_folder();
  own = engine_with(&config);
  other = engine_with(&fewer);
  opening = component_from(own, wasi_component(OPENING));
  linked = linked_with(opening, granted(own, at("srv/out"), "/d", TORVYN_ACCESS_READ_WRITE));
  before = open_count();
  for (int i = 0; i < 4; i++) {
    torvyn_instance_options_t options = {.struct_size = sizeof options, .max_files = 45};
    torvyn_instance_t *few = instance_of(linked, 1, &options), *usual = instance_of(linked, 2, NULL);
    refusals = 0;
    EXPECT_TEXT(TORVYN_ERROR_GUEST_INTERNAL, cases[i][1], torvyn_init(few, str(cases[i][0]), &err));
    CHECK((refusals > 0) == (i < 3) && open_count() <= before + 55);
    EXPECT_TEXT(TORVYN_ERROR_GUEST_INTERNAL, cases[i][2], torvyn_init(usual, str(cases[i][0]), &err));
    torvyn_instance_free(few);
    torvyn_instance_free(usual);
  }
  torvyn_linked_free(linked);
  torvyn_component_free(opening);
  opening = component_from(other, wasi_component(OPENING));
  linked = linked_with(opening, granted(other, at("srv/out"), "/d", TORVYN_ACCESS_READ_WRITE));
  torvyn_instance_t *instance = instance_of(linked, 1, NULL);
  EXPECT_TEXT(TORVYN_ERROR_GUEST_INTERNAL, "code=F", torvyn_init(instance, str("o"), &err));
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_component_free(opening);
  torvyn_engine_free(other);
  torvyn_engine_free(own);
  remove_folder();
}

static void sockets(void) {
  torvyn_imports_t *imports = NULL;
  torvyn_linked_t *linked;
  torvyn_instance_options_t options = {.struct_size = sizeof options, .max_files = 5};
  torvyn_instance_t *instance;
  OK(torvyn_imports_new(engine, &imports, &err));
  OK(torvyn_imports_wasi_socket(imports, TORVYN_SOCKET_UDP_LISTEN, str("127.0.0.1"), 0, 0, &err));
  OK(torvyn_imports_wasi_socket(imports, TORVYN_SOCKET_TCP_LISTEN, str("127.0.0.1"), 0, 65535, &err));
  linked = linked_once(component_of(engine, "wasi-sockets"), imports);
  instance = instance_of(linked, 1, &options);
  for (int i = 0; i < 3; i++) emits(instance, "udp", "ok"); /* the guest keeps them */
  for (int i = 0; i < 2; i++) emits(instance, "bind:0", "ok");
  emits(instance, "udp", "create: 10"); /* new-socket-limit */
  emits(instance, "bind:0", "create: 10");
  OK(torvyn_instance_reset(instance, &err));
  emits(instance, "udp", "ok");
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_imports_free(imports);
}

static void run(const char *name, void (*test)(void)) {
  part(name);
  test();
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  engine = engine_on(TORVYN_PATH_GENERAL);
  part("a component of the C library's");
  stdio = component_of(engine, "wasi-stdio");
  run("a granted directory is renamed, replaced, removed", renamed);
  run("a link on the way to it", links);
  run("directories in directories", nested);
  run("a program that locks itself in", locked_in);
  run("many entries", many_entries);
  run("descriptors of the library's", descriptors);
  run("so many files and no more", limits);
  run("so many sockets and no more", sockets);
  run("mounts", mounts); /* in a name space of their own from here on */
  torvyn_component_free(stdio);
  torvyn_engine_free(engine);
  return check_end();
}
