/* A processor that tries sockets, by the raw functions of WASI 0.2.0. The payload
 * is a command: `udp`, `lookup`, `bind:PORT`, or `connect:PORT`, which connects to
 * 127.0.0.1, says "hello" and emits what comes back. Where WASI says no, the
 * number of the error code is emitted: `create: 1` is access-denied. */
#define WORLD transform
#include "transform.h"
#include "emit.h"

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name))) extern

IMPORT("wasi:sockets/instance-network@0.2.0", "instance-network") int32_t instance_network(void);
IMPORT("wasi:sockets/tcp-create-socket@0.2.0", "create-tcp-socket") void create_tcp(int32_t family, void *ret);
IMPORT("wasi:sockets/udp-create-socket@0.2.0", "create-udp-socket") void create_udp(int32_t family, void *ret);
IMPORT("wasi:sockets/ip-name-lookup@0.2.0", "resolve-addresses")
void resolve(int32_t network, const char *name, size_t len, void *ret);
IMPORT("wasi:sockets/ip-name-lookup@0.2.0", "[resource-drop]resolve-address-stream") void resolve_drop(int32_t self);

/* ip-socket-address, flat: the case, then the wider of the two. */
#define ADDRESS(name) int32_t name##_case, int32_t name##_port, int32_t a, int32_t b, int32_t c, int32_t d, \
    int32_t e, int32_t f, int32_t g, int32_t h, int32_t i, int32_t j
#define LOCALHOST(port) 0, port, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0

IMPORT("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.start-bind")
void tcp_start_bind(int32_t self, int32_t network, ADDRESS(local), void *ret);
IMPORT("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.start-connect")
void tcp_start_connect(int32_t self, int32_t network, ADDRESS(remote), void *ret);
IMPORT("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.finish-connect") void tcp_finish_connect(int32_t self, void *ret);
IMPORT("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.subscribe") int32_t tcp_subscribe(int32_t self);
IMPORT("wasi:io/poll@0.2.0", "[method]pollable.block") void pollable_block(int32_t self);
IMPORT("wasi:io/poll@0.2.0", "[resource-drop]pollable") void pollable_drop(int32_t self);
IMPORT("wasi:io/streams@0.2.0", "[method]input-stream.blocking-read")
void stream_read(int32_t self, int64_t len, void *ret);
IMPORT("wasi:io/streams@0.2.0", "[method]output-stream.blocking-write-and-flush")
void stream_write(int32_t self, const char *bytes, size_t len, void *ret);

/* A result whose error is an enum and whose success is a handle or two. */
typedef struct {
    uint8_t is_error;
    union {
        uint8_t code;
        int32_t handles[2];
    } val;
} handles_t;

/* A result whose error is an enum and whose success is nothing. */
typedef struct { uint8_t is_error, code; } done_t;

typedef struct {
    uint8_t is_error;
    union {
        bytes_t bytes;
        struct { uint8_t tag; int32_t error; } failed;
    } val;
} read_t;

static line_t said;

static bool no(const char *where, bool is_error, uint8_t code) {
    if (!is_error) return false;
    line_add(&said, where);
    line_add(&said, ": ");
    line_number(&said, code);
    return true;
}

static void connect(uint32_t port) {
    handles_t socket, streams;
    done_t done;
    read_t answer;
    create_tcp(0, &socket);
    if (no("create", socket.is_error, socket.val.code)) return;
    int32_t tcp = socket.val.handles[0];
    tcp_start_connect(tcp, instance_network(), LOCALHOST((int32_t)port), &done);
    if (no("start", done.is_error, done.code)) return;
    int32_t pollable = tcp_subscribe(tcp);
    pollable_block(pollable);
    pollable_drop(pollable);
    tcp_finish_connect(tcp, &streams);
    if (no("finish", streams.is_error, streams.val.code)) return;
    stream_write(streams.val.handles[1], "hello", 5, &answer);
    if (no("write", answer.is_error, answer.val.failed.tag)) return;
    stream_read(streams.val.handles[0], 64, &answer);
    if (no("read", answer.is_error, answer.val.failed.tag)) return;
    line_text(&said, text_of(answer.val.bytes));
}

bool exports_torvyn_streaming_processor_process(element_t *input,
                                                torvyn_streaming_types_process_result_t *ret,
                                                error_t *err) {
    bytes_t bytes = element_take(input);
    text_t command = text_of(bytes);
    handles_t handle;
    uint32_t port = 0;
    said.len = 0;
    if (text_starts(command, text("connect:"))) {
        command = text_skip(command, 8);
        if (text_take_number(&command, &port)) connect(port);
    } else if (text_starts(command, text("bind:"))) {
        command = text_skip(command, 5);
        done_t done = {0, 0};
        create_tcp(0, &handle);
        if (text_take_number(&command, &port) && !no("create", handle.is_error, handle.val.code)) {
            tcp_start_bind(handle.val.handles[0], instance_network(), LOCALHOST((int32_t)port), &done);
            if (!no("bind", done.is_error, done.code)) line_add(&said, "ok");
        }
    } else if (text_equal(command, text("udp"))) {
        create_udp(0, &handle);
        if (!no("create", handle.is_error, handle.val.code)) line_add(&said, "ok");
    } else {
        resolve(instance_network(), "localhost", 9, &handle);
        if (!no("lookup", handle.is_error, handle.val.code)) {
            resolve_drop(handle.val.handles[0]);
            line_add(&said, "ok");
        }
    }
    bytes_drop(&bytes);
    ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
    return output_make(input->meta, line_done(&said), &ret->val.emit, err);
}
