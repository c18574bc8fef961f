/* A processor that breaks the rule which its element names.
 *
 * The payload is a command; what is no command is echoed. The table at the end
 * of this file lists the commands, README.md what each must lead to. A call that
 * a correct host traps, but which came back, is followed by the text "survived".
 *
 * Configurations of init: "fail", "fatal", "trap", "loop" end it that way;
 * "trap-teardown" and "loop-teardown" spoil the teardown; all others are fine. */
#define WORLD managed_transform
#include "managed_transform.h"
#include "emit.h"

typedef torvyn_streaming_types_process_result_t result_t;
typedef torvyn_streaming_types_borrow_buffer_t buffer_t;

/* What one command works on. */
typedef struct {
    element_t *input;
    text_t argument; /* what follows the colon of commands such as echo: */
    result_t *ret;
    error_t *err;
    bool keep_payload, keep_context; /* set by commands that forget to drop */
} call_t;

static uint64_t calls;              /* of process, since the instance was made */
static volatile int32_t zero = 0;   /* volatile: the compiler must not know */
static void *owed;                  /* string in the last result, freed after the return */
static bool trap_in_teardown, loop_in_teardown;

static enum { REALLOC_WELL, REALLOC_IMPORT, REALLOC_OOB, REALLOC_TRAP } realloc_mode;
static enum { POST_WELL, POST_IMPORT, POST_TRAP } post_mode;

/* Raw functions that the bindings keep to themselves. */
__attribute__((import_module("torvyn:streaming/types@0.1.0"), import_name("[method]buffer.read-all")))
extern void raw_read_all(int32_t self, void *ret);
__attribute__((import_module("torvyn:streaming/types@0.1.0"), import_name("[method]mutable-buffer.append")))
extern void raw_append(int32_t self, const void *ptr, size_t len, void *ret);

/* ---- answers ------------------------------------------------------------ */

static bool emit(call_t *c, text_t type, text_t bytes) {
    meta_t meta = {c->input->meta.sequence, c->input->meta.timestamp_ns, string_copy(type)};
    c->ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
    if (!output_make(meta, bytes, &c->ret->val.emit, c->err)) {
        owed = c->err->val.unavailable.ptr;
        return false;
    }
    owed = c->ret->val.emit.meta.content_type.ptr;
    return true;
}

static bool emit_line(call_t *c, const line_t *line) { return emit(c, text("text/plain"), line_done(line)); }

static bool emit_text(call_t *c, const char *s) { return emit(c, text("text/plain"), text(s)); }

static bool survived(call_t *c) { return emit_text(c, "survived"); }

static bool give_nothing(call_t *c) {
    c->ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_DROP;
    return true;
}

static bool give_error(call_t *c, uint8_t kind, const char *why) {
    fail(c->err, kind, text(why));
    owed = c->err->val.fatal.ptr;
    return false;
}

static mutable_t allocate(uint64_t size) {
    mutable_t m;
    buffer_error_t e;
    if (!torvyn_streaming_buffer_allocator_allocate(size, &m, &e)) __builtin_trap();
    return m;
}

/* Writes the outcome of a buffer operation: "ok" or the error's name. */
static void line_outcome(line_t *line, bool ok, buffer_error_t *e) {
    line_text(line, ok ? text("ok") : buffer_error_text(e));
    if (!ok) torvyn_streaming_types_buffer_error_free(e);
}

/* ---- stopping ----------------------------------------------------------- */

static bool do_trap(call_t *c) {
    (void)c;
    __builtin_trap();
}

static bool do_div(call_t *c) {
    zero = 1000 / zero;
    return survived(c);
}

static void loop_forever(void) {
    for (;;) __asm__ volatile("");
}

static bool do_loop(call_t *c) {
    (void)c;
    loop_forever();
    return false;
}

/* Turns the given number of rounds: work of a known size. */
static bool do_spin(call_t *c) {
    uint32_t rounds;
    if (!text_take_number(&c->argument, &rounds)) return give_error(c, INVALID_INPUT, "want spin:N");
    while (rounds--) __asm__ volatile("");
    return emit_text(c, "spun");
}

