/* A processor written with the C library's own files, streams, clocks and
 * environment, as programs of wasi-sdk and its kin are. The payload is a command,
 * `NAME` or `NAME:ARGUMENT`; the table at the end lists them. What a command
 * finds out is emitted; where the C library says no, that is the error's text. */
#define _GNU_SOURCE
#define WORLD transform
#include "transform.h"
#include "emit.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

__attribute__((import_module("torvyn:capabilities/capability-query@0.1.0"), import_name("has-capability")))
extern int32_t has_capability(const char *name, size_t len);

static char out[4096];
static size_t used;

static void put(const char *s, size_t len) {
    size_t room = sizeof out - used;
    if (len > room) len = room;
    memcpy(out + used, s, len);
    used += len;
}

static void puts_(const char *s) { put(s, strlen(s)); }

static void put_number(uint64_t value) {
    char digits[24];
    put(digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)value));
}

static void put_error(void) {
    puts_("error: ");
    puts_(strerror(errno));
}

static void put_wasi(__wasi_errno_t e) {
    errno = e;
    put_error();
}

static void do_print(const char *arg) {
    fputs(arg, stdout);
    fflush(stdout);
}

static void do_eprint(const char *arg) { fputs(arg, stderr); }

static void do_args(const char *arg) {
    size_t count, size;
    (void)arg;
    static char *argv[16], text[512];
    if (__wasi_args_sizes_get(&count, &size) || count > 16 || size > sizeof text) return;
    if (__wasi_args_get((uint8_t **)argv, (uint8_t *)text)) return;
    for (size_t i = 0; i < count; i++) {
        if (i) puts_(",");
        puts_(argv[i]);
    }
}

static void do_env(const char *arg) {
    const char *value = getenv(arg);
    puts_(value ? value : "(none)");
}

static void do_stdin(const char *arg) {
    char buf[64];
    size_t n;
    (void)arg;
    while ((n = fread(buf, 1, sizeof buf, stdin)) > 0) put(buf, n);
}

static void do_read(const char *arg) {
    char buf[64];
    size_t n;
    FILE *f = fopen(arg, "r");
    if (!f) { put_error(); return; }
    while ((n = fread(buf, 1, sizeof buf, f)) > 0) put(buf, n);
    fclose(f);
}

static void do_write(const char *arg) {
    FILE *f = fopen(arg, "w");
    if (!f) { put_error(); return; }
    fputs("written by the guest", f);
    if (fclose(f)) put_error(); else puts_("ok");
}

static void do_list(const char *arg) {
    DIR *d = opendir(arg);
    struct dirent *e;
    int count = 0;
    if (!d) { put_error(); return; }
    while ((e = readdir(d)) != NULL) count++;
    closedir(d);
    put_number((uint64_t)count);
}

/* Past the C library, which has its own idea of `..` and of absolute paths:
 * the first directory that was granted is descriptor 3. */
static void do_raw(const char *arg) {
    __wasi_fd_t fd;
    uint8_t buf[64];
    __wasi_iovec_t iov = {buf, sizeof buf};
    size_t n;
    __wasi_errno_t e = __wasi_path_open(3, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, arg, 0, __WASI_RIGHTS_FD_READ, 0, 0, &fd);
    if (e) { put_wasi(e); return; }
    e = __wasi_fd_read(fd, &iov, 1, &n);
    if (e) { put_wasi(e); return; }
    put((char *)buf, n);
    if (__wasi_fd_close(fd)) puts_(" not closed");
}

static void do_raw_link(const char *arg) {
    __wasi_errno_t e = __wasi_path_symlink(arg, 3, "made");
    if (e) put_wasi(e); else do_raw("made");
}

static void do_rename(const char *arg) {
    __wasi_errno_t e = __wasi_path_rename(3, "inside", 3, arg);
    if (e) put_wasi(e); else puts_("ok");
}

static void do_remove(const char *arg) { if (unlink(arg)) put_error(); else puts_("ok"); }

static void do_sleep(const char *arg) {
    long ms = strtol(arg, NULL, 10);
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
    puts_("slept");
}

static void do_clock(const char *arg) {
    struct timespec t;
    clock_gettime(strcmp(arg, "wall") == 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC, &t);
    put_number((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
}

static void do_random(const char *arg) {
    uint64_t value = 0;
    (void)arg;
    getentropy(&value, sizeof value);
    put_number(value);
}

static void do_exit(const char *arg) { exit((int)strtol(arg, NULL, 10)); }

static void do_capability(const char *arg) { puts_(has_capability(arg, strlen(arg)) ? "yes" : "no"); }

static void do_nothing(const char *arg) { (void)arg; }

static const struct {
    const char *name;
    void (*run)(const char *arg);
} commands[] = {
    {"print", do_print}, {"eprint", do_eprint}, {"args", do_args}, {"env", do_env}, {"stdin", do_stdin},
    {"read", do_read}, {"write", do_write}, {"list", do_list}, {"remove", do_remove}, {"raw", do_raw},
    {"raw-link", do_raw_link}, {"raw-rename", do_rename}, {"sleep", do_sleep}, {"clock", do_clock},
    {"random", do_random}, {"exit", do_exit}, {"capability", do_capability}, {"nothing", do_nothing},
};

bool exports_torvyn_streaming_processor_process(element_t *input,
                                                torvyn_streaming_types_process_result_t *ret,
                                                error_t *err) {
    bytes_t bytes = element_take(input);
    char command[512];
    size_t len = bytes.len < sizeof command - 1 ? bytes.len : sizeof command - 1;
    memcpy(command, bytes.ptr, len);
    command[len] = 0;
    bytes_drop(&bytes);

    char *arg = strchr(command, ':');
    if (arg) *arg++ = 0; else arg = command + len;
    used = 0;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, command)) continue;
        commands[i].run(arg);
        ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
        return output_make(input->meta, (text_t){out, used}, &ret->val.emit, err);
    }
    string_drop(&input->meta.content_type);
    return fail(err, INVALID_INPUT, text("no such command"));
}