/* Descends on the Wasm stack alone, to a bottom that is too deep for any; the
 * assembly keeps this from becoming a loop. */
__attribute__((noinline)) static int32_t descend(int32_t n) {
    if (n < zero) return 0;
    int32_t below = descend(n + 1);
    __asm__ volatile("" : "+r"(below));
    return below + n;
}

static bool do_stack(call_t *c) {
    zero = descend(zero);
    return survived(c);
}

/* ---- memory ------------------------------------------------------------- */

static bool do_alloc(call_t *c) {
    (void)c;
    void *volatile piece; /* volatile, or the compiler assumes success */
    do piece = malloc(1 << 20);
    while (piece);
    __builtin_trap();
}

/* Grows in ever smaller steps until a single page is refused. */
static bool do_grow(call_t *c) {
    for (size_t pages = 1024; pages; pages /= 4)
        while (__builtin_wasm_memory_grow(0, pages) != SIZE_MAX) {}
    line_t line = {.len = 0};
    line_number(&line, __builtin_wasm_memory_size(0));
    return emit_line(c, &line);
}

static bool do_hold(call_t *c) {
    allocate(1024);
    return give_nothing(c);
}

static bool do_hold_many(call_t *c) {
    for (uint32_t i = 0; i < 1000; i++) {
        mutable_t m;
        buffer_error_t e;
        if (!torvyn_streaming_buffer_allocator_allocate(1024, &m, &e)) {
            line_t line = {.len = 0};
            line_number(&line, i);
            line_add(&line, " held, then ");
            line_outcome(&line, false, &e);
            fail(c->err, UNAVAILABLE, line_done(&line));
            owed = c->err->val.unavailable.ptr;
            return false;
        }
    }
    return give_nothing(c);
}

/* Legal: emits, and never drops the frozen handle. */
static bool do_hold_frozen(call_t *c) {
    mutable_t m = allocate(4);
    buffer_error_t e;
    if (!buffer_append(m, text("held"), &e)) __builtin_trap();
    c->ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
    c->ret->val.emit.meta = (meta_t){0, 0, {NULL, 0}};
    c->ret->val.emit.payload = torvyn_streaming_types_method_mutable_buffer_freeze(borrowed(m));
    return true;
}

static bool do_bigalloc(call_t *c) {
    mutable_t m;
    buffer_error_t e;
    line_t line = {.len = 0};
    bool ok = torvyn_streaming_buffer_allocator_allocate(17 << 20, &m, &e);
    line_outcome(&line, ok, &e);
    if (ok) torvyn_streaming_types_mutable_buffer_drop_own(m);
    return emit_line(c, &line);
}

/* Emits 16 MiB of the letter x, handed over in 64 KiB pieces. */
static bool do_oom_out(call_t *c) {
    enum { PIECE = 64 << 10, PIECES = 256 };
    mutable_t m;
    buffer_error_t e;
    char *piece = malloc(PIECE);
    if (!piece) return give_error(c, INTERNAL, "no memory for a piece");
    memset(piece, 'x', PIECE);

    bool ok = torvyn_streaming_buffer_allocator_allocate((uint64_t)PIECE * PIECES, &m, &e);
    if (ok) {
        for (int i = 0; ok && i < PIECES; i++) ok = buffer_append(m, (text_t){piece, PIECE}, &e);
        if (!ok) torvyn_streaming_types_mutable_buffer_drop_own(m);
    }
    free(piece);
    if (!ok) {
        fail_buffer(c->err, &e);
        owed = c->err->val.unavailable.ptr;
        return false;
    }
    c->ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
    output_finish(m, (meta_t){0, 0, {NULL, 0}}, &c->ret->val.emit);
    return true;
}

/* ---- handles ------------------------------------------------------------ */

static bool do_leak(call_t *c) { c->keep_payload = true; return give_nothing(c); }

static bool do_leak_ctx(call_t *c) { c->keep_context = true; return give_nothing(c); }

static bool do_double_drop(call_t *c) {
    mutable_t m = allocate(16);
    torvyn_streaming_types_mutable_buffer_drop_own(m);
    torvyn_streaming_types_mutable_buffer_drop_own(m);
    return survived(c);
}

static bool do_use_after_drop(call_t *c) {
    torvyn_streaming_types_buffer_drop_borrow(c->input->payload);
    c->keep_payload = true;
    torvyn_streaming_types_method_buffer_size(c->input->payload);
    return survived(c);
}

static bool do_foreign_handle(call_t *c) {
    torvyn_streaming_types_method_buffer_size((buffer_t){9999});
    return survived(c);
}

static bool do_zero_handle(call_t *c) {
    torvyn_streaming_types_method_buffer_size((buffer_t){0});
    return survived(c);
}

/* A handle that lives, but is a flow context and no buffer. */
static bool do_wrong_type(call_t *c) {
    torvyn_streaming_types_method_buffer_size((buffer_t){c->input->context.__handle});
    return survived(c);
}

static bool do_frozen_append(call_t *c) {
    mutable_t m = allocate(16);
    buffer_error_t e;
    torvyn_streaming_types_method_mutable_buffer_freeze(borrowed(m));
    buffer_append(m, text("late"), &e);
    return survived(c);
}

static bool do_frozen_twice(call_t *c) {
    mutable_t m = allocate(16);
    torvyn_streaming_types_method_mutable_buffer_freeze(borrowed(m));
    torvyn_streaming_types_method_mutable_buffer_freeze(borrowed(m));
    return survived(c);
}

static bool do_frozen_size(call_t *c) {
    mutable_t m = allocate(16);
    torvyn_streaming_types_method_mutable_buffer_freeze(borrowed(m));
    torvyn_streaming_types_method_mutable_buffer_size(borrowed(m));
    return survived(c);
}

/* Outputs whose payload is no buffer of ours to give. */
static bool give_handle(call_t *c, int32_t handle) {
    c->ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
    c->ret->val.emit.meta = (meta_t){0, 0, {NULL, 0}};
    c->ret->val.emit.payload.__handle = handle;
    return true;
}

static bool do_emit_foreign(call_t *c) { return give_handle(c, 9999); }

static bool do_emit_mutable(call_t *c) { return give_handle(c, allocate(16).__handle); }

static bool do_emit_borrow(call_t *c) {
    c->keep_payload = true;
    return give_handle(c, c->input->payload.__handle);
}

/* ---- pointers and text -------------------------------------------------- */

static const text_t BAD_UTF8 = {"bad \xff\xfe text", 11};

static bool do_utf8(call_t *c) {
    meta_t meta = {0, 0, {NULL, 0}};
    c->ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
    if (!output_make(meta, text("x"), &c->ret->val.emit, c->err)) __builtin_trap();
    c->ret->val.emit.meta.content_type = string_copy(BAD_UTF8);
    owed = c->ret->val.emit.meta.content_type.ptr;
    return true;
}

static bool do_utf8_type(call_t *c) {
    mutable_t m = allocate(16);
    string_t type = {(uint8_t *)BAD_UTF8.ptr, BAD_UTF8.len};
    torvyn_streaming_types_method_mutable_buffer_set_content_type(borrowed(m), &type);
    return survived(c);
}

static bool do_errutf8(call_t *c) {
    fail(c->err, INTERNAL, BAD_UTF8);
    owed = c->err->val.internal.ptr;
    return false;
}

static bool give_type(call_t *c, string_t type) {
    if (!emit_text(c, "x")) return false;
    c->ret->val.emit.meta.content_type = type; /* the copy made by emit stays owed */
    return true;
}

static bool do_badptr(call_t *c) { return give_type(c, (string_t){(uint8_t *)0xffff0000u, 16}); }

static bool do_badlen(call_t *c) { return give_type(c, (string_t){(uint8_t *)1024, 0xffffffffu}); }

/* Gives the host a list, and a place for its answer, outside of memory. */
static bool do_badptr_in(call_t *c) {
    uint32_t answer[4];
    raw_append(allocate(16).__handle, (void *)0xffff0000u, 16, answer);
    return survived(c);
}

static bool do_badret(call_t *c) {
    raw_read_all(c->input->payload.__handle, (void *)0xfffffff8u);
    return survived(c);
}

static bool do_unaligned_ret(call_t *c) {
    static uint32_t answer[4];
    raw_read_all(c->input->payload.__handle, (char *)answer + 1);
    return survived(c);
}

/* ---- realloc and post-return, which may call no import ------------------- */

void *cabi_realloc(void *ptr, size_t old_size, size_t align, size_t new_size);

__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *ptr, size_t old_size, size_t align, size_t new_size) {
    (void)old_size;
    switch (realloc_mode) {
    case REALLOC_IMPORT: torvyn_streaming_types_method_buffer_size((buffer_t){1}); break;
    case REALLOC_OOB: return (void *)0xfffffff0u;
    case REALLOC_TRAP: __builtin_trap();
    case REALLOC_WELL: break;
    }
    if (new_size == 0) return (void *)align;
    void *p = realloc(ptr, new_size);
    if (!p) abort();
    return p;
}

#define process_post_return __wasm_export_exports_torvyn_streaming_processor_process_post_return
void process_post_return(uint8_t *result);

__attribute__((export_name("cabi_post_torvyn:streaming/processor@0.1.0#process")))
void process_post_return(uint8_t *result) {
    (void)result;
    free(owed);
    owed = NULL;
    if (post_mode == POST_IMPORT) allocate(16);
    if (post_mode == POST_TRAP) __builtin_trap();
}

static bool spoil_realloc(call_t *c, int mode) {
    bytes_t again;
    realloc_mode = mode;
    torvyn_streaming_types_method_buffer_read_all(c->input->payload, &again);
    realloc_mode = REALLOC_WELL;
    return survived(c);
}

static bool do_realloc_import(call_t *c) { return spoil_realloc(c, REALLOC_IMPORT); }

static bool do_realloc_oob(call_t *c) { return spoil_realloc(c, REALLOC_OOB); }

static bool do_realloc_trap(call_t *c) { return spoil_realloc(c, REALLOC_TRAP); }

static bool do_post_import(call_t *c) { post_mode = POST_IMPORT; return survived(c); }

static bool do_post_trap(call_t *c) { post_mode = POST_TRAP; return survived(c); }

/* ---- process errors ----------------------------------------------------- */

static bool do_invalid(call_t *c) { return give_error(c, INVALID_INPUT, "asked for invalid-input"); }

static bool do_unavailable(call_t *c) { return give_error(c, UNAVAILABLE, "asked for unavailable"); }

static bool do_internal(call_t *c) { return give_error(c, INTERNAL, "asked for internal"); }

static bool do_deadline(call_t *c) { return give_error(c, DEADLINE_EXCEEDED, ""); }

static bool do_fatal(call_t *c) { return give_error(c, FATAL, "asked for fatal"); }

/* ---- well behaved, at the edges of the contract -------------------------- */

/* One "name=value" a line: all that a guest can learn about its element. */
static bool do_meta(call_t *c) {
    const element_t *e = c->input;
    line_t line = {.len = 0};
    string_t s;
    line_add(&line, "content-type=");
    line_text(&line, (text_t){(const char *)e->meta.content_type.ptr, e->meta.content_type.len});
    line_add(&line, "\npayload-type=");
    torvyn_streaming_types_method_buffer_content_type(e->payload, &s);
    line_text(&line, (text_t){(const char *)s.ptr, s.len});
    string_drop(&s);
    line_add(&line, "\nsize=");
    line_number(&line, torvyn_streaming_types_method_buffer_size(e->payload));
    line_add(&line, "\nsequence=");
    line_number(&line, e->meta.sequence);
    line_add(&line, "\ntimestamp=");
    line_number(&line, e->meta.timestamp_ns);
    line_add(&line, "\ntrace-id=");
    torvyn_streaming_types_method_flow_context_trace_id(e->context, &s);
    line_text(&line, (text_t){(const char *)s.ptr, s.len});
    string_drop(&s);
    line_add(&line, "\nspan-id=");
    torvyn_streaming_types_method_flow_context_span_id(e->context, &s);
    line_text(&line, (text_t){(const char *)s.ptr, s.len});
    string_drop(&s);
    line_add(&line, "\ndeadline=");
    line_add(&line, torvyn_streaming_types_method_flow_context_deadline_ns(e->context) ? "set" : "0");
    line_add(&line, "\nflow-id=");
    torvyn_streaming_types_method_flow_context_flow_id(e->context, &s);
    line_text(&line, (text_t){(const char *)s.ptr, s.len});
    string_drop(&s);
    return emit_line(c, &line);
}

/* Reads ranges of the payload "partial"; each shows as length:bytes. */
static bool do_partial(call_t *c) {
    static const struct { uint64_t offset, len; } ranges[] = {
        {0, 4}, {4, 100}, {7, 1}, {100, 5}, {2, 0}, {UINT64_MAX, UINT64_MAX}, {1, UINT64_MAX},
    };
    line_t line = {.len = 0};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        bytes_t got;
        torvyn_streaming_types_method_buffer_read(c->input->payload, ranges[i].offset, ranges[i].len, &got);
        if (i) line_add(&line, " ");
        line_number(&line, got.len);
        line_add(&line, ":");
        line_text(&line, text_of(got));
        bytes_drop(&got);
    }
    return emit_line(c, &line);
}

/* Fills a buffer to its capacity and past it. */
static bool do_capacity(call_t *c) {
    mutable_t m = allocate(16);
    buffer_error_t e;
    uint64_t capacity = torvyn_streaming_types_method_mutable_buffer_capacity(borrowed(m));
    if (capacity < 16 || capacity > 1 << 20) return give_error(c, INTERNAL, "no sensible capacity");
    char *bytes = calloc(capacity + 1, 1);
    if (!bytes) return give_error(c, INTERNAL, "no memory for the bytes");

    line_t line = {.len = 0};
    line_add(&line, "capacity ");
    line_number(&line, capacity);
    line_add(&line, " over=");
    line_outcome(&line, buffer_append(m, (text_t){bytes, capacity + 1}, &e), &e);
    line_add(&line, " size=");
    line_number(&line, torvyn_streaming_types_method_mutable_buffer_size(borrowed(m)));
    line_add(&line, " full=");
    line_outcome(&line, buffer_append(m, (text_t){bytes, capacity}, &e), &e);
    line_add(&line, " size=");
    line_number(&line, torvyn_streaming_types_method_mutable_buffer_size(borrowed(m)));
    line_add(&line, " more=");
    line_outcome(&line, buffer_append(m, (text_t){bytes, 1}, &e), &e);
    line_add(&line, " none=");
    line_outcome(&line, buffer_append(m, (text_t){bytes, 0}, &e), &e);
    free(bytes);
    torvyn_streaming_types_mutable_buffer_drop_own(m);
    return emit_line(c, &line);
}

static bool write_at(mutable_t m, uint64_t offset, const char *s, buffer_error_t *e) {
    bytes_t bytes = {(uint8_t *)s, strlen(s)};
    return torvyn_streaming_types_method_mutable_buffer_write(borrowed(m), offset, &bytes, e);
}

/* Writes past the end, then at the end, then over it, then at the last offset of all. */
static bool do_oob(call_t *c) {
    mutable_t m = allocate(16);
    buffer_error_t e;
    line_t line = {.len = 0};
    line_add(&line, "past=");
    line_outcome(&line, write_at(m, 1, "a", &e), &e);
    line_add(&line, " at-end=");
    line_outcome(&line, write_at(m, 0, "abc", &e), &e);
    line_add(&line, " overlap=");
    line_outcome(&line, write_at(m, 2, "xyz", &e), &e);
    line_add(&line, " far=");
    line_outcome(&line, write_at(m, UINT64_MAX, "a", &e), &e);
    line_add(&line, " size=");
    line_number(&line, torvyn_streaming_types_method_mutable_buffer_size(borrowed(m)));
    torvyn_streaming_types_mutable_buffer_drop_own(m);
    return emit_line(c, &line);
}

static bool do_calls(call_t *c) {
    line_t line = {.len = 0};
    line_number(&line, calls);
    return emit_line(c, &line);
}

static bool do_echo(call_t *c) {
    string_t *type = &c->input->meta.content_type;
    return emit(c, (text_t){(const char *)type->ptr, type->len}, c->argument);
}

static bool do_drop(call_t *c) { return give_nothing(c); }

/* ---- the table ---------------------------------------------------------- */

static const struct {
    const char *name; /* one that ends in a colon takes an argument */
    bool (*run)(call_t *);
} commands[] = {
    /* stopping */
    {"trap", do_trap}, {"div", do_div}, {"loop", do_loop}, {"spin:", do_spin}, {"stack", do_stack},
    /* memory */
    {"alloc", do_alloc}, {"grow", do_grow}, {"hold", do_hold}, {"hold-many", do_hold_many},
    {"hold-frozen", do_hold_frozen}, {"bigalloc", do_bigalloc}, {"oom-out", do_oom_out},
    /* handles */
    {"leak", do_leak}, {"leak-ctx", do_leak_ctx}, {"double-drop", do_double_drop},
    {"use-after-drop", do_use_after_drop}, {"foreign-handle", do_foreign_handle},
    {"zero-handle", do_zero_handle}, {"wrong-type", do_wrong_type},
    {"frozen-append", do_frozen_append}, {"frozen-twice", do_frozen_twice}, {"frozen-size", do_frozen_size},
    {"emit-foreign", do_emit_foreign}, {"emit-mutable", do_emit_mutable}, {"emit-borrow", do_emit_borrow},
    /* pointers and text */
    {"utf8", do_utf8}, {"utf8-type", do_utf8_type}, {"errutf8", do_errutf8},
    {"badptr", do_badptr}, {"badlen", do_badlen}, {"badptr-in", do_badptr_in},
    {"badret", do_badret}, {"unaligned-ret", do_unaligned_ret},
    /* realloc and post-return */
    {"realloc-import", do_realloc_import}, {"realloc-oob", do_realloc_oob}, {"realloc-trap", do_realloc_trap},
    {"post-import", do_post_import}, {"post-trap", do_post_trap},
    /* process errors */
    {"invalid", do_invalid}, {"unavailable", do_unavailable}, {"internal", do_internal},
    {"deadline", do_deadline}, {"fatal", do_fatal},
    /* well behaved */
    {"meta", do_meta}, {"partial", do_partial}, {"capacity", do_capacity}, {"oob", do_oob},
    {"calls", do_calls}, {"drop", do_drop}, {"echo:", do_echo},
};

/* Finds the command and its argument; the whole payload is echoed where there is none. */
static bool (*find(text_t payload, text_t *argument))(call_t *) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        text_t name = text(commands[i].name);
        bool takes_argument = name.ptr[name.len - 1] == ':';
        if (takes_argument ? text_starts(payload, name) : text_equal(payload, name)) {
            *argument = text_skip(payload, name.len);
            return commands[i].run;
        }
    }
    *argument = payload;
    return do_echo;
}

bool exports_torvyn_streaming_processor_process(element_t *input, result_t *ret, error_t *err) {
    bytes_t payload;
    calls++;
    torvyn_streaming_types_method_buffer_read_all(input->payload, &payload);

    call_t call = {.input = input, .ret = ret, .err = err};
    bool ok = find(text_of(payload), &call.argument)(&call);

    if (!call.keep_payload) torvyn_streaming_types_buffer_drop_borrow(input->payload);
    if (!call.keep_context) torvyn_streaming_types_flow_context_drop_borrow(input->context);
    bytes_drop(&payload);
    string_drop(&input->meta.content_type);
    return ok;
}

bool exports_torvyn_streaming_lifecycle_init(string_t *config, error_t *err) {
    text_t t = {(const char *)config->ptr, config->len};
    if (text_equal(t, text("fail"))) return fail(err, INVALID_INPUT, text("asked to fail"));
    if (text_equal(t, text("fatal"))) return fail(err, FATAL, text("asked to be fatal"));
    if (text_equal(t, text("trap"))) __builtin_trap();
    if (text_equal(t, text("loop"))) loop_forever();
    trap_in_teardown = text_equal(t, text("trap-teardown"));
    loop_in_teardown = text_equal(t, text("loop-teardown"));
    return true;
}

void exports_torvyn_streaming_lifecycle_teardown(void) {
    if (trap_in_teardown) __builtin_trap();
    if (loop_in_teardown) loop_forever();
}
