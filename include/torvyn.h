/* torvyn.h: streaming WebAssembly components inside a native program.
 *
 * Generated from src/ffi of libtorvyn; edit it there. This file is the
 * specification of the library's C interface.
 *
 * FIVE STEPS
 *
 *   engine     torvyn_engine_new()         configuration, clock, compiler
 *   component  torvyn_component_compile()  bytes become code, once; or
 *              torvyn_component_native()   functions of the program's own
 *   linked     torvyn_linked_new()         imports bound, look-ups done, once
 *   instance   torvyn_instance_new()       memory and state of its own; cheap
 *   calls      torvyn_init(), torvyn_process(), torvyn_push(), ...
 *
 * A component exports roles (source, processor, sink, filter, router,
 * aggregator); each role has its calls. One that exports `lifecycle` takes
 * elements only after torvyn_init().
 *
 *   NEW --torvyn_init()--> READY --the component says fatal--> FAILED
 *                            |  \--torvyn_teardown()---------> TORN_DOWN
 *                            \----a trap, a budget, a cancel-> POISONED
 *   A component that fails in torvyn_init() is FAILED at once.
 *   torvyn_instance_reset() makes any of them as new.
 *
 * RULES
 *
 * Status     Whatever may fail returns a torvyn_status_t: 0 is success, a
 *            positive value another outcome that is no error, a negative value
 *            an error. `status < 0` is the test for failure.
 * Errors     The last parameter, `err`, takes the detail of a failure; NULL to
 *            do without. On a negative status `*err` is an error that the
 *            caller owns and frees with torvyn_error_free(); on any other
 *            status it is NULL. It is only written, never read.
 * Outputs    Out-parameters are cleared first (NULL, 0, false, all zero) and
 *            set on success alone, so that nothing stale is ever freed. What
 *            they held before is overwritten, not released.
 * Ownership  What a function gives for `out` is the caller's, who frees it with
 *            the function that the comment names. `_free` and `_release` take
 *            NULL. Handles may be freed in any order: what is still needed
 *            stays until its last user is gone. A handle that was freed is not
 *            used again. Everything that a call is given is borrowed for that
 *            call alone.
 * Strings    torvyn_str_t is a pointer and a length, in UTF-8. It is not
 *            NUL-terminated unless the comment says so; what the functions of
 *            errors, components and linked components give is.
 * Structs    Options and results begin with `struct_size`, which the caller
 *            sets to their sizeof; zero in any other field means the default.
 *            They grow at the end alone, so that programs and libraries of
 *            different versions work together: a smaller size is an older
 *            program's, whose missing fields are the default, and what a larger
 *            one has more must be zero. A size that no version has (0; no
 *            multiple of 8 but for 4 itself; more than 4096) is
 *            TORVYN_ERROR_ARGUMENT. The other structs never change.
 * Enums      Values are added, never changed: have a default in each switch.
 *            Where an enum is a parameter or a field, any number is safe to
 *            give.
 * Threads    Each function says its own rule. In short: what takes a handle as
 *            `const` may be called at any time from any thread; an instance
 *            runs one call at a time, on any thread, and a second one at the
 *            same time is refused with TORVYN_ERROR_BUSY. What is said to be
 *            async-signal-safe may be called in a signal handler; nothing else
 *            may.
 * Callbacks  A function that the program gives the library gets the `user` that
 *            came with it, may be called on any thread that calls the library,
 *            on several at once unless its comment says otherwise, and must
 *            return: an exception, a longjmp() or a pthread_exit() that leaves
 *            it is undefined behaviour. The finalizer of `user` runs exactly
 *            once: when nothing can call back any more, or at once where the
 *            function that was given it fails.
 * Coroutines A call may be made on any stack that has room (`guest_stack`). A
 *            callback may leave its stack and come back to it later, on the
 *            same thread. Until it has returned no other call begins on that
 *            thread but those that the callback makes, on its own stack (one of
 *            the program's own: within 64 KiB of where the callback began):
 *            calls of instances, torvyn_instance_new() and
 *            torvyn_instance_reset() are refused with TORVYN_ERROR_BUSY,
 *            nothing ran, and may be made again later, or on another thread. A
 *            callback that would return on another thread than it began on
 *            never does: that thread waits in it for ever, and the first one is
 *            refused its calls. Callbacks of native components may do all of
 *            this, in any order and on any thread, where none of a host
 *            function, a destructor, an output stream or the log is below them
 *            on the stack.
 * Cancelling A thread that pthread_cancel() hits within a function of the
 *            library, or in a callback of it, ends at a cancellation point of
 *            the program's after that function has returned. Functions that
 *            return a status, and whose comment states no cost, are one
 *            themselves as they begin, before they have done anything. This
 *            holds on Linux; elsewhere, and where PTHREAD_CANCEL_ASYNCHRONOUS
 *            is set, no thread is cancelled within the library. A thread on
 *            which a callback of a native component began that returned on
 *            another is not cancelled any more.
 * Process    The library writes nothing to stdout or stderr unless a component
 *            is granted that (there is `log` of torvyn_engine_config_t), never
 *            exits, and lets no panic out; its code stays loaded after
 *            dlclose(). It starts a thread for its clock unless `host_ticks` is
 *            on, threads for compilation unless `parallel_compilation` is off,
 *            and threads for components that may wait in WASI (`wasi_threads`);
 *            what needs a thread that cannot be had is an error, of a call
 *            TORVYN_ERROR_INTERNAL. These threads have names that begin with
 *            "torvyn-", the priority and the processors of the thread that
 *            started them, and no signals but those of their own faults.
 * Files      Descriptors that stay open are close-on-exec and lie at 3 or
 *            above: one for each memory of a component that starts with data,
 *            the granted directories, what components have open in WASI, and
 *            three of an engine whose components have sockets. A program that
 *            closes them, or puts its own in their place, gets an error where
 *            one would be used next, TORVYN_ERROR_INSTANTIATION or
 *            TORVYN_ERROR_INTERNAL.
 * Mappings   An instance takes up to four memory mappings for each of its
 *            memories, of those that the system allows the process
 *            (`vm.max_map_count`). What would leave less than an eighth of
 *            them to the program is refused.
 *            (docs/process.md has both at length, and the rest of what the
 *            library does to the process.)
 * Environ-   It decides whether an old syntax of text is taken
 * ment       (WAST_STRICT_COMPONENT_INDICES, looked up with the first text that
 *            has it), how threads that wait for files queue
 *            (TOKIO_UNSTABLE_SHARDED_BLOCKING_QUEUE, with the first component
 *            of an engine that may wait in WASI), how the system looks up
 *            names, and whether the process shows a stack on stderr when it
 *            aborts for want of memory (RUST_BACKTRACE, looked up then).
 *            WASMTIME_BACKTRACE_DETAILS is looked up by torvyn_engine_new(),
 *            without effect. Nothing else of it is read: a program may change
 *            other variables on one thread while others call.
 * Memory     What a component chooses the size of (its memory and tables,
 *            buffers, content types, texts, names, values, lists of outputs and
 *            ports, and their handles) is refused to the component where the
 *            system has no memory for it, or ends the call with
 *            TORVYN_ERROR_MEMORY; of an error's text there may be a part then.
 *            Where there is none for the library's own records, of at most
 *            8 KiB each, the process aborts: what handles of this interface
 *            point to, errors, what Wasmtime keeps for an instance and for a
 *            trap. So it does where there is none for the 64 KiB at most that
 *            a component reads at once of a stream of a file, or for the 1 MiB
 *            at most of what it polls or sends as datagrams at once; where what
 *            the program itself gives is kept or handed on (configuration,
 *            grants); and while components are compiled, linked and
 *            instantiated.
 * System     What the system refuses is told as that: the error names the
 *            system call, or the two that it may be, the reason, and what would
 *            help. It is TORVYN_ERROR_CONFIG where an engine is made,
 *            TORVYN_ERROR_IO of a file, TORVYN_ERROR_INSTANTIATION of an
 *            instance and TORVYN_ERROR_INTERNAL elsewhere; the handle works on
 *            when the system allows it again. An engine that is made where
 *            memfd_create() is refused copies the first contents of memories
 *            instead of mapping them; one that was made before needs it when a
 *            component is linked for the first time. A linear memory or table
 *            for whose growth the system has nothing does not grow, which the
 *            component is told.
 * Signals    Unless `explicit_traps` is on, the process's first engine installs
 *            handlers of SIGSEGV, SIGILL and, on x86-64, SIGFPE, by which
 *            components trap; they stay for good. What comes from elsewhere
 *            they pass on to the handlers that were there before. So a program
 *            installs its own before its first engine. One that comes later
 *            stands in front and must pass on what is not the program's: call
 *            the `sa_sigaction` that sigaction() gave it as the old one, with
 *            all three arguments, in the handler itself. It has SA_SIGINFO, and
 *            SA_ONSTACK, since a component's fault may be that its stack is
 *            used up; it does not longjmp() for a fault that is none of its
 *            own. Setting SIG_DFL or SIG_IGN again, or blocking these signals
 *            on a thread that calls, ends the process at the next such trap. A
 *            thread that calls components is given an alternate signal stack
 *            (sigaltstack()) where it has none of at least 256 KiB, and refused
 *            the call where the system does not allow that; a smaller one of
 *            the program's is replaced, and is not to be set again. A program
 *            that wants its own sets it on each thread before the thread's
 *            first call. A component's stack is its thread's: a main thread
 *            whose stack cannot grow any more, since RLIMIT_AS is used up, is
 *            ended by it; to call on other threads, whose stacks are there,
 *            is safe.
 * Fork       A child of fork() may use and free all that its parent made, and
 *            the library's threads are started anew in it. Other threads may
 *            be within calls at that moment, with this:
 *            - An instance on which another thread's call ran stays busy in
 *              the child.
 *            - fork() waits up to 20 ms for threads that are within functions
 *              which make, change or free engines, components, imports, linked
 *              components and instances. Where one still is (it compiles, say,
 *              or its start function runs), nothing of the library can be used
 *              in the child: calls and functions that make something are
 *              refused with TORVYN_ERROR_INTERNAL, what is freed stays, and
 *              no finalizer of it runs. So it is, rarely, where another
 *              thread's component trapped just then; the first function of the
 *              child's that makes or frees something tells, after 2 s at most,
 *              by a thread: until one can be started, what is made is refused
 *              and what is freed stays, in the same way.
 *            - Where the thread that forks is in a callback, its call goes on
 *              in the child as in the parent; one of a component that may wait
 *              in WASI ends with TORVYN_ERROR_INTERNAL where it has to wait.
 *              In a child in which nothing can be used, which the functions
 *              that make something tell, it must not return: it ends the
 *              process, or begins another program.
 *            - An instance that may wait in WASI waits with its parent's
 *              threads: the first call of it in the child ends with
 *              TORVYN_ERROR_INTERNAL and leaves it POISONED, and once it is
 *              reset it is as good as any. Its torvyn_teardown() succeeds,
 *              without calling the component. What it holds is the parent's
 *              to end: reset or freed in the child, it is left as it is there,
 *              also its slot of a pool, and no finalizer that waits for it
 *              runs.
 *            A process that comes of vfork(), posix_spawn(), _Fork() or
 *            clone(2) itself, by which no handlers of pthread_atfork() run,
 *            calls nothing of the library; and nothing is called between fork()
 *            and those handlers, in handlers of the program's own that run
 *            there. fork() itself is not called in a handler of a signal that
 *            may have come within a function of the library.
 *
 * EXAMPLE: each line of the input through a processor
 *
 *   #include <stdio.h>
 *   #include <string.h>
 *   #include <torvyn.h>
 *
 *   static int fail(torvyn_error_t *err) {
 *     fprintf(stderr, "%s\n", torvyn_error_message(err).data);
 *     torvyn_error_free(err);
 *     return 1;
 *   }
 *
 *   int main(int argc, char **argv) {
 *     torvyn_engine_t *engine = NULL;
 *     torvyn_component_t *component = NULL;
 *     torvyn_linked_t *linked = NULL;
 *     torvyn_instance_t *instance = NULL;
 *     torvyn_error_t *err = NULL;
 *     torvyn_str_t config = {"", 0};
 *     char line[4096];
 *     const char *path = argc > 1 ? argv[1] : "upper-case.wasm";
 *     if (torvyn_engine_new(NULL, &engine, &err) < 0 ||
 *         torvyn_component_compile_file(engine, path, &component, &err) < 0 ||
 *         torvyn_linked_new(component, NULL, &linked, &err) < 0 ||
 *         torvyn_instance_new(linked, 1, NULL, &instance, &err) < 0 ||
 *         torvyn_init(instance, config, &err) < 0)
 *       return fail(err);
 *     for (uint64_t n = 0; fgets(line, sizeof line, stdin); n++) {
 *       torvyn_element_t element = {.sequence = n};
 *       torvyn_output_t output;
 *       element.payload.data = (const uint8_t *)line;
 *       element.payload.len = strlen(line);
 *       if (torvyn_process(instance, &element, &output, &err) < 0)
 *         return fail(err);
 *       if (output.payload)  // else nothing was emitted
 *         fwrite(output.bytes.data, 1, output.bytes.len, stdout);
 *       torvyn_output_release(&output);
 *     }
 *     torvyn_teardown(instance, NULL);
 *     torvyn_instance_free(instance);
 *     torvyn_linked_free(linked);
 *     torvyn_component_free(component);
 *     torvyn_engine_free(engine);
 *     return 0;
 *   }
 */

#ifndef TORVYN_H
#define TORVYN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ Version */

/** The version of this header. */
#define TORVYN_VERSION_MAJOR 0
#define TORVYN_VERSION_MINOR 1
#define TORVYN_VERSION_PATCH 0
#define TORVYN_VERSION "0.1.0"

/** The version of this header as a number that grows with it, for #if. */
#define TORVYN_VERSION_NUMBER                                      \
  (TORVYN_VERSION_MAJOR << 16 | TORVYN_VERSION_MINOR << 8 |        \
   TORVYN_VERSION_PATCH)

/**
 * The library's version at run time, e.g. "0.1.0".
 *
 * Compare with TORVYN_VERSION, which is the version of the header that the
 * program was compiled with.
 *
 * @return  NUL-terminated, static; never NULL.
 *
 * Thread: any; async-signal-safe.
 * Blocks: never.
 * Since:  0.1
 */
const char *torvyn_version(void);

/**
 * The library's version at run time as a number that grows with it:
 * MAJOR << 16 | MINOR << 8 | PATCH, as TORVYN_VERSION_NUMBER is built.
 *
 * @return  The number.
 *
 * Thread: any; async-signal-safe.
 * Blocks: never.
 * Since:  0.1
 */
uint32_t torvyn_version_number(void);

/* ------------------------------------------------------------------- Status */

/**
 * What a call came to.
 *
 * 0 is success. Positive values are outcomes, not errors. Negative values are
 * errors in three families: -1 to -99 the caller's misuse (nothing ran and
 * nothing changed), -100 to -199 the engine's, -200 to -299 the component's own
 * verdict. Later versions may add values; no value ever changes its meaning.
 */
typedef enum torvyn_status {
  /** Done; where the function has an output, it is set. */
  TORVYN_OK = 0,
  /**
   * The source has no element. Which of two things that means, the program
   * knows: after torvyn_notify_backpressure() with TORVYN_SIGNAL_PAUSE it is
   * "nothing for now", to be asked again after TORVYN_SIGNAL_READY; without a
   * pause it is the end of the stream.
   */
  TORVYN_NO_ELEMENT = 1,
  /**
   * The component took the element and gave nothing: a processor dropped it,
   * an aggregator's window is not complete yet.
   */
  TORVYN_NOTHING_EMITTED = 2,
  /**
   * The artifact is sound, but it was made by another version of the library,
   * for another kind of machine, or under an engine configuration with another
   * `fuel`, `simd`, `relaxed_simd`, `multi_memory`, `optimize`,
   * `explicit_traps`, `unwind_info`, `memory_reservation` or, for a pool,
   * `memory_limit`: compile the component again. Nothing else in the
   * configuration matters, but that an artifact holds code for the path alone
   * that was compiled (torvyn_component_serialize()).
   */
  TORVYN_INCOMPATIBLE = 3,
  /**
   * No fuel is counted: neither by an engine without `fuel`
   * (torvyn_engine_config_t) nor for a native component.
   */
  TORVYN_FUEL_OFF = 4,
  /**
   * A pointer that must not be NULL is NULL; the error names the parameter.
   */
  TORVYN_ERROR_NULL = -1,
  /** A string is not valid UTF-8; the error names it. */
  TORVYN_ERROR_UTF8 = -2,
  /** A parameter or a field is out of its range; the error names it. */
  TORVYN_ERROR_ARGUMENT = -3,
  /**
   * A call runs on the instance already, on another thread or further up on
   * this one's stack. Make the call again when that one has returned.
   */
  TORVYN_ERROR_BUSY = -4,
  /**
   * The instance's state does not allow the call: torvyn_init() was not
   * called, or only torvyn_teardown() or torvyn_instance_reset() are left.
   */
  TORVYN_ERROR_STATE = -5,
  /** The handles belong to different engines. */
  TORVYN_ERROR_WRONG_ENGINE = -6,
  /**
   * The component does not have the role that the function belongs to, or no
   * function of the name that torvyn_call() was given.
   */
  TORVYN_ERROR_NOT_EXPORTED = -7,
  /** Fuel cannot be set, since none is counted. */
  TORVYN_ERROR_FUEL_DISABLED = -8,
  /** The engine cannot be configured so; the error names the field. */
  TORVYN_ERROR_CONFIG = -100,
  /** The bytes are no WebAssembly, neither binary nor text. */
  TORVYN_ERROR_NOT_COMPONENT = -101,
  /**
   * The bytes are a core module. `wasm-tools component new` makes a component
   * of it.
   */
  TORVYN_ERROR_CORE_MODULE = -102,
  /** The bytes are a component, but not a valid one. */
  TORVYN_ERROR_MALFORMED = -103,
  /** The component exports no role of the contract. */
  TORVYN_ERROR_NO_ROLE = -104,
  /**
   * The component uses what this library or this engine's configuration does
   * not allow; the error says what.
   */
  TORVYN_ERROR_UNSUPPORTED = -105,
  /** The component is valid, but no machine code could be made of it. */
  TORVYN_ERROR_COMPILATION = -106,
  /** The bytes are no artifact, or a damaged one. */
  TORVYN_ERROR_DESERIALIZATION = -107,
  /**
   * A file could not be read; the error has its path and the system's reason.
   */
  TORVYN_ERROR_IO = -108,
  /** Nothing provides an import of the component; the error names it. */
  TORVYN_ERROR_UNRESOLVED_IMPORT = -109,
  /**
   * An import or an export has another type than the contract or the program
   * says, or torvyn_call() was given arguments of other types.
   */
  TORVYN_ERROR_TYPE_MISMATCH = -110,
  /** No instance could be made; the error says why. */
  TORVYN_ERROR_INSTANTIATION = -111,
  /**
   * The component trapped: it did what WebAssembly or the component model
   * forbids. torvyn_error_trap() says what. The instance is POISONED.
   */
  TORVYN_ERROR_TRAP = -112,
  /** The component used up its fuel. The instance is POISONED. */
  TORVYN_ERROR_FUEL = -113,
  /**
   * The instance's timeout or the flow's deadline passed. The instance is
   * POISONED.
   */
  TORVYN_ERROR_DEADLINE = -114,
  /**
   * torvyn_cancel() stopped the call. The instance is POISONED, or as it was
   * where the component had not begun to run.
   */
  TORVYN_ERROR_CANCELLED = -115,
  /**
   * The component passed a limit of memory, tables, handles, texts or values.
   * The instance is POISONED; as it was where the error says that nothing ran.
   */
  TORVYN_ERROR_MEMORY = -116,
  /** A host function failed. The instance is POISONED. */
  TORVYN_ERROR_HOST_FUNCTION = -117,
  /** The WASI configuration is not possible; the error says why. */
  TORVYN_ERROR_WASI = -118,
  /**
   * The library or the system under it failed; the error says how (see System
   * at the head of this file). Or a native component answered what is none of
   * its answers, or WASI had no thread to wait with: the instance is POISONED.
   */
  TORVYN_ERROR_INTERNAL = -119,
  /**
   * A defect of the library, caught before it could spread; the error says
   * where. An instance whose call it ended is POISONED.
   */
  TORVYN_ERROR_PANIC = -120,
  /** The component says that the input breaks its expectations. */
  TORVYN_ERROR_INVALID_INPUT = -200,
  /** The component says that something it depends on cannot be reached. */
  TORVYN_ERROR_UNAVAILABLE = -201,
  /** The component says that it has a defect. */
  TORVYN_ERROR_GUEST_INTERNAL = -202,
  /** The component says that it gave up because the flow's deadline passed. */
  TORVYN_ERROR_DEADLINE_EXCEEDED = -203,
  /**
   * The component says that it can process nothing more, ever. The instance
   * is FAILED.
   */
  TORVYN_ERROR_FATAL = -204,
} torvyn_status_t;

/**
 * Why a component trapped.
 *
 * Later versions may add values.
 */
typedef enum torvyn_trap {
  /** It did not trap. */
  TORVYN_TRAP_NONE = 0,
  /** Its calls went deeper than the stack (`guest_stack`). */
  TORVYN_TRAP_STACK_OVERFLOW = 1,
  /** It read or wrote outside of its memory. */
  TORVYN_TRAP_MEMORY_OUT_OF_BOUNDS = 2,
  /** An atomic access was not aligned. */
  TORVYN_TRAP_HEAP_MISALIGNED = 3,
  /** It reached outside of a table. */
  TORVYN_TRAP_TABLE_OUT_OF_BOUNDS = 4,
  /** It called through an empty table entry. */
  TORVYN_TRAP_INDIRECT_CALL_TO_NULL = 5,
  /** It called a function as one of another type. */
  TORVYN_TRAP_BAD_SIGNATURE = 6,
  /** An integer overflowed in a division. */
  TORVYN_TRAP_INTEGER_OVERFLOW = 7,
  /** It divided by zero. */
  TORVYN_TRAP_INTEGER_DIVISION_BY_ZERO = 8,
  /** It converted a number that is no integer, or too large, to one. */
  TORVYN_TRAP_BAD_CONVERSION_TO_INTEGER = 9,
  /** It executed `unreachable`: in C `abort()`, in Rust a panic. */
  TORVYN_TRAP_UNREACHABLE = 10,
  /** It used a null reference. */
  TORVYN_TRAP_NULL_REFERENCE = 11,
  /** It called an import from where none may be called. */
  TORVYN_TRAP_CANNOT_LEAVE = 12,
  /**
   * It broke a rule of the component model's canonical ABI: a handle, a
   * pointer or a string that is not valid, a borrow not given back.
   */
  TORVYN_TRAP_CANONICAL_ABI = 13,
  /** It was interrupted. */
  TORVYN_TRAP_INTERRUPT = 14,
  /** It ran out of fuel. */
  TORVYN_TRAP_OUT_OF_FUEL = 15,
  /** Another reason; the error's message says which. */
  TORVYN_TRAP_OTHER = 99,
} torvyn_trap_t;

/**
 * The name of a status, e.g. "TORVYN_ERROR_TRAP".
 *
 * @param status  Any number.
 *
 * @return  NUL-terminated, static; "TORVYN_UNKNOWN" for a number that is no
 *          status of this version; never NULL.
 *
 * Thread: any; async-signal-safe.
 * Blocks: never.
 * Since:  0.1
 */
const char *torvyn_status_name(int status);

/**
 * One English sentence about a status, without the particulars that
 * torvyn_error_message() has.
 *
 * @param status  Any number.
 *
 * @return  NUL-terminated, static; "Unknown status." for a number that is no
 *          status of this version; never NULL.
 *
 * Thread: any; async-signal-safe.
 * Blocks: never.
 * Since:  0.1
 */
const char *torvyn_status_text(int status);

/**
 * The name of a trap, e.g. "TORVYN_TRAP_UNREACHABLE".
 *
 * @param trap  Any number.
 *
 * @return  NUL-terminated, static; "TORVYN_UNKNOWN" for a number that is no
 *          trap of this version; never NULL.
 *
 * Thread: any; async-signal-safe.
 * Blocks: never.
 * Since:  0.1
 */
const char *torvyn_trap_name(int trap);

/* ------------------------------------------------- Values and plain structs */

/** The longest payload of an element and of an output, in bytes. */
#define TORVYN_MAX_PAYLOAD 16777216

/** Whether a consumer keeps up. */
typedef enum torvyn_signal {
  /** Send more. */
  TORVYN_SIGNAL_READY = 0,
  /** The element was taken; send no more until told. */
  TORVYN_SIGNAL_PAUSE = 1,
} torvyn_signal_t;

/**
 * Roles of the contract that a component may export; bits of a set. Compatible
 * versions of the interfaces are 0.1.z and none, but no pre-release.
 */
typedef enum torvyn_role {
  /**
   * `torvyn:streaming/source`: torvyn_pull(), torvyn_notify_backpressure().
   */
  TORVYN_ROLE_SOURCE = 1,
  /**
   * `torvyn:streaming/processor`: torvyn_process(), torvyn_process_batch().
   */
  TORVYN_ROLE_PROCESSOR = 2,
  /**
   * `torvyn:streaming/sink`: torvyn_push(), torvyn_push_batch(),
   * torvyn_complete().
   */
  TORVYN_ROLE_SINK = 4,
  /** `torvyn:filtering/filter`: torvyn_evaluate(). */
  TORVYN_ROLE_FILTER = 8,
  /** `torvyn:filtering/router`: torvyn_route(). */
  TORVYN_ROLE_ROUTER = 16,
  /** `torvyn:aggregation/aggregator`: torvyn_ingest(), torvyn_flush(). */
  TORVYN_ROLE_AGGREGATOR = 32,
  /**
   * `torvyn:streaming/lifecycle`: torvyn_init() must come before any element,
   * torvyn_teardown() may come last.
   */
  TORVYN_ROLE_LIFECYCLE = 64,
} torvyn_role_t;

/**
 * The way in which a component runs. It behaves the same on either, but for the
 * fuel that a call uses up, the numbers of handles, the wording of errors, and
 * what counts as held by an instance that is POISONED.
 */
typedef enum torvyn_path {
  /**
   * As an answer: there is no component (NULL). As a setting: the direct path
   * where the component is eligible for it, the general one elsewhere.
   */
  TORVYN_PATH_AUTO = 0,
  /**
   * The library's own, which takes the least time around a call. For components
   * that import nothing but the contract and what toolchains of C and Rust link
   * in of WASI 0.2, where none of it is granted: standard streams, arguments,
   * environment, exit, clocks, randomness, files (polling and sockets are not
   * among it); that export nothing but the contract, unless this is the setting
   * (torvyn_call() is then TORVYN_ERROR_UNSUPPORTED); and whose calls pass
   * values in one memory. torvyn_component_path_reason() says what stands
   * against it.
   */
  TORVYN_PATH_DIRECT = 1,
  /** Wasmtime's component runtime. For every component. */
  TORVYN_PATH_GENERAL = 2,
  /**
   * As an answer alone: the functions of the program that
   * torvyn_component_native() was given.
   */
  TORVYN_PATH_NATIVE = 3,
} torvyn_path_t;

/** A setting that is on, off, or left to its default. */
typedef enum torvyn_switch {
  /** As the field says. */
  TORVYN_DEFAULT = 0,
  /** On. */
  TORVYN_ON = 1,
  /** Off. */
  TORVYN_OFF = 2,
} torvyn_switch_t;

/**
 * Host memory with a component's output in it, owned by the caller until it is
 * released. It needs nothing else: instance, linked component, component and
 * engine may be freed before it.
 */
typedef struct torvyn_buffer torvyn_buffer_t;

/** A list of outputs, owned by the caller: what torvyn_flush() gives. */
typedef struct torvyn_outputs torvyn_outputs_t;

/**
 * A piece of UTF-8 text: a pointer and a length.
 *
 * As an input it need not be NUL-terminated, is borrowed for the call, and
 * holds at most 16 MiB; `data` may be NULL where `len` is 0. As an output it is
 * borrowed from what it was asked of, and NUL-terminated only where the
 * function says so.
 */
typedef struct torvyn_str {
  /** The first byte. */
  const char *data;
  /** Number of bytes, without a terminating NUL. */
  size_t len;
} torvyn_str_t;

/**
 * A piece of memory: a pointer and a length.
 *
 * As an input it is borrowed for the call; `data` may be NULL where `len` is 0.
 * As an output it is borrowed from what it was asked of.
 */
typedef struct torvyn_bytes {
  /** The first byte. */
  const uint8_t *data;
  /** Number of bytes. */
  size_t len;
} torvyn_bytes_t;

/**
 * What the program knows of the flow that an element belongs to. A component
 * reads it through the contract's `flow-context`.
 *
 * The layout never changes.
 */
typedef struct torvyn_flow {
  /** W3C trace id, 32 hex digits; empty where tracing is off. Not checked. */
  torvyn_str_t trace_id;
  /** W3C span id of this stage, 16 hex digits; empty where tracing is off. */
  torvyn_str_t span_id;
  /** The program's name for the flow; may be empty. */
  torvyn_str_t flow_id;
  /**
   * Nanoseconds left for the element when the call begins; 0 for no deadline.
   * It ends the call as the instance's timeout does, whichever comes first.
   */
  uint64_t deadline_ns;
} torvyn_flow_t;

/**
 * One unit of data, lent to a component for the length of one call.
 *
 * The library keeps no pointer into it after the call returns and copies none
 * of its bytes: a component's `read` copies from `payload` straight into the
 * component's memory. To feed an output to the next stage, point `payload` at
 * its `bytes` and release it after the call.
 *
 * The layout never changes.
 */
typedef struct torvyn_element {
  /** Position in the flow, from 0. */
  uint64_t sequence;
  /** Nanoseconds since the Unix epoch. */
  uint64_t timestamp_ns;
  /** Media type, UTF-8, e.g. "application/json"; empty where there is none. */
  torvyn_str_t content_type;
  /** The bytes; at most 16 MiB (TORVYN_MAX_PAYLOAD). */
  torvyn_bytes_t payload;
  /** Trace ids and deadline of the flow, or NULL for none. */
  const torvyn_flow_t *flow;
} torvyn_element_t;

/**
 * One unit of data that a component gave: its meta, and a buffer that the
 * caller owns.
 *
 * `content_type` and `bytes` are views into `payload`; all three end with
 * torvyn_output_release(). Where nothing was given, every field is zero and
 * `payload` is NULL.
 *
 * The layout never changes.
 */
typedef struct torvyn_output {
  /**
   * Position in the flow: the input's for a processor and an aggregator's
   * `ingest`, the component's own elsewhere.
   */
  uint64_t sequence;
  /** Nanoseconds since the Unix epoch, from where `sequence` is. */
  uint64_t timestamp_ns;
  /** Media type from the element's meta; may be empty; not NUL-terminated. */
  torvyn_str_t content_type;
  /** The content, in place. */
  torvyn_bytes_t bytes;
  /**
   * The buffer, owned by the caller: torvyn_output_release() gives it back, or
   * torvyn_buffer_release() where it was moved elsewhere. NULL for no output.
   */
  torvyn_buffer_t *payload;
} torvyn_output_t;

/**
 * Names of the ports that a router chose: the instance's, valid until the next
 * call on it or its end.
 */
typedef struct torvyn_ports {
  /** The names, not NUL-terminated, in the component's order. */
  const torvyn_str_t *names;
  /** Number of names; 0 drops the element. */
  size_t len;
} torvyn_ports_t;

/**
 * Ends what a callback's `user` points to. It runs exactly once: when the last
 * handle that could still call the callback is gone, or at once where the
 * function that was given the callback fails. On whichever thread that happens;
 * it must not call the library.
 */
typedef void (*torvyn_finalizer_t)(void *user);

/* ------------------------------------------------------ Values of WIT types */

/**
 * The kind of a value's WIT type, which says which member of `of` holds it.
 */
typedef enum torvyn_kind {
  /** No value: what a function without a result gives. */
  TORVYN_KIND_NONE = 0,
  /** `bool`, in `boolean`. */
  TORVYN_KIND_BOOL = 1,
  /** `s8`, in `sint`. */
  TORVYN_KIND_S8 = 2,
  /** `u8`, in `uint`. */
  TORVYN_KIND_U8 = 3,
  /** `s16`, in `sint`. */
  TORVYN_KIND_S16 = 4,
  /** `u16`, in `uint`. */
  TORVYN_KIND_U16 = 5,
  /** `s32`, in `sint`. */
  TORVYN_KIND_S32 = 6,
  /** `u32`, in `uint`. */
  TORVYN_KIND_U32 = 7,
  /** `s64`, in `sint`. */
  TORVYN_KIND_S64 = 8,
  /** `u64`, in `uint`. */
  TORVYN_KIND_U64 = 9,
  /** `f32`, in `f32`. */
  TORVYN_KIND_F32 = 10,
  /** `f64`, in `f64`. */
  TORVYN_KIND_F64 = 11,
  /** `char`, a Unicode scalar value, in `uint`. */
  TORVYN_KIND_CHAR = 12,
  /** `string`, in `string`. */
  TORVYN_KIND_STRING = 13,
  /**
   * `list<u8>`, in `bytes`. The library gives such a list so; it takes a
   * TORVYN_KIND_LIST of TORVYN_KIND_U8 as well.
   */
  TORVYN_KIND_BYTES = 14,
  /**
   * `list<T>` of any other type, in `values`; `map<K, V>` as a list of tuples.
   * Also a list of fixed length, `list<T, N>`; for `list<u8, N>` the library
   * takes TORVYN_KIND_BYTES as well.
   */
  TORVYN_KIND_LIST = 15,
  /** `record`, in `fields`. */
  TORVYN_KIND_RECORD = 16,
  /** `tuple`, in `values`. */
  TORVYN_KIND_TUPLE = 17,
  /** `variant`, in `variant`: the case and its payload or NULL. */
  TORVYN_KIND_VARIANT = 18,
  /** `enum`, in `string`: the case. */
  TORVYN_KIND_ENUM = 19,
  /** `option`, in `option`: NULL for none. */
  TORVYN_KIND_OPTION = 20,
  /** `result`, in `result`. */
  TORVYN_KIND_RESULT = 21,
  /** `flags`, in `flags`: those that are set. */
  TORVYN_KIND_FLAGS = 22,
  /** `own<T>` of a resource of the program's, in `resource`. */
  TORVYN_KIND_OWN = 23,
  /** `borrow<T>` of a resource of the program's, in `resource`. */
  TORVYN_KIND_BORROW = 24,
} torvyn_kind_t;

/** Values in a row. */
typedef struct torvyn_value_list {
  /** The first one; NULL where there are none. */
  const struct torvyn_value *data;
  /** Number of values. */
  size_t len;
} torvyn_value_list_t;

/** The fields of a record, in any order. */
typedef struct torvyn_fields {
  /** Their names in the WIT. */
  const torvyn_str_t *names;
  /** Their values, in the same order. */
  const struct torvyn_value *values;
  /** Number of fields. */
  size_t len;
} torvyn_fields_t;

/** A case of a variant. */
typedef struct torvyn_case {
  /** Its name in the WIT. */
  torvyn_str_t name;
  /** What it holds; NULL where it holds nothing. */
  const struct torvyn_value *payload;
} torvyn_case_t;

/** A `result`. */
typedef struct torvyn_outcome {
  /** Whether it is the error. */
  bool is_error;
  /** What it holds; NULL where it holds nothing. */
  const struct torvyn_value *payload;
} torvyn_outcome_t;

/** Names in a row. */
typedef struct torvyn_name_list {
  /** The first one; NULL where there are none. */
  const torvyn_str_t *data;
  /** Number of names. */
  size_t len;
} torvyn_name_list_t;

/** What a value holds; its kind says where. */
typedef union torvyn_value_of {
  /** TORVYN_KIND_BOOL. */
  bool boolean;
  /** TORVYN_KIND_S8 to TORVYN_KIND_S64. */
  int64_t sint;
  /** TORVYN_KIND_U8 to TORVYN_KIND_U64, and TORVYN_KIND_CHAR. */
  uint64_t uint;
  /** TORVYN_KIND_F32. */
  float f32;
  /** TORVYN_KIND_F64. */
  double f64;
  /** TORVYN_KIND_STRING and TORVYN_KIND_ENUM. */
  torvyn_str_t string;
  /** TORVYN_KIND_BYTES. */
  torvyn_bytes_t bytes;
  /** TORVYN_KIND_LIST and TORVYN_KIND_TUPLE. */
  torvyn_value_list_t values;
  /** TORVYN_KIND_RECORD. */
  torvyn_fields_t fields;
  /** TORVYN_KIND_VARIANT. */
  torvyn_case_t variant;
  /** TORVYN_KIND_OPTION; NULL for none. */
  const struct torvyn_value *option;
  /** TORVYN_KIND_RESULT. */
  torvyn_outcome_t result;
  /** TORVYN_KIND_FLAGS. */
  torvyn_name_list_t flags;
  /**
   * TORVYN_KIND_OWN and TORVYN_KIND_BORROW: the program's number for the
   * resource.
   */
  uint32_t resource;
} torvyn_value_of_t;

/**
 * A value of any WIT type but the asynchronous ones, nested at most 128 deep.
 * What it points to is borrowed from whoever gave it.
 *
 * What is passed at once, either way, the arguments of a call or its result,
 * may take 128 MiB of the host's memory (TORVYN_ERROR_MEMORY beyond): some 64
 * bytes for each value, 40 for the name of each field and flag, and one for
 * each byte of text and of a `list<u8>`. That is a list of some 2 million
 * numbers, or one of almost 128 MiB of bytes. What several values point to
 * counts for each of them. A text that the program gives is of 16 MiB at most,
 * as torvyn_str_t says. All copies are within the call's time; those to and
 * from a component take fuel, one for each byte that the value has in the
 * component, where the engine counts it.
 *
 * The layout never changes.
 */
typedef struct torvyn_value {
  /** Which member of `of` is set. */
  torvyn_kind_t kind;
  /** The value. */
  torvyn_value_of_t of;
} torvyn_value_t;

/* ------------------------------------------------------------------- Errors */

/**
 * What is known of one failure: an owned value, made only where something
 * failed and the caller asked for it.
 */
typedef struct torvyn_error torvyn_error_t;

/**
 * The status that came with the error.
 *
 * @param error  Borrowed for the call; NULL gives TORVYN_OK.
 *
 * @return  The status.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_error_status(const torvyn_error_t *error);

/**
 * The whole of it in one line for a log or a person: the component's id, the
 * function, what happened, what to do. What does not show in a component's
 * text, or changes how the rest of the line does, is escaped: control
 * characters, those of format such as U+202E, which reverses what follows
 * ("\u{202e}"), line separators, tags, private and unknown ones.
 *
 * @param error  Borrowed for the call; NULL gives "".
 *
 * @return  UTF-8, NUL-terminated, never NULL; valid until torvyn_error_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_str_t torvyn_error_message(const torvyn_error_t *error);

/**
 * What happened, and mostly what to do about it, without component and function
 * of the contract (a torvyn_call() names its own here). For the component's own
 * verdicts (TORVYN_ERROR_INVALID_INPUT and so on) it is exactly the component's
 * text, with nothing added and nothing escaped.
 *
 * @param error  Borrowed for the call; NULL gives "".
 *
 * @return  UTF-8, NUL-terminated (a component's text may hold NULs before
 *          that), never NULL; valid until torvyn_error_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_str_t torvyn_error_detail(const torvyn_error_t *error);

/**
 * The instance that the error is about.
 *
 * @param error  Borrowed for the call; NULL gives false.
 * @param id     Where the id goes that torvyn_instance_new() was given; set to
 *               0 where there is none; may be NULL.
 *
 * @return  Whether the error is about an instance.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
bool torvyn_error_component_id(const torvyn_error_t *error,
                               uint64_t *id);

/**
 * The function of the contract that was called, by its name in the WIT, e.g.
 * "process" or "notify-backpressure".
 *
 * @param error  Borrowed for the call; NULL gives "".
 *
 * @return  UTF-8, NUL-terminated, never NULL; empty where the error is about no
 *          such function; valid until torvyn_error_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_str_t torvyn_error_function(const torvyn_error_t *error);

/**
 * Why the component trapped.
 *
 * @param error  Borrowed for the call; NULL gives TORVYN_TRAP_NONE.
 *
 * @return  TORVYN_TRAP_NONE where it did not trap. Calls that a budget or a
 *          cancel ended did not: their status says all.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_trap_t torvyn_error_trap(const torvyn_error_t *error);

/**
 * The number of frames of the component's stack at a trap or at the end of a
 * budget.
 *
 * @param error  Borrowed for the call; NULL gives 0.
 *
 * @return  The number of frames; at most 64 are kept.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
size_t torvyn_error_frame_count(const torvyn_error_t *error);

/**
 * One frame of the component's stack, e.g. "app.wasm!handle_line+0x1f3": its
 * module, its function and the offset in the function's code. Where the binary
 * has no names: "<module>", "<function 31>"; the offset may be missing. Names
 * are cut off after 512 bytes, and escaped as in torvyn_error_message().
 *
 * @param error  Borrowed for the call; NULL gives "".
 * @param index  From 0, the innermost, to torvyn_error_frame_count() - 1;
 *               others give "".
 *
 * @return  UTF-8, NUL-terminated, never NULL; valid until torvyn_error_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_str_t torvyn_error_frame(const torvyn_error_t *error,
                                size_t index);

/**
 * Whether the failure ended the instance: it is FAILED or POISONED by it, takes
 * no element any more, and torvyn_instance_reset() or torvyn_instance_free()
 * are what to do. torvyn_instance_state() says which. False for a call that was
 * refused, whatever the instance's state, and for what concerns no instance.
 *
 * @param error  Borrowed for the call; NULL gives false.
 *
 * @return  Whether it does.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
bool torvyn_error_is_fatal(const torvyn_error_t *error);

/**
 * Whether the same call may succeed when it is made again later, unchanged:
 * TORVYN_ERROR_BUSY; and TORVYN_ERROR_UNAVAILABLE and
 * TORVYN_ERROR_DEADLINE_EXCEEDED where torvyn_error_is_fatal() is false. (Where
 * torvyn_init() gives one, the instance is FAILED and wants a reset first.)
 *
 * @param error  Borrowed for the call; NULL gives false.
 *
 * @return  Whether it may.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
bool torvyn_error_is_retryable(const torvyn_error_t *error);

/**
 * Frees an error and every string that was asked of it.
 *
 * @param error  Owned; NULL does nothing.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
void torvyn_error_free(torvyn_error_t *error);

/* ---------------------------------------------------------------------- Log */

/** How much a line of the log matters. */
typedef enum torvyn_log_level {
  /** As TORVYN_LOG_INFO; never the level of a line. */
  TORVYN_LOG_DEFAULT = 0,
  /**
   * Something failed, and no caller is told: a component failed in teardown.
   */
  TORVYN_LOG_ERROR = 1,
  /** Something that may need attention. */
  TORVYN_LOG_WARN = 2,
  /**
   * What an operator wants to know: an instance was reset, what a component
   * wrote.
   */
  TORVYN_LOG_INFO = 3,
  /** What a caller is told as well: a trap or a budget ended a call. */
  TORVYN_LOG_DEBUG = 4,
} torvyn_log_level_t;

/**
 * One line of the log, borrowed from the library until the callback returns.
 * Later versions may add fields at the end.
 */
typedef struct torvyn_log_line {
  /**
   * The size of the struct in the library, in bytes: fields past it are not
   * there.
   */
  uint32_t struct_size;
  /** How much it matters. */
  torvyn_log_level_t level;
  /**
   * The id of the instance that it is about, as torvyn_instance_new() was given
   * it; NULL where it is about none.
   */
  const uint64_t *component_id;
  /**
   * The function of the contract that it is about, by its name in the WIT, e.g.
   * "teardown"; empty where it is about none. Not NUL-terminated.
   */
  torvyn_str_t function;
  /**
   * What happened: UTF-8 in one line, escaped as in torvyn_error_message(). Not
   * NUL-terminated.
   */
  torvyn_str_t message;
} torvyn_log_line_t;

/**
 * Takes a line of the log.
 *
 * It runs on the thread whose call the line is about, before that call returns;
 * several threads may be in it at once. It may call the library, but of the
 * instance that the line is about only what takes it as `const`: a call on it
 * gets TORVYN_ERROR_BUSY.
 */
typedef void (*torvyn_log_fn_t)(void *user,
                                const torvyn_log_line_t *line);

/* ------------------------------------------------------------------- Engine */

/** What the compiler optimises for. */
typedef enum torvyn_optimize {
  /** Speed. */
  TORVYN_OPTIMIZE_DEFAULT = 0,
  /** The speed of the code. */
  TORVYN_OPTIMIZE_SPEED = 1,
  /** The speed of the code and its size. */
  TORVYN_OPTIMIZE_SPEED_AND_SIZE = 2,
  /** The speed of compilation. */
  TORVYN_OPTIMIZE_NONE = 3,
} torvyn_optimize_t;

/**
 * What compiles and runs components: a configuration, a clock, and code shared
 * by all that is made from it. Reference counted. A program has one, or a few
 * where configurations differ.
 */
typedef struct torvyn_engine torvyn_engine_t;

/**
 * How an engine is made. Zero in a field means its default.
 *
 * In C:    torvyn_engine_config_t config = {.struct_size = sizeof config};
 * In C++:  torvyn_engine_config_t config{};
 *          config.struct_size = sizeof config;
 *
 * A limit that says "of an instance" is the default for the engine's instances;
 * torvyn_instance_options_t sets another for one of them.
 */
typedef struct torvyn_engine_config {
  /**
   * The size of this struct in bytes: sizeof(torvyn_engine_config_t). Required.
   */
  uint32_t struct_size;
  /**
   * Whether calls use up fuel: about one unit for each instruction, one for
   * each byte or element of bulk instructions such as `memory.copy`, and one
   * for each byte that the library copies into the component's memory, out of
   * it, or for it (payloads, texts, values). What WASI copies, and texts that
   * one component within a composed one passes to another, take none. A budget
   * of fuel ends a call after the same work each time, where a deadline ends it
   * after some time; counting costs the component some of its speed. Default:
   * off.
   */
  torvyn_switch_t fuel;
  /**
   * Who makes time pass. Off: a thread of the library's ticks while calls run
   * and sleeps otherwise. On: the program calls torvyn_engine_tick() every
   * `tick_ns`, and without it no deadline passes and no cancel takes effect.
   * Default: off.
   */
  torvyn_switch_t host_ticks;
  /**
   * The way in which components run. TORVYN_PATH_DIRECT makes an error of a
   * component that is not eligible for it, when it is compiled or linked.
   * Default: TORVYN_PATH_AUTO.
   */
  torvyn_path_t path;
  /**
   * Nanoseconds between two ticks: how exact deadlines and cancels are. From
   * 10 microseconds to 1 second. Default: 1 millisecond.
   */
  uint64_t tick_ns;
  /**
   * Nanoseconds that a call of an instance may take; UINT64_MAX for no limit.
   * At least one tick. Default: 5 seconds. All that is done for the component
   * counts, also by the host. A deadline and a cancel take effect within two
   * ticks and the longest single piece of work that nothing interrupts: a copy
   * of 16 MiB; one instruction of the component's that fills, copies or grows
   * memory or a table, of whatever size `memory_limit` and `table_limit` allow
   * (some 100 milliseconds for each GiB, more for memory that was not used
   * before); a text that one component in a composed one passes to another (up
   * to some seconds for each GiB where its encoding changes; it takes no fuel);
   * and code without a loop or a call, of which a function of 7 MiB, the
   * largest there may be, takes up to some 100 milliseconds.
   */
  uint64_t timeout_ns;
  /**
   * Bytes of linear memory of an instance, over all its memories. From 64 KiB
   * to 4 GiB. Default: 16 MiB; and where an instance's memories start with more
   * than 8 MiB, as some toolchains make them, what they start with plus 16 MiB.
   * One that starts with more than its limit, or by default with more than 64
   * MiB, is not made (TORVYN_ERROR_MEMORY).
   */
  uint64_t memory_limit;
  /**
   * Elements of an instance's tables, over all its tables; one that starts with
   * more is not made (TORVYN_ERROR_MEMORY). Default: 100000.
   */
  uint64_t table_limit;
  /**
   * Bytes that the library may hold for an instance's component at once: its
   * buffers by their capacity (4 KiB, 64 KiB, 1 MiB or 16 MiB); each content
   * type that it gave by what it has beyond 64 bytes, those of outputs among
   * them until the call returns; the names of ports of its latest answer (each
   * with 24 bytes more) beyond 4 KiB; and the handles of the contract's that it
   * ever held at once beyond 1024, 64 bytes each, by 1024 at once. An
   * allocation past it is refused to the component; where it cannot be told,
   * the call ends with TORVYN_ERROR_MEMORY. Texts are limited beside: a content
   * type of the component's of more than 4 KiB, unless the element's is as
   * long, an error's text of more than 64 KiB, names of ports of more than 1
   * MiB in all, and values of more than 128 MiB (torvyn_value_t) end the call
   * with TORVYN_ERROR_MEMORY. At least 4 KiB. Default: 64 MiB.
   */
  uint64_t buffer_limit;
  /**
   * Bytes of buffers that nobody holds which the library keeps in the process
   * for calls to come, of all engines. What is released beyond that goes back
   * to the system; buffers of 4 KiB to the program's allocator, which may keep
   * them. An engine that sets it does so for the process, from then on; 1 for
   * nothing. Beside it each thread that released some keeps up to 640 KiB, of
   * buffers of 4 KiB and 64 KiB. No more than 500 of 4 KiB, 500 of 64 KiB, 256
   * of 1 MiB and 32 of 16 MiB are kept. Default: 64 MiB, or what another
   * engine set.
   */
  uint64_t idle_buffers;
  /**
   * Handles that an instance's component may hold at once: of buffers, of the
   * program's resources, and of what WASI gives it, each kind for itself; of
   * the last never more than 1024. The payload and the context of the element
   * at hand do not count. A buffer past it is refused to the component, whose
   * `allocate` or `clone-into-mutable` fails; what cannot be refused (a buffer
   * that it freezes, a resource, what is of WASI) ends the call with
   * TORVYN_ERROR_MEMORY. At least 4. Default: 65536.
   */
  uint32_t max_handles;
  /**
   * Core instances, memories and tables (each) of which an instance may be made
   * up. From 1 to 10000. Default: 64.
   */
  uint32_t instance_limit;
  /**
   * What happens at `memory_limit` and `table_limit`. Off: the call ends with
   * TORVYN_ERROR_MEMORY. On: the component's `memory.grow` and `table.grow`
   * answer -1, as they always do past a module's own maximum, and it goes on as
   * well as it can. Default: off.
   */
  torvyn_switch_t refuse_growth;
  /** Whether components may use SIMD instructions. Default: on. */
  torvyn_switch_t simd;
  /**
   * Whether components may use relaxed SIMD instructions, whose results may
   * differ between machines. Needs `simd`. Default: off.
   */
  torvyn_switch_t relaxed_simd;
  /**
   * Whether a core module of a component may have several memories. What
   * passes values between the components of a composed one has them anyway.
   * Default: off.
   */
  torvyn_switch_t multi_memory;
  /** What the compiler optimises for. Default: TORVYN_OPTIMIZE_SPEED. */
  torvyn_optimize_t optimize;
  /**
   * Whether one compilation uses several threads, which the library starts, as
   * many as processors for all engines, and ends with the last engine that
   * used them. Off: all of it is done by the thread that calls, whose stack
   * must be of 1 MiB at least for what a component may nest. Default: on.
   */
  torvyn_switch_t parallel_compilation;
  /**
   * How traps are caught. Off: memory faults are signals (SIGSEGV, SIGILL and,
   * on x86-64, SIGFPE), for which the library installs handlers that pass on
   * what is not its own. On: every access is checked in the code, no handler
   * is installed, and components run the slower for it. Default: off.
   */
  torvyn_switch_t explicit_traps;
  /**
   * Whether the system's unwinder, debuggers and profilers can see through the
   * components' frames. Default: off.
   */
  torvyn_switch_t unwind_info;
  /**
   * Bytes of a component's stack, within the stack of the thread that calls
   * it. A thread that makes, resets or calls an instance needs these and 256
   * KiB; more where a callback of the program's, which runs on the same stack,
   * needs more or calls other instances. With too little left such a call is
   * TORVYN_ERROR_INTERNAL and nothing runs; to say that takes 24 KiB. On a
   * stack that the program made itself (of a coroutine) it is not noticed:
   * what goes beyond its end ends the process. Components that may wait in
   * WASI have stacks of their own, of twice these bytes and 1 MiB. Their
   * callbacks run there, too, and begin with these and 896 KiB; the calls that
   * they make of other instances are held to that. Native components have the
   * thread's. To compile, link, load or free takes 256 KiB (1 MiB: see
   * `parallel_compilation`). From 16 KiB to 64 MiB.
   * Default: 512 KiB.
   */
  uint64_t guest_stack;
  /**
   * Bytes of address space, not of memory, that a linear memory reserves, so
   * that accesses need no check and growth moves nothing. Set it low where
   * address space is scarce or many thousand instances live at once (1 for as
   * little as possible): a memory that outgrows it is moved, with a sixteenth
   * of `memory_limit`, 1 MiB at least, to grow into before the next move. With
   * `pool_instances` a slot reserves no less than the memory that it holds;
   * with `explicit_traps` it is always as little as possible. At most 1 TiB.
   * Default: 4 GiB.
   */
  uint64_t memory_reservation;
  /**
   * With `pool_instances`: bytes of a linear memory that stay in memory while
   * its slot is idle, zeroed by hand and not by the system; more than a slot
   * holds is all of it. Default: 0.
   */
  uint64_t pool_keep_resident;
  /**
   * Slots for instances that are made once and reused, which makes new
   * instances cheap; more instances than that are refused with
   * TORVYN_ERROR_INSTANTIATION (native ones take no slot). A slot holds
   * memories of `memory_limit` each, or 64 MiB where that is not set, and
   * tables of `table_limit`, at most 20000 each; a component that starts with
   * more in one is TORVYN_ERROR_UNSUPPORTED, and growth beyond it is refused to
   * the component, whatever `refuse_growth` says. Components that are composed
   * of others have several of both. The pool has 8 for each slot, of memories
   * as many as 16 TiB of address space have room for (`memory_reservation`),
   * but one for each slot at least; where they run out, it is
   * TORVYN_ERROR_INSTANTIATION, too. At most 100000, and no more than the
   * address space has room for, and the memory mappings that the system allows
   * the process, of which a slot takes up to 7 (TORVYN_ERROR_CONFIG says how
   * many slots have room). Default: 0, memory is had from the system for each
   * instance.
   */
  uint32_t pool_instances;
  /**
   * Threads that wait for what components granted WASI do: sockets, sleeps.
   * They start with the first instance that needs them. From 1 to 64.
   * Default: 1. System calls on files, and look-ups of names, run on further
   * threads, which come as they are needed, up to 64, and end when they idle.
   */
  uint32_t wasi_threads;
  /**
   * File descriptors of the process that an instance's component may hold at
   * once by WASI: open files and directories that it reads, until the last
   * stream of each is dropped, and sockets, of which one that listens counts
   * twice. Granted directories do not count. Past it the component is told
   * `insufficient-memory` of a file, since WASI has no error for too many, and
   * `new-socket-limit` of a socket; the log says so (TORVYN_LOG_WARN). From 1
   * to 1024. Default: 64.
   */
  uint32_t max_files;
  /**
   * With `log`: lines that matter less than this are left out.
   * Default: TORVYN_LOG_INFO.
   */
  torvyn_log_level_t log_level;
  /**
   * Takes the lines of the log: what no caller is told. Default: NULL, there is
   * no log.
   */
  torvyn_log_fn_t log;
  /**
   * What `log` and `log_finalizer` are given. The library does not look at what
   * it points to.
   */
  void *log_user;
  /**
   * Ends `log_user`; NULL for nothing. Runs exactly once, when nothing can call
   * `log` any more: on the thread that frees the last of the engine and of all
   * that was made from it, or within torvyn_engine_new() where that fails or
   * `log` is NULL.
   */
  torvyn_finalizer_t log_finalizer;
} torvyn_engine_config_t;

/**
 * Makes an engine.
 *
 * @param config  Borrowed for the call; NULL for all defaults. Where its
 *                `struct_size` is set, its `log_finalizer` runs, whatever this
 *                call comes to.
 * @param out     Where the engine goes, owned by the caller
 *                (torvyn_engine_free()); NULL on failure.
 * @param err     Where detail goes on a negative status, owned by the caller
 *                (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              `*out` is an engine.
 * @retval TORVYN_ERROR_CONFIG    A field is out of its range, or fields or the
 *                                machine do not go together, or the system
 *                                refuses what they need; the error names it.
 * @retval TORVYN_ERROR_ARGUMENT  `struct_size` is not set, or `config` is of a
 *                                newer version and uses what this one lacks.
 * @retval TORVYN_ERROR_NULL      `out` is NULL.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: any.
 * Blocks: some milliseconds; longer where `pool_instances` is large.
 * Since:  0.1
 */
torvyn_status_t torvyn_engine_new(const torvyn_engine_config_t *config,
                                  torvyn_engine_t **out,
                                  torvyn_error_t **err);

/**
 * One more reference to an engine.
 *
 * @param engine  Borrowed for the call; NULL gives NULL.
 *
 * @return  The same engine, owned once more: each reference is freed by itself.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_engine_t *torvyn_engine_clone(const torvyn_engine_t *engine);

/**
 * Frees a reference to an engine. What was made from the engine stays usable
 * and keeps it alive.
 *
 * @param engine  Owned; NULL does nothing.
 *
 * Thread: any.
 * Blocks: where it was the last of the engine and of all that was made from it,
 *         up to one tick, for the library's thread to end; with WASI up to 50
 *         ms more, for system calls on files that still run.
 * Since:  0.1
 */
void torvyn_engine_free(torvyn_engine_t *engine);

/**
 * Makes one tick of the engine's time pass. For an engine whose `host_ticks` is
 * on; does nothing for others. Call it every `tick_ns`, from a timer of the
 * program's; ticks that come late make deadlines later.
 *
 * @param engine  Borrowed for the call; NULL does nothing.
 *
 * Thread: any; async-signal-safe.
 * Blocks: never.
 * Since:  0.1
 */
void torvyn_engine_tick(const torvyn_engine_t *engine);

/* ----------------------------------------------- Component: bytes, compiled */

/** An owned string of bytes. */
typedef struct torvyn_blob torvyn_blob_t;

/**
 * A component compiled for one engine, or made of the program's own functions
 * (torvyn_component_native()). Reference counted, immutable.
 */
typedef struct torvyn_component torvyn_component_t;

/**
 * Compiles a component. It may use WebAssembly 3.0 without exceptions, garbage
 * collection and `externref`, but with 64-bit memories and tables within it,
 * tail calls, typed function references; of the component model all but what is
 * asynchronous, and `map` and lists of fixed length. The engine's configuration
 * says whether SIMD, relaxed SIMD and several memories in one module are on.
 * Proposals beyond that, threads and custom page sizes among them, are off.
 *
 * @param engine  Borrowed for the call.
 * @param bytes   The component, binary or text: WAT, "(component ...)", in the
 *                syntax that wasm-tools 1.254 reads, UTF-8 (a core item is
 *                written out: `(memory (core memory $i "memory"))`). WIT is
 *                none. Borrowed for the call.
 * @param len     Number of bytes.
 * @param out     Where the component goes, owned by the caller
 *                (torvyn_component_free()); NULL on failure.
 * @param err     Where detail goes on a negative status, owned by the caller
 *                (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   `*out` is a component.
 * @retval TORVYN_ERROR_NOT_COMPONENT  The bytes are no WebAssembly.
 * @retval TORVYN_ERROR_CORE_MODULE    They are a core module, not a component.
 * @retval TORVYN_ERROR_MALFORMED      They are not a valid component, or text
 *                                     that does not parse.
 * @retval TORVYN_ERROR_NO_ROLE        It exports no interface of the contract
 *                                     at a compatible version
 *                                     (torvyn_role_t).
 * @retval TORVYN_ERROR_TYPE_MISMATCH  It exports one with other types.
 * @retval TORVYN_ERROR_UNSUPPORTED    It uses a feature of WebAssembly that the
 *                                     library lacks or the engine's
 *                                     configuration forbids (the error names
 *                                     it), or imports or exports a component;
 *                                     or the engine's `path` is
 *                                     TORVYN_PATH_DIRECT and it is not
 *                                     eligible for that. Or it is too much:
 *                                     holds more than 1000 components, with
 *                                     those in them; has more than 1000
 *                                     modules or 1000 instances in one of
 *                                     them; nests types more than 100 deep;
 *                                     comes to more than 262144 items
 *                                     (imports, functions, instances,
 *                                     exports), each as often as it is
 *                                     instantiated, an instance with all that
 *                                     it holds wherever it is named; to more
 *                                     than 262144 resources, likewise and as
 *                                     often as each is deep in one; to more
 *                                     than 100 memories where it is composed
 *                                     of others; has values of 2^28 bytes or
 *                                     more, as lists of fixed length may be;
 *                                     passes such a list, an enum, a variant,
 *                                     a record or a tuple of more than 1000
 *                                     from one component in it to another;
 *                                     nests instances, with the types in
 *                                     them, more than 127 deep; has a module
 *                                     with more than 65536 globals, elements
 *                                     of tables and data segments that are
 *                                     set one by one when it is instantiated
 *                                     (not those whose place and value are
 *                                     known before); or whose memories and
 *                                     tables have first contents of more than
 *                                     256 MiB, with what lies between (an
 *                                     element counts for 16 bytes). Or the
 *                                     library has no compiler.
 * @retval TORVYN_ERROR_COMPILATION    No code could be made of it.
 * @retval TORVYN_ERROR_INTERNAL       The system refused what is needed.
 * @retval TORVYN_ERROR_NULL           `engine` or `out` is NULL, or `bytes`
 *                                     where `len` is not 0.
 * @retval TORVYN_ERROR_ARGUMENT       `len` is more than memory holds.
 * @retval TORVYN_ERROR_PANIC          A defect of the library.
 *
 * Thread: any; several may compile at once.
 * Blocks: for milliseconds to seconds, by the component's size. One that means
 *         harm can make it minutes and gigabytes (thousands of loops within
 *         each other are enough), and no budget ends them: compile what a
 *         stranger sends in a process that may be ended, and load the artifact.
 * Since:  0.1
 */
torvyn_status_t torvyn_component_compile(const torvyn_engine_t *engine,
                                         const uint8_t *bytes,
                                         size_t len,
                                         torvyn_component_t **out,
                                         torvyn_error_t **err);

/**
 * Compiles a component from a file.
 *
 * @param engine  Borrowed for the call.
 * @param path    The file's path, NUL-terminated, in the system's encoding;
 *                borrowed for the call.
 * @param out     Where the component goes, owned by the caller
 *                (torvyn_component_free()); NULL on failure.
 * @param err     Where detail goes on a negative status, owned by the caller
 *                (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK          `*out` is a component.
 * @retval TORVYN_ERROR_IO    The file could not be read.
 * @retval TORVYN_ERROR_NULL  `engine`, `path` or `out` is NULL.
 * @retval others             As torvyn_component_compile().
 *
 * Thread: any; several may compile at once.
 * Blocks: for the file, then as torvyn_component_compile().
 * Since:  0.1
 */
torvyn_status_t torvyn_component_compile_file(const torvyn_engine_t *engine,
                                              const char *path,
                                              torvyn_component_t **out,
                                              torvyn_error_t **err);

/**
 * Turns a compiled component into an artifact: bytes that
 * torvyn_component_deserialize_unchecked() makes the component of again,
 * without compiling. It holds the code that was compiled so far: where linking
 * takes the general path for what it is given, torvyn_linked_new() compiles
 * more, so link first what a library without a compiler is to load.
 *
 * @param component  Borrowed for the call.
 * @param out        Where the artifact goes, owned by the caller
 *                   (torvyn_blob_free()); NULL on failure.
 * @param err        Where detail goes on a negative status, owned by the caller
 *                   (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                 `*out` is the artifact.
 * @retval TORVYN_ERROR_UNSUPPORTED  The component is native.
 * @retval TORVYN_ERROR_INTERNAL     It could not be made.
 * @retval TORVYN_ERROR_NULL         `component` or `out` is NULL.
 * @retval TORVYN_ERROR_PANIC        A defect of the library.
 *
 * Thread: any.
 * Blocks: for milliseconds, by the component's size.
 * Since:  0.1
 */
torvyn_status_t torvyn_component_serialize(const torvyn_component_t *component,
                                           torvyn_blob_t **out,
                                           torvyn_error_t **err);

/**
 * The bytes of a blob.
 *
 * @param blob  Borrowed for the call; NULL gives no bytes.
 *
 * @return  The bytes, valid until torvyn_blob_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_bytes_t torvyn_blob_bytes(const torvyn_blob_t *blob);

/**
 * Frees a blob and its bytes.
 *
 * @param blob  Owned; NULL does nothing.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
void torvyn_blob_free(torvyn_blob_t *blob);

/**
 * Makes a component of an artifact.
 *
 * Unchecked: an artifact holds machine code that will run with all the rights
 * of the program. Damage is found, malice is not: give this function only what
 * torvyn_component_serialize() gave and nobody else could change.
 *
 * @param engine  Borrowed for the call.
 * @param bytes   The artifact; borrowed for the call.
 * @param len     Number of bytes.
 * @param out     Where the component goes, owned by the caller
 *                (torvyn_component_free()); NULL but for TORVYN_OK.
 * @param err     Where detail goes on a negative status, owned by the caller
 *                (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                     `*out` is a component.
 * @retval TORVYN_INCOMPATIBLE           The artifact was made by another
 *                                       version of the library, for another
 *                                       machine or under another configuration
 *                                       (TORVYN_INCOMPATIBLE): compile anew.
 * @retval TORVYN_ERROR_DESERIALIZATION  The bytes are no artifact, or damaged.
 * @retval TORVYN_ERROR_INTERNAL         The system refused what is needed.
 * @retval TORVYN_ERROR_NULL             `engine` or `out` is NULL, or `bytes`
 *                                       where `len` is not 0.
 * @retval TORVYN_ERROR_ARGUMENT         `len` is more than memory holds.
 * @retval TORVYN_ERROR_PANIC            A defect of the library.
 *
 * Thread: any.
 * Blocks: for a few milliseconds, by the artifact's size.
 * Since:  0.1
 */
torvyn_status_t torvyn_component_deserialize_unchecked(const torvyn_engine_t *engine,
                                                       const uint8_t *bytes,
                                                       size_t len,
                                                       torvyn_component_t **out,
                                                       torvyn_error_t **err);

/**
 * Makes a component of an artifact in a file, which is mapped and run in place:
 * processes that load the same file share its memory, and no memory that was
 * written becomes executable. Where the file may not be run in place (its file
 * system is mounted `noexec`) it is copied, as
 * torvyn_component_deserialize_unchecked() does.
 *
 * Unchecked: as torvyn_component_deserialize_unchecked(). And while the
 * component or anything made from it lives, nobody may change the file;
 * replacing it by renaming another over it is fine.
 *
 * @param engine  Borrowed for the call.
 * @param path    The file's path, NUL-terminated, in the system's encoding;
 *                borrowed for the call.
 * @param out     Where the component goes, owned by the caller
 *                (torvyn_component_free()); NULL but for TORVYN_OK.
 * @param err     Where detail goes on a negative status, owned by the caller
 *                (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                     `*out` is a component.
 * @retval TORVYN_INCOMPATIBLE           The artifact was made by another
 *                                       version of the library, for another
 *                                       machine or under another configuration
 *                                       (TORVYN_INCOMPATIBLE): compile anew.
 * @retval TORVYN_ERROR_DESERIALIZATION  The file is no artifact, or damaged.
 * @retval TORVYN_ERROR_IO               The file could not be read.
 * @retval TORVYN_ERROR_INTERNAL         The system refused what is needed.
 * @retval TORVYN_ERROR_NULL             `engine`, `path` or `out` is NULL.
 * @retval TORVYN_ERROR_PANIC            A defect of the library.
 *
 * Thread: any.
 * Blocks: for the file, by the artifact's size.
 * Since:  0.1
 */
torvyn_status_t torvyn_component_deserialize_file_unchecked(const torvyn_engine_t *engine,
                                                            const char *path,
                                                            torvyn_component_t **out,
                                                            torvyn_error_t **err);

/**
 * One more reference to a component.
 *
 * @param component  Borrowed for the call; NULL gives NULL.
 *
 * @return  The same component, owned once more: each reference is freed by
 *          itself.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_component_t *torvyn_component_clone(const torvyn_component_t *component);

/**
 * Frees a reference to a component. What was made from it stays usable.
 *
 * @param component  Owned; NULL does nothing.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
void torvyn_component_free(torvyn_component_t *component);

/**
 * The component's name by its content: the SHA-256 of its binary, the same for
 * binary, text and artifact.
 *
 * @param component  Borrowed for the call; NULL gives no bytes.
 *
 * @return  32 bytes, valid until torvyn_component_free(); none for a native
 *          component, which has no binary.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_bytes_t torvyn_component_content_id(const torvyn_component_t *component);

/**
 * The roles that the component exports. Where it exports the interface of one
 * at several versions that are compatible with the contract's, the newest
 * counts and the others are not looked at; one without a version is the oldest.
 *
 * @param component  Borrowed for the call; NULL gives 0.
 *
 * @return  A set of torvyn_role_t, joined by `|`.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
uint32_t torvyn_component_roles(const torvyn_component_t *component);

/**
 * The number of the component's imports.
 *
 * @param component  Borrowed for the call; NULL gives 0.
 *
 * @return  The number.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
size_t torvyn_component_import_count(const torvyn_component_t *component);

/**
 * The name of an import, e.g. "torvyn:streaming/types@0.1.0".
 *
 * @param component  Borrowed for the call; NULL gives "".
 * @param index      From 0 to torvyn_component_import_count() - 1; others give
 *                   "".
 *
 * @return  UTF-8, NUL-terminated, never NULL; valid until
 *          torvyn_component_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_str_t torvyn_component_import(const torvyn_component_t *component,
                                     size_t index);

/**
 * The WIT type of an import as text: of a function, e.g. "func(key: string) ->
 * option<string>"; of an interface, a line for each of its functions, e.g.
 * "get: func(key: string) -> option<string>", for each of its types, e.g.
 * "type level = enum { low, high }", and for each resource, "resource file",
 * types and resources first; of an interface within it, its lines with "name#"
 * before each name; "interface {}" where it has nothing; of a type, that;
 * "resource"; or "module". Where it is longer than 256 KiB, or those of the
 * component together than 4 MiB, it ends with "..." there.
 *
 * @param component  Borrowed for the call; NULL gives "".
 * @param index      From 0 to torvyn_component_import_count() - 1; others give
 *                   "".
 *
 * @return  UTF-8, NUL-terminated, never NULL; lines end with a newline but for
 *          the last; valid until torvyn_component_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_str_t torvyn_component_import_type(const torvyn_component_t *component,
                                          size_t index);

/**
 * The number of the component's exports, those outside of the contract
 * included.
 *
 * @param component  Borrowed for the call; NULL gives 0.
 *
 * @return  The number.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
size_t torvyn_component_export_count(const torvyn_component_t *component);

/**
 * The name of an export, e.g. "torvyn:streaming/processor@0.1.0". Those of a
 * native component are its roles.
 *
 * @param component  Borrowed for the call; NULL gives "".
 * @param index      From 0 to torvyn_component_export_count() - 1; others give
 *                   "".
 *
 * @return  UTF-8, NUL-terminated, never NULL; valid until
 *          torvyn_component_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_str_t torvyn_component_export(const torvyn_component_t *component,
                                     size_t index);

/**
 * The WIT type of an export as text: of a function, e.g. "func(key: string) ->
 * option<string>"; of an interface, a line for each of its functions, e.g.
 * "get: func(key: string) -> option<string>", for each of its types, e.g.
 * "type level = enum { low, high }", and for each resource, "resource file",
 * types and resources first; of an interface within it, its lines with "name#"
 * before each name; "interface {}" where it has nothing; of a type, that;
 * "resource"; or "module". Where it is longer than 256 KiB, or those of the
 * component together than 4 MiB, it ends with "..." there.
 *
 * @param component  Borrowed for the call; NULL gives "".
 * @param index      From 0 to torvyn_component_export_count() - 1; others give
 *                   "".
 *
 * @return  UTF-8, NUL-terminated, never NULL; lines end with a newline but for
 *          the last; empty for a native component; valid until
 *          torvyn_component_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_str_t torvyn_component_export_type(const torvyn_component_t *component,
                                          size_t index);

/**
 * The way in which the component will run where nothing is granted to it.
 * torvyn_linked_path() tells which way it does run.
 *
 * @param component  Borrowed for the call; NULL gives TORVYN_PATH_AUTO.
 *
 * @return  TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL or TORVYN_PATH_NATIVE.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_path_t torvyn_component_path(const torvyn_component_t *component);

/**
 * Why the component does not run on the direct path: a clause that follows "the
 * component", e.g. "imports wasi:io/poll@0.2.0#poll". Where it does and a link
 * does not, torvyn_linked_path_reason() says why.
 *
 * @param component  Borrowed for the call; NULL gives "".
 *
 * @return  UTF-8, NUL-terminated, never NULL; empty where it does run there;
 *          valid until torvyn_component_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_str_t torvyn_component_path_reason(const torvyn_component_t *component);

/* ------------------------------------------------------------------ Imports */

/**
 * What a component gets besides the contract, whose own host side (buffers,
 * flow context, allocator) is always there and needs no entry. Reference
 * counted; torvyn_linked_new() takes NULL for an empty set. What is added to a
 * set counts for what is linked with it from then on.
 *
 * WASI 0.2 is denied until it is granted. With an empty set, a component that
 * imports WASI links and runs with no arguments, no environment, no directory
 * and no socket; its standard input is at its end, and what it writes to
 * standard output and standard error goes to the log line by line. It has the
 * clocks and the randomness of the machine, of which it may ask for 16 MiB at
 * once (more ends the call with TORVYN_ERROR_TRAP). What is refused to it is an
 * ordinary WASI error inside the component, and a line in the log. `wasi:http`
 * is there to be linked with alone, since some toolchains import it unasked: a
 * call of it ends with TORVYN_ERROR_TRAP, and a line in the log.
 * `wasi:cli/exit` ends the call with TORVYN_ERROR_TRAP (TORVYN_TRAP_OTHER),
 * also with status 0, and not the process. A call that waits in WASI ends at
 * its deadline or by a cancel like any other, and so does one that only calls
 * it.
 *
 * What a component writes is taken 64 KiB at once (`check-write` says so; more
 * ends the call with TORVYN_ERROR_TRAP, as do more than 4 KiB by
 * `blocking-write-and-flush`), and 1 MiB by `descriptor.write`, which says how
 * much it was; what it reads comes 64 KiB at once. The library holds for it,
 * not counted as the instance's, up to 64 KiB for each stream, the lists that
 * it gives WASI in one call (more than 1 MiB ends the call with
 * TORVYN_ERROR_MEMORY), and what a look-up gave. A path of 4096 bytes or more
 * is `name-too-long`, a name to look up of more than 1012 `invalid-argument`. A
 * file that may not grow, and a pipe or a connection that nobody reads, are
 * errors of the component's; neither SIGXFSZ nor SIGPIPE reaches the program by
 * it. `max_files` says how many file descriptors it may hold.
 *
 * Where imports may wait, components and the callbacks that they reach run on a
 * stack of the library's, which leaves a callback at least 1 MiB.
 *
 * `torvyn:capabilities/capability-query#has-capability` answers from the same
 * set. The names: "args"; "env", "env:NAME"; "stdin"; "stdout", "stderr"
 * (always); "filesystem", "filesystem:GUEST-PATH",
 * "filesystem-write:GUEST-PATH"; "sockets", "tcp", "udp"; "name-lookup";
 * "wall-clock", "monotonic-clock", "random" (always). And what
 * torvyn_imports_define() defined: "acme:db/lookup@1.0.0",
 * "acme:db/lookup@1.0.0#get", where another version serves as it does when
 * linking. Any other is answered with false.
 */
typedef struct torvyn_imports torvyn_imports_t;

/**
 * Makes an empty set of imports.
 *
 * @param engine  Borrowed for the call; the engine of the components that the
 *                imports are for.
 * @param out     Where the imports go, owned by the caller
 *                (torvyn_imports_free()); NULL on failure.
 * @param err     Where detail goes on a negative status, owned by the caller
 *                (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK           `*out` is a set of imports.
 * @retval TORVYN_ERROR_NULL   `engine` or `out` is NULL.
 * @retval TORVYN_ERROR_PANIC  A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_new(const torvyn_engine_t *engine,
                                   torvyn_imports_t **out,
                                   torvyn_error_t **err);

/**
 * One more reference to a set of imports.
 *
 * @param imports  Borrowed for the call; NULL gives NULL.
 *
 * @return  The same imports, owned once more: each reference is freed by
 *          itself.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_imports_t *torvyn_imports_clone(const torvyn_imports_t *imports);

/**
 * Frees a reference to a set of imports. What was linked with it stays usable.
 *
 * @param imports  Owned; NULL does nothing.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
void torvyn_imports_free(torvyn_imports_t *imports);

/* --------------------------------------------------- Imports: WASI by grant */

/** One of a component's two output streams. */
typedef enum torvyn_stream {
  /** Standard output. */
  TORVYN_STREAM_STDOUT = 1,
  /** Standard error. */
  TORVYN_STREAM_STDERR = 2,
} torvyn_stream_t;

/** What a component may do in a directory. */
typedef enum torvyn_access {
  /** See names, read files. */
  TORVYN_ACCESS_READ = 1,
  /** Also make, change and delete files and directories. */
  TORVYN_ACCESS_READ_WRITE = 2,
} torvyn_access_t;

/** What a rule allows of sockets. */
typedef enum torvyn_socket_use {
  /** Connections by TCP to the address. */
  TORVYN_SOCKET_TCP_CONNECT = 1,
  /** Listening for TCP on the local address; whoever connects is let in. */
  TORVYN_SOCKET_TCP_LISTEN = 2,
  /** Datagrams to the address and from it. */
  TORVYN_SOCKET_UDP_EXCHANGE = 3,
  /**
   * A UDP socket on the local address, and datagrams from anywhere, also on
   * other sockets of the component. To answer them needs
   * TORVYN_SOCKET_UDP_EXCHANGE too.
   */
  TORVYN_SOCKET_UDP_LISTEN = 4,
} torvyn_socket_use_t;

/**
 * Takes what a component writes: `bytes`, borrowed for the call and as they
 * come, not by line, from the instance that torvyn_instance_new() gave
 * `component_id`. It runs on the thread that calls the instance, within that
 * call, perhaps on several threads at once; it must not call the instance.
 */
typedef void (*torvyn_write_t)(void *user,
                               uint64_t component_id,
                               torvyn_bytes_t bytes);

/**
 * Grants the arguments that a component sees, in place of those granted before.
 *
 * @param imports  Changed for what is linked with it from now on.
 * @param args     The arguments, the program's name first where there is to be
 *                 one; borrowed for the call; NULL where `count` is 0.
 * @param count    Number of arguments.
 * @param err      Where detail goes on a negative status, owned by the caller
 *                 (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK            They are granted.
 * @retval TORVYN_ERROR_UTF8    An argument is not valid UTF-8.
 * @retval TORVYN_ERROR_WASI    An argument holds a NUL.
 * @retval TORVYN_ERROR_NULL, _ARGUMENT Misuse; nothing changed.
 * @retval TORVYN_ERROR_PANIC   A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_wasi_args(torvyn_imports_t *imports,
                                         const torvyn_str_t *args,
                                         size_t count,
                                         torvyn_error_t **err);

/**
 * Grants one variable of the environment, in place of one of the same name.
 *
 * @param imports  Changed for what is linked with it from now on.
 * @param name     UTF-8, not empty, without `=`; borrowed for the call.
 * @param value    UTF-8; borrowed for the call; may be empty.
 * @param err      Where detail goes on a negative status, owned by the caller
 *                 (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK            It is granted.
 * @retval TORVYN_ERROR_WASI    The name is empty or holds `=`, or one of them
 *                              holds a NUL.
 * @retval TORVYN_ERROR_NULL, _UTF8, _ARGUMENT Misuse; nothing changed.
 * @retval TORVYN_ERROR_PANIC   A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_wasi_env(torvyn_imports_t *imports,
                                        torvyn_str_t name,
                                        torvyn_str_t value,
                                        torvyn_error_t **err);

/**
 * Grants what standard input holds. Each instance reads it from its beginning.
 * Without this grant, standard input is at its end.
 *
 * @param imports  Changed for what is linked with it from now on.
 * @param bytes    Copied.
 * @param err      Where detail goes on a negative status, owned by the caller
 *                 (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK            It is granted.
 * @retval TORVYN_ERROR_NULL, _ARGUMENT Misuse; nothing changed.
 * @retval TORVYN_ERROR_PANIC   A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_wasi_stdin(torvyn_imports_t *imports,
                                          torvyn_bytes_t bytes,
                                          torvyn_error_t **err);

/**
 * Sends an output stream to the program. Without this grant it goes to the log,
 * line by line: standard output at TORVYN_LOG_INFO, standard error at
 * TORVYN_LOG_WARN, a line of more than 8 KiB in pieces, and what no end of a
 * line follows when the instance is reset or freed.
 *
 * @param imports    Changed for what is linked with it from now on.
 * @param stream     Which one.
 * @param write      Called with what is written.
 * @param user       Given to `write` and `finalizer`; any thread may use it.
 * @param finalizer  Called once with `user` when `write` cannot be called any
 *                   more, also where this function fails; may be NULL.
 * @param err        Where detail goes on a negative status, owned by the caller
 *                   (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              It is granted.
 * @retval TORVYN_ERROR_ARGUMENT  `stream` is no stream.
 * @retval TORVYN_ERROR_NULL      `imports` or `write` is NULL.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_wasi_output(torvyn_imports_t *imports,
                                           torvyn_stream_t stream,
                                           torvyn_write_t write,
                                           void *user,
                                           torvyn_finalizer_t finalizer,
                                           torvyn_error_t **err);

/**
 * Sends an output stream to the process's own. What the component writes goes
 * to the descriptor, 1 or 2, past any buffer of the C library. Where nobody
 * reads it, the component waits, until its deadline or a cancel at most; where
 * nobody can, as in a pipe whose reader has gone, its write fails. Neither
 * SIGPIPE nor SIGXFSZ is raised by it. Pipes and terminals are opened anew by
 * /proc/self/fd for each write, so that the flags of the program's own stream
 * stay as they are; where that fails a thread of the library's writes, which
 * may then wait for as long as nobody reads. What a component has written and
 * nobody took when its instance is freed or reset, 64 KiB at most, is lost.
 *
 * @param imports  Changed for what is linked with it from now on.
 * @param stream   Which one.
 * @param err      Where detail goes on a negative status, owned by the caller
 *                 (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              It is granted.
 * @retval TORVYN_ERROR_ARGUMENT  `stream` is no stream.
 * @retval TORVYN_ERROR_NULL      `imports` is NULL.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_wasi_inherit_output(torvyn_imports_t *imports,
                                                   torvyn_stream_t stream,
                                                   torvyn_error_t **err);

/**
 * Grants a directory and all that is in it. The component sees it under a name
 * of its own and gets no further: neither by `..`, nor by absolute paths, nor
 * by symbolic links that lead elsewhere. Named pipes and sockets in it are not
 * opened, since that would wait beyond any deadline.
 *
 * What is granted is the directory that is there now, not its path: the library
 * holds it open (one file descriptor, close-on-exec) until the imports and all
 * that was linked with them and made of that are freed. Where it is renamed or
 * removed, or another is put or mounted in its place, instances still see the
 * directory itself, those that are made or reset later, too. What is mounted
 * below it later is seen. Where one directory lies in another, each is granted
 * for itself, with its own `access`.
 *
 * @param imports     Changed for what is linked with it from now on.
 * @param host_path   A directory, NUL-terminated, in the system's encoding;
 *                    borrowed for the call. It is opened now; to read it is not
 *                    needed for that, to search it is.
 * @param guest_path  What the component knows it as, e.g. "/data"; UTF-8;
 *                    borrowed for the call.
 * @param access      What may be done in it.
 * @param err         Where detail goes on a negative status, owned by the
 *                    caller (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              It is granted.
 * @retval TORVYN_ERROR_WASI      There is no such directory, it does not open,
 *                                or `guest_path` is empty or taken.
 * @retval TORVYN_ERROR_ARGUMENT  `access` is no access.
 * @retval TORVYN_ERROR_NULL, _UTF8 Misuse; nothing changed.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: any.
 * Blocks: for opening the directory.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_wasi_preopen(torvyn_imports_t *imports,
                                            const char *host_path,
                                            torvyn_str_t guest_path,
                                            torvyn_access_t access,
                                            torvyn_error_t **err);

/**
 * Adds a rule that allows a use of sockets. What no rule allows is refused.
 *
 * @param imports     Changed for what is linked with it from now on.
 * @param allows      What is allowed.
 * @param address     For which addresses: one ("127.0.0.1", "::1"), a network
 *                    ("10.0.0.0/8", in which what the length leaves out does
 *                    not count), or all ("*"); borrowed for the call.
 * @param first_port  The first port that is allowed; 0 with a `last_port` of 0
 *                    for every port.
 * @param last_port   The last one; 0 for `first_port` alone. With `first_port`
 *                    0 and this another, those from 0 on, which a component
 *                    binds to have the system choose.
 * @param err         Where detail goes on a negative status, owned by the
 *                    caller (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              It is granted.
 * @retval TORVYN_ERROR_WASI      `address` is no address, or the last port
 *                                comes before the first.
 * @retval TORVYN_ERROR_ARGUMENT  `allows` is no such use.
 * @retval TORVYN_ERROR_NULL, _UTF8 Misuse; nothing changed.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_wasi_socket(torvyn_imports_t *imports,
                                           torvyn_socket_use_t allows,
                                           torvyn_str_t address,
                                           uint16_t first_port,
                                           uint16_t last_port,
                                           torvyn_error_t **err);

/**
 * Grants the look-up of host names. It tells a component addresses and allows
 * no connection to them.
 *
 * @param imports  Changed for what is linked with it from now on.
 * @param err      Where detail goes on a negative status, owned by the caller
 *                 (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK           It is granted.
 * @retval TORVYN_ERROR_NULL   `imports` is NULL.
 * @retval TORVYN_ERROR_PANIC  A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_wasi_name_lookup(torvyn_imports_t *imports,
                                                torvyn_error_t **err);

/**
 * Puts clocks that are the same in every run in place of the machine's. They
 * begin anew in each instance, and time passes by reading them. Sleeps still
 * take their time.
 *
 * @param imports   Changed for what is linked with it from now on.
 * @param start_ns  What the wall clock says first, in nanoseconds since the
 *                  Unix epoch. The monotonic clock begins at 0.
 * @param step_ns   Nanoseconds that a clock moves on each time that it is read;
 *                  0 for clocks that stand still, on which a component may wait
 *                  for ever. At UINT64_MAX a clock stands still, too.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK           They are.
 * @retval TORVYN_ERROR_NULL   `imports` is NULL.
 * @retval TORVYN_ERROR_PANIC  A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_wasi_fixed_clock(torvyn_imports_t *imports,
                                                uint64_t start_ns,
                                                uint64_t step_ns,
                                                torvyn_error_t **err);

/**
 * Puts random numbers that are the same in every run, and in each instance, in
 * place of the machine's. Not for anything that must stay secret.
 *
 * @param imports  Changed for what is linked with it from now on.
 * @param seed     Any number; another one gives others.
 * @param err      Where detail goes on a negative status, owned by the caller
 *                 (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK           They are.
 * @retval TORVYN_ERROR_NULL   `imports` is NULL.
 * @retval TORVYN_ERROR_PANIC  A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_wasi_random_seed(torvyn_imports_t *imports,
                                                uint64_t seed,
                                                torvyn_error_t **err);

/* -------------------------------------------------- Imports: host functions */

/**
 * One call of a host function: where it gets memory for its result and says
 * what went wrong. It ends when the function returns.
 */
typedef struct torvyn_scope torvyn_scope_t;

/**
 * A function of the program's. `args` are borrowed for the call. Where the
 * function has a result, it writes that to `*result`, which is
 * TORVYN_KIND_NONE; what that points to must stay until the function is called
 * again on the same thread, come from torvyn_scope_alloc(), or be of `args`. It
 * returns whether it succeeded; where it did not, the component is trapped with
 * what torvyn_scope_fail() said. A result that takes more than torvyn_value_t
 * allows ends the call with TORVYN_ERROR_MEMORY.
 *
 * It runs on the thread that calls the instance, within that call, perhaps on
 * several threads at once. It must not call the instance; it may call others,
 * each of which needs stack of its own. It is not interrupted at a deadline,
 * and not called past one.
 *
 * A resource in `args` that is an `own` is the program's again, whether or not
 * the function succeeds. One in the result is the component's, but where the
 * result does not fit its type it stays the program's, and where the component
 * would exceed `max_handles` by it, the call ends with TORVYN_ERROR_MEMORY and
 * the destructor is called.
 */
typedef bool (*torvyn_function_t)(void *user,
                                  torvyn_scope_t *scope,
                                  const torvyn_value_t *args,
                                  size_t count,
                                  torvyn_value_t *result);

/**
 * Ends a resource of the program's that components have let go of, once for
 * each time that it was given to one as its own. It runs within a call of the
 * instance that held it; for those that an instance still holds when it is
 * reset or freed, also after a trap, it runs within that. It must not call the
 * instance.
 */
typedef void (*torvyn_destructor_t)(void *user,
                                    uint32_t resource);

/**
 * Defines a function of an interface that components import.
 *
 * @param imports    Changed for what is linked with it from now on.
 * @param interface  The interface with its version, e.g.
 *                   "acme:db/lookup@1.0.0", which serves components that were
 *                   built against a compatible version, older or newer: of the
 *                   same major number; for 0.y.z of the same y; 0.0.z and
 *                   pre-releases serve themselves alone. Without a version it
 *                   serves those that name none, e.g. "lookup", as an interface
 *                   is called that is written in a world. Empty for a function
 *                   that a component imports by itself. Not one that is
 *                   provided anyway: those of the contract, and of WASI 0.2
 *                   what torvyn_imports_t describes (none of it by a library
 *                   that was built without WASI). Any other of WASI's may be
 *                   defined, e.g. "wasi:logging/logging@0.1.0-draft". Borrowed
 *                   for the call.
 * @param name       The function's name, e.g. "get"; of a resource's,
 *                   "[constructor]file", "[method]file.read" or
 *                   "[static]file.count". Borrowed for the call.
 * @param signature  Its WIT type, e.g. "func(key: string) -> option<string>",
 *                   with records, variants, enums and flags written out where
 *                   they are used, as in "func(at: record { x: u32, y: u32 })";
 *                   any other name stands for a resource of that name in the
 *                   interface, or of one that it uses; where it has two, as by
 *                   `type r2 = r1`, either will do. The type is checked when
 *                   linking; parameters' names are not part of it. What a
 *                   component imports in short is written out here: a method's
 *                   first parameter, as in "func(self: borrow<file>, n: u32)",
 *                   what a constructor gives, as in "func() -> file", and a
 *                   type that has a name, by what it is. Borrowed for the call.
 * @param function   What is called.
 * @param user       Given to `function` and `finalizer`; any thread may use it.
 * @param finalizer  Called once with `user` when `function` cannot be called
 *                   any more, also where this function fails; may be NULL.
 * @param err        Where detail goes on a negative status, owned by the caller
 *                   (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              It is defined, in place of one of the same
 *                                name.
 * @retval TORVYN_ERROR_ARGUMENT  `signature` is no function type, `interface`
 *                                or `name` is none of WIT's, or the library
 *                                itself provides `interface`.
 * @retval TORVYN_ERROR_NULL, _UTF8 Misuse; nothing changed.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_define(torvyn_imports_t *imports,
                                      torvyn_str_t interface,
                                      torvyn_str_t name,
                                      torvyn_str_t signature,
                                      torvyn_function_t function,
                                      void *user,
                                      torvyn_finalizer_t finalizer,
                                      torvyn_error_t **err);

/**
 * Defines a resource type of an interface that components import. The program
 * knows each resource by a number of its own.
 *
 * @param imports     Changed for what is linked with it from now on.
 * @param interface   The interface that has the type, with its version, as for
 *                    torvyn_imports_define(); empty for a resource that a
 *                    component imports by itself. Borrowed for the call.
 * @param name        The type's name, e.g. "file". A second name, as it has by
 *                    `type r2 = r1` or where another interface or a world uses
 *                    it, needs no definition. Borrowed for the call.
 * @param destructor  Called with the number of each resource that components
 *                    have let go of; may be NULL.
 * @param user        Given to `destructor` and `finalizer`; any thread may use
 *                    it.
 * @param finalizer   Called once with `user` when `destructor` cannot be called
 *                    any more, also where this function fails; may be NULL.
 * @param err         Where detail goes on a negative status, owned by the
 *                    caller (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              It is defined, in place of one of the same
 *                                name.
 * @retval TORVYN_ERROR_ARGUMENT  `interface` or `name` is none of WIT's, or the
 *                                library itself provides `interface`.
 * @retval TORVYN_ERROR_NULL, _UTF8 Misuse; nothing changed.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_imports_define_resource(torvyn_imports_t *imports,
                                               torvyn_str_t interface,
                                               torvyn_str_t name,
                                               torvyn_destructor_t destructor,
                                               void *user,
                                               torvyn_finalizer_t finalizer,
                                               torvyn_error_t **err);

/**
 * Memory for a host function's result, aligned for any type.
 *
 * @param scope  Of the host function's call; borrowed for the call; NULL gives
 *               NULL.
 * @param size   Number of bytes.
 *
 * @return  Zeroed memory, valid until the library has read the result; NULL
 *          where none is left.
 *
 * Thread: that of the host function's call.
 * Blocks: never.
 * Since:  0.1
 */
void *torvyn_scope_alloc(torvyn_scope_t *scope,
                         size_t size);

/**
 * Says why a host function fails, for when it returns false.
 *
 * @param scope    Of the host function's call; borrowed for the call; NULL does
 *                 nothing.
 * @param message  What went wrong, in one line; copied.
 *
 * Thread: that of the host function's call.
 * Blocks: never.
 * Since:  0.1
 */
void torvyn_scope_fail(torvyn_scope_t *scope,
                       torvyn_str_t message);

/**
 * The instance that calls a host function.
 *
 * @param scope  Of the host function's call; borrowed for the call; NULL gives
 *               0.
 *
 * @return  The id that torvyn_instance_new() was given.
 *
 * Thread: that of the host function's call.
 * Blocks: never.
 * Since:  0.1
 */
uint64_t torvyn_scope_component_id(const torvyn_scope_t *scope);

/* ------------------------------------- Linked: a component with its imports */

/**
 * A component bound to its imports, all look-ups done, so that instances are
 * cheap. Reference counted, immutable.
 */
typedef struct torvyn_linked torvyn_linked_t;

/**
 * Binds a component to its imports.
 *
 * @param component  Borrowed for the call.
 * @param imports    What it gets besides the contract, of the same engine;
 *                   borrowed for the call; NULL for nothing.
 * @param out        Where the linked component goes, owned by the caller
 *                   (torvyn_linked_free()); NULL on failure.
 * @param err        Where detail goes on a negative status, owned by the caller
 *                   (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                       `*out` is the linked component.
 * @retval TORVYN_ERROR_UNRESOLVED_IMPORT  Nothing provides an import, which the
 *                                         error names, or not at a compatible
 *                                         version.
 * @retval TORVYN_ERROR_TYPE_MISMATCH      An import has other types than what
 *                                         is provided.
 * @retval TORVYN_ERROR_UNSUPPORTED        The engine's `path` is
 *                                         TORVYN_PATH_DIRECT and the component
 *                                         is not eligible, or code is needed
 *                                         that an artifact does not hold.
 * @retval TORVYN_ERROR_COMPILATION        Code was needed and could not be
 *                                         made.
 * @retval TORVYN_ERROR_INSTANTIATION      The component cannot be prepared: the
 *                                         system refuses what its memories
 *                                         start with, for example.
 * @retval TORVYN_ERROR_WRONG_ENGINE       `imports` is of another engine.
 * @retval TORVYN_ERROR_NULL               `component` or `out` is NULL.
 * @retval TORVYN_ERROR_INTERNAL           The library or the system failed.
 * @retval TORVYN_ERROR_PANIC              A defect of the library.
 *
 * Thread: any.
 * Blocks: for less than a millisecond, the first time one more for each 2 MiB
 *         that its memories start with; where code is missing, as
 *         torvyn_component_compile().
 * Since:  0.1
 */
torvyn_status_t torvyn_linked_new(const torvyn_component_t *component,
                                  const torvyn_imports_t *imports,
                                  torvyn_linked_t **out,
                                  torvyn_error_t **err);

/**
 * One more reference to a linked component.
 *
 * @param linked  Borrowed for the call; NULL gives NULL.
 *
 * @return  The same linked component, owned once more: each reference is freed
 *          by itself.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_linked_t *torvyn_linked_clone(const torvyn_linked_t *linked);

/**
 * Frees a reference to a linked component. Its instances stay usable.
 *
 * @param linked  Owned; NULL does nothing.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
void torvyn_linked_free(torvyn_linked_t *linked);

/**
 * The way in which its instances run.
 *
 * @param linked  Borrowed for the call; NULL gives TORVYN_PATH_AUTO.
 *
 * @return  TORVYN_PATH_DIRECT, TORVYN_PATH_GENERAL or TORVYN_PATH_NATIVE.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_path_t torvyn_linked_path(const torvyn_linked_t *linked);

/**
 * Why its instances do not run on the direct path: a clause that follows "the
 * component", e.g. "runs with WASI that was granted to it".
 *
 * @param linked  Borrowed for the call; NULL gives "".
 *
 * @return  UTF-8, NUL-terminated, never NULL; empty where they do run there;
 *          valid until torvyn_linked_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_str_t torvyn_linked_path_reason(const torvyn_linked_t *linked);

/* -------------------------- Native components: the program's own functions */

/**
 * What a callback of a native component has of the library while it runs: its
 * outputs, the text of its verdict, whether it should stop. It is lent for that
 * one callback, and used on its thread alone.
 */
typedef struct torvyn_native_call torvyn_native_call_t;

/**
 * A component whose functions are the program's own: a table of callbacks that
 * torvyn_component_native() makes a component of.
 *
 * It is linked, and its instances are made, called, reset and freed, as those
 * of a component that was compiled, with the same states, statuses, batches and
 * counters: a program is tested without WebAssembly, and trusted stages run
 * beside sandboxed ones. Nothing is sandboxed here: a callback is as much a
 * part of the program as the caller is.
 *
 * In C:    torvyn_native_t table = {.struct_size = sizeof table};
 * In C++:  torvyn_native_t table{};
 *          table.struct_size = sizeof table;
 *
 * Roles    The callbacks that are set make the roles: `pull` a source,
 *          `process` a processor, `push` a sink, `evaluate` a filter, `route` a
 *          router, `ingest` an aggregator, `init` or `teardown` a component
 *          with a lifecycle. The others of a role may be NULL, which is as if
 *          they did nothing and answered TORVYN_OK.
 * Answers  TORVYN_OK where the function did what it is for: `pull`, `process`
 *          and `ingest` have then emitted one output (torvyn_native_emit()),
 *          `flush` any number. TORVYN_NO_ELEMENT from `pull`,
 *          TORVYN_NOTHING_EMITTED from `process` and `ingest`. A verdict,
 *          TORVYN_ERROR_INVALID_INPUT to TORVYN_ERROR_FATAL, with the text that
 *          torvyn_native_fail() was given. Anything else is a defect of the
 *          callback: its caller gets TORVYN_ERROR_INTERNAL, and the instance is
 *          POISONED.
 * Threads  The callbacks of one instance run one at a time, on whichever thread
 *          makes the call; those of several instances at the same time, which
 *          what `user` points to must bear. A callback may call the library,
 *          but a call on its own instance gets TORVYN_ERROR_BUSY; freed in its
 *          own callback, an instance ends when that has returned. A callback
 *          must return: an exception or a longjmp() that leaves it is undefined
 *          behaviour.
 * Time     Nothing stops a callback from outside: one that may take long asks
 *          torvyn_native_should_stop(). When it returns after its deadline (the
 *          instance's timeout or the flow's, as for any component), the call
 *          gets TORVYN_ERROR_DEADLINE; when it was cancelled meanwhile,
 *          TORVYN_ERROR_CANCELLED; whatever it answered. Its outputs are
 *          released and the instance is POISONED, as one that was compiled
 *          would be.
 * Memory   What a callback allocates is the program's affair, and
 *          torvyn_instance_memory_usage() knows nothing of it. `buffer_limit`
 *          (buffers, and content types beyond 64 bytes) and `max_handles` hold
 *          for the outputs of one call; the other limits of an instance say
 *          nothing here.
 * Fuel     None is used: torvyn_instance_fuel_remaining() gives
 *          TORVYN_FUEL_OFF, torvyn_instance_set_fuel()
 *          TORVYN_ERROR_FUEL_DISABLED.
 * Copies   An element is lent in place, so that `bytes_in` of torvyn_stats_t
 *          stays 0; `bytes_out` counts what torvyn_native_append() copied.
 */
typedef struct torvyn_native {
  /** The size of this struct in bytes: sizeof(torvyn_native_t). Required. */
  uint32_t struct_size;
  /** Must be zero. */
  uint32_t reserved;
  /**
   * What every callback is given first. The library does not look at what it
   * points to.
   */
  void *user;
  /**
   * Ends `user`; NULL for nothing. Runs exactly once, when no callback can be
   * called any more: on the thread that frees the last of the component and of
   * all that was made from it, or within torvyn_component_native() where that
   * fails.
   */
  torvyn_finalizer_t finalizer;
  /**
   * Makes the state of a new instance, which its other callbacks are given as
   * `state`: within torvyn_instance_new() and torvyn_instance_reset(). `*state`
   * is NULL before. Answers TORVYN_OK; anything else, and there is no instance
   * (TORVYN_ERROR_INSTANTIATION), nor is `instance_free` called. NULL where
   * instances have no state of their own: `state` is then NULL everywhere.
   */
  torvyn_status_t (*instance_new)(void *user,
                                  uint64_t id,
                                  void **state);
  /**
   * Ends what `instance_new` made, exactly once: within torvyn_instance_free(),
   * or at the end of the call that ran meanwhile, and within
   * torvyn_instance_reset(). NULL for nothing.
   */
  void (*instance_free)(void *user,
                        void *state);
  /** torvyn_init(). `config` is borrowed for the callback. */
  torvyn_status_t (*init)(void *user,
                          void *state,
                          struct torvyn_native_call *call,
                          torvyn_str_t config);
  /**
   * torvyn_teardown(). What it answers but TORVYN_OK goes to the log alone.
   */
  torvyn_status_t (*teardown)(void *user,
                              void *state,
                              struct torvyn_native_call *call);
  /** torvyn_pull(): emits an output, or answers TORVYN_NO_ELEMENT. */
  torvyn_status_t (*pull)(void *user,
                          void *state,
                          struct torvyn_native_call *call);
  /** torvyn_notify_backpressure(). */
  torvyn_status_t (*notify_backpressure)(void *user,
                                         void *state,
                                         struct torvyn_native_call *call,
                                         torvyn_signal_t signal);
  /**
   * torvyn_process(), and torvyn_process_batch() once for each element: emits
   * an output, or answers TORVYN_NOTHING_EMITTED. `element` is borrowed for the
   * callback, here and below; its `flow` is NULL where there is none.
   */
  torvyn_status_t (*process)(void *user,
                             void *state,
                             struct torvyn_native_call *call,
                             const torvyn_element_t *element);
  /**
   * torvyn_push(), and torvyn_push_batch() once for each element. `*signal` is
   * TORVYN_SIGNAL_READY before.
   */
  torvyn_status_t (*push)(void *user,
                          void *state,
                          struct torvyn_native_call *call,
                          const torvyn_element_t *element,
                          torvyn_signal_t *signal);
  /** torvyn_complete(). */
  torvyn_status_t (*complete)(void *user,
                              void *state,
                              struct torvyn_native_call *call);
  /** torvyn_evaluate(). `*passes` is false before. */
  torvyn_status_t (*evaluate)(void *user,
                              void *state,
                              struct torvyn_native_call *call,
                              const torvyn_element_t *element,
                              bool *passes);
  /**
   * torvyn_route(): names each port with torvyn_native_port(); none drops the
   * element.
   */
  torvyn_status_t (*route)(void *user,
                           void *state,
                           struct torvyn_native_call *call,
                           const torvyn_element_t *element);
  /** torvyn_ingest(): emits an output, or answers TORVYN_NOTHING_EMITTED. */
  torvyn_status_t (*ingest)(void *user,
                            void *state,
                            struct torvyn_native_call *call,
                            const torvyn_element_t *element);
  /** torvyn_flush(): emits any number of outputs. */
  torvyn_status_t (*flush)(void *user,
                           void *state,
                           struct torvyn_native_call *call);
} torvyn_native_t;

/**
 * Makes a component of the program's own functions. torvyn_linked_new() takes
 * it as any other, and needs no imports for it.
 *
 * @param engine  Borrowed for the call. Its clock is what deadlines are
 *                measured with; nothing is compiled.
 * @param table   Copied; what its `user` points to stays the program's until
 *                `finalizer` is called. Where `struct_size` is set, `finalizer`
 *                runs once, whatever this call comes to.
 * @param out     Where the component goes, owned by the caller
 *                (torvyn_component_free()); NULL on failure.
 * @param err     Where detail goes on a negative status, owned by the caller
 *                (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              `*out` is a component.
 * @retval TORVYN_ERROR_NO_ROLE   No callback is set that makes a role.
 * @retval TORVYN_ERROR_ARGUMENT  A callback is set without the one that it
 *                                belongs to, `struct_size` is not set, or the
 *                                table is of a newer version and uses what this
 *                                one lacks.
 * @retval TORVYN_ERROR_NULL      `engine`, `table` or `out` is NULL.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_component_native(const torvyn_engine_t *engine,
                                        const torvyn_native_t *table,
                                        torvyn_component_t **out,
                                        torvyn_error_t **err);

/* --------------------------------- What a native component's callback asks */

/**
 * Adds a copy of some bytes to the end of the output under way, which begins
 * with the first of them. It may grow to 16 MiB. One that torvyn_native_emit()
 * was not called for is gone when the callback returns.
 *
 * @param call   Lent to the callback that runs.
 * @param bytes  Borrowed for the call; NULL where `len` is 0.
 * @param len    Number of bytes.
 * @param err    Where detail goes on a negative status, owned by the caller
 *               (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              They are there.
 * @retval TORVYN_ERROR_MEMORY    The output would be larger than 16 MiB, or the
 *                                call's outputs than `buffer_limit`, or the
 *                                system has no memory for it. Nothing changed;
 *                                what to make of it is the callback's affair.
 * @retval TORVYN_ERROR_STATE     The callback has returned.
 * @retval TORVYN_ERROR_NULL      `call` or `bytes` is NULL.
 * @retval TORVYN_ERROR_ARGUMENT  `len` is more than memory holds.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: the callback's, while it runs.
 * Blocks: never.
 * Cost:   no lock; no heap allocation or system call while the pool has a
 *         buffer of the size. An output that outgrows its buffer (4 KiB, then
 *         64 KiB, 1 MiB, 16 MiB) is copied to a larger one.
 * Since:  0.1
 */
torvyn_status_t torvyn_native_append(torvyn_native_call_t *call,
                                     const uint8_t *bytes,
                                     size_t len,
                                     torvyn_error_t **err);

/**
 * Makes room at the end of the output under way, to be written in place;
 * torvyn_native_commit() makes content of it. What of it is not committed
 * before the next torvyn_native_append(), torvyn_native_reserve() or
 * torvyn_native_emit() is gone.
 *
 * @param call  Lent to the callback that runs.
 * @param len   Number of bytes.
 * @param out   Where the place of the room goes: `len` bytes, zeroed, valid
 *              until the next call of a torvyn_native function with `call`;
 *              NULL on failure.
 * @param err   Where detail goes on a negative status, owned by the caller
 *              (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK            `*out` is the room.
 * @retval TORVYN_ERROR_MEMORY  As torvyn_native_append().
 * @retval TORVYN_ERROR_STATE   The callback has returned.
 * @retval TORVYN_ERROR_NULL    `call` or `out` is NULL.
 * @retval TORVYN_ERROR_PANIC   A defect of the library.
 *
 * Thread: the callback's, while it runs.
 * Blocks: never.
 * Cost:   as torvyn_native_append(); the room is zeroed, so that nothing of
 *         another component's shows in it.
 * Since:  0.1
 */
torvyn_status_t torvyn_native_reserve(torvyn_native_call_t *call,
                                      size_t len,
                                      uint8_t **out,
                                      torvyn_error_t **err);

/**
 * Makes the first bytes of the room content of the output under way. The rest
 * of the room is gone.
 *
 * @param call  Lent to the callback that runs.
 * @param len   Number of bytes, at most those reserved.
 * @param err   Where detail goes on a negative status, owned by the caller
 *              (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              They are content.
 * @retval TORVYN_ERROR_ARGUMENT  Less was reserved.
 * @retval TORVYN_ERROR_STATE     The callback has returned.
 * @retval TORVYN_ERROR_NULL      `call` is NULL.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: the callback's, while it runs.
 * Blocks: never.
 * Cost:   no heap allocation, lock or system call.
 * Since:  0.1
 */
torvyn_status_t torvyn_native_commit(torvyn_native_call_t *call,
                                     size_t len,
                                     torvyn_error_t **err);

/**
 * Ends the output under way and emits it; where nothing was written it is
 * empty. The next byte that is written begins another. `pull`, `process` and
 * `ingest` emit one, and answer TORVYN_OK then; `flush` emits any number, in
 * this order.
 *
 * @param call          Lent to the callback that runs.
 * @param sequence      Position in the flow. For `process` and `ingest` the
 *                      input's is taken instead.
 * @param timestamp_ns  Nanoseconds since the Unix epoch; as `sequence`.
 * @param content_type  Media type, UTF-8, at most 16 MiB; may be empty;
 *                      borrowed for the call. It is the output's and its
 *                      buffer's.
 * @param err           Where detail goes on a negative status, owned by the
 *                      caller (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK            It is emitted.
 * @retval TORVYN_ERROR_STATE   The function has no output, or has emitted its
 *                              one already, or the callback has returned.
 * @retval TORVYN_ERROR_MEMORY  `flush` has emitted as many as `max_handles`; or
 *                              the buffer of an empty output, or the two copies
 *                              of `content_type` by what each has beyond 64
 *                              bytes, would pass `buffer_limit`; or the system
 *                              has no memory for them. Nothing is emitted.
 * @retval TORVYN_ERROR_NULL, _UTF8, _ARGUMENT `call` is NULL, or `content_type`
 *                            is no text.
 * @retval TORVYN_ERROR_PANIC   A defect of the library.
 *
 * Thread: the callback's, while it runs.
 * Blocks: never.
 * Cost:   no lock or system call; no heap allocation once there was a call with
 *         as many outputs and as long a `content_type`.
 * Since:  0.1
 */
torvyn_status_t torvyn_native_emit(torvyn_native_call_t *call,
                                   uint64_t sequence,
                                   uint64_t timestamp_ns,
                                   torvyn_str_t content_type,
                                   torvyn_error_t **err);

/**
 * Names a port that the element goes to, within `route`. Each call adds one, in
 * this order.
 *
 * @param call  Lent to the callback that runs.
 * @param name  The port's name, UTF-8, at most 16 MiB; borrowed for the call.
 * @param err   Where detail goes on a negative status, owned by the caller
 *              (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK           It is among the ports.
 * @retval TORVYN_ERROR_STATE  The function is not `route`, or the callback has
 *                             returned.
 * @retval TORVYN_ERROR_MEMORY The system has no memory for it; it is not among
 *                             them.
 * @retval TORVYN_ERROR_NULL, _UTF8, _ARGUMENT
 *                             `call` is NULL, or `name` is no text.
 * @retval TORVYN_ERROR_PANIC  A defect of the library.
 *
 * Thread: the callback's, while it runs.
 * Blocks: never.
 * Cost:   no lock or system call; no heap allocation once there was a call with
 *         as many and as long names.
 * Since:  0.1
 */
torvyn_status_t torvyn_native_port(torvyn_native_call_t *call,
                                   torvyn_str_t name,
                                   torvyn_error_t **err);

/**
 * Gives the callback's verdict a text, which torvyn_error_detail() has then. To
 * be used as
 *
 *   return torvyn_native_fail(call, TORVYN_ERROR_INVALID_INPUT, text);
 *
 * It is the callback's answer that decides: this alone fails nothing.
 *
 * @param call  Lent to the callback that runs; NULL for no text.
 * @param kind  TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *              _DEADLINE_EXCEEDED or _FATAL.
 * @param text  Copied; what of it is not UTF-8 is replaced; at most 16 MiB,
 *              more is cut off, as is what the system has no memory for. May be
 *              empty; NULL for none.
 *
 * @return  `kind`; TORVYN_ERROR_ARGUMENT where that is no verdict.
 *
 * Thread: the callback's, while it runs.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_native_fail(torvyn_native_call_t *call,
                                   torvyn_status_t kind,
                                   torvyn_str_t text);

/**
 * Whether what the callback still does is in vain: the call was cancelled, or
 * its deadline passed. A callback that may take long asks now and then, and
 * returns when it is told so; what it then answers does not matter.
 *
 * @param call  Lent to the callback that runs; NULL gives true.
 *
 * @return  Whether to stop.
 *
 * Thread: the callback's, while it runs.
 * Blocks: never.
 * Cost:   no heap allocation, lock or system call; some nanoseconds.
 * Since:  0.1
 */
bool torvyn_native_should_stop(const torvyn_native_call_t *call);

/* ----------------------------------------------------------------- Instance */

/** Where an instance stands. */
typedef enum torvyn_state {
  /** There is no instance (NULL). */
  TORVYN_STATE_NONE = 0,
  /** The component exports `lifecycle`: torvyn_init() comes first. */
  TORVYN_STATE_NEW = 1,
  /** It takes elements. */
  TORVYN_STATE_READY = 2,
  /**
   * The component said `fatal`, or failed in torvyn_init(): torvyn_teardown(),
   * torvyn_instance_reset() and torvyn_instance_free() are left.
   */
  TORVYN_STATE_FAILED = 3,
  /**
   * A trap, a budget, a cancel or a defect ended a call:
   * torvyn_instance_reset() and torvyn_instance_free() are left.
   */
  TORVYN_STATE_POISONED = 4,
  /**
   * torvyn_teardown() was called: torvyn_instance_reset() and
   * torvyn_instance_free() are left.
   */
  TORVYN_STATE_TORN_DOWN = 5,
} torvyn_state_t;

/**
 * One instance of a linked component: its own memory, state and budgets. It may
 * move between threads and runs one call at a time.
 *
 * Functions that take it as `const` may be called at any time from any thread,
 * also while a call runs. Of the others a second one at the same time gets
 * TORVYN_ERROR_BUSY and changes nothing.
 */
typedef struct torvyn_instance torvyn_instance_t;

/**
 * What an instance may take and do. Zero in a field means the engine's default;
 * each has the range that it has in torvyn_engine_config_t, and within a pool's
 * slots `memory_limit` is at most what a slot holds: the engine's, or 64 MiB
 * where that is not set.
 *
 * In C:    torvyn_instance_options_t options = {.struct_size = sizeof options};
 * In C++:  torvyn_instance_options_t options{};
 *          options.struct_size = sizeof options;
 */
typedef struct torvyn_instance_options {
  /**
   * The size of this struct in bytes: sizeof(torvyn_instance_options_t).
   * Required.
   */
  uint32_t struct_size;
  /**
   * What happens at `memory_limit` and `table_limit`; see
   * torvyn_engine_config_t. Default: the engine's.
   */
  torvyn_switch_t refuse_growth;
  /**
   * Nanoseconds that a call may take; UINT64_MAX for no limit.
   * Default: the engine's.
   */
  uint64_t timeout_ns;
  /**
   * Fuel that each call begins with, where the engine counts it; UINT64_MAX
   * where the program manages it with torvyn_instance_set_fuel() and calls use
   * up what is left, at first 1000000000 less what the component took when it
   * was instantiated. Default: 1000000000.
   */
  uint64_t fuel;
  /** Bytes of linear memory, over all memories. Default: the engine's. */
  uint64_t memory_limit;
  /** Elements of tables, over all tables. Default: the engine's. */
  uint64_t table_limit;
  /**
   * Bytes that the library may hold for the component at once; what counts is
   * said at torvyn_engine_config_t. Default: the engine's.
   */
  uint64_t buffer_limit;
  /** Handles that the component may hold at once. Default: the engine's. */
  uint32_t max_handles;
  /**
   * Core instances, memories and tables (each) of which the instance may be
   * made up. Default: the engine's.
   */
  uint32_t instance_limit;
  /**
   * Whether `time_ns` of torvyn_stats_t is counted, at the cost of two readings
   * of the clock for each call. Default: off.
   */
  torvyn_switch_t timing;
  /**
   * File descriptors that the component may hold at once by WASI. Default: the
   * engine's.
   */
  uint32_t max_files;
} torvyn_instance_options_t;

/**
 * Makes an instance. Its state is NEW where the component exports `lifecycle`,
 * READY elsewhere.
 *
 * @param linked   Borrowed for the call.
 * @param id       The caller's own name for the instance, which errors about it
 *                 carry; any number, unique only where the caller wants it.
 * @param options  Borrowed for the call; NULL for all defaults.
 * @param out      Where the instance goes, owned by the caller
 *                 (torvyn_instance_free()); NULL on failure.
 * @param err      Where detail goes on a negative status, owned by the caller
 *                 (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   `*out` is an instance.
 * @retval TORVYN_ERROR_INSTANTIATION  It could not be made: no slot, no address
 *                                     space or no thread to wait in WASI is
 *                                     left, the system refused something else
 *                                     (see System at the head of this file),
 *                                     the component is larger than a slot
 *                                     or than `instance_limit`, or
 *                                     `instance_new` of a native one refused.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals.
 * @retval TORVYN_ERROR_BUSY           A callback of this thread has left its
 *                                     stack (see Coroutines at the head of this
 *                                     file).
 * @retval TORVYN_ERROR_TRAP, _HOST_FUNCTION, _FUEL, _DEADLINE, _MEMORY The
 *                            component's start function was stopped; _MEMORY
 *                            also where it starts with more than `memory_limit`
 *                            or `table_limit`, which the error names.
 * @retval TORVYN_ERROR_ARGUMENT       An option is out of its range, which the
 *                                     error names, or `struct_size` is not set.
 * @retval TORVYN_ERROR_NULL           `linked` or `out` is NULL.
 * @retval TORVYN_ERROR_PANIC          A defect of the library.
 *
 * Thread: any; several may be made at once.
 * Blocks: for microseconds, and for as long as a start function runs, at most
 *         until the timeout.
 * Since:  0.1
 */
torvyn_status_t torvyn_instance_new(const torvyn_linked_t *linked,
                                    uint64_t id,
                                    const torvyn_instance_options_t *options,
                                    torvyn_instance_t **out,
                                    torvyn_error_t **err);

/**
 * Makes the instance anew from its linked component, under the same handle, id
 * and options: fresh memory, full budgets, state NEW or READY. Outputs that the
 * caller holds stay good.
 *
 * A cancel that waits for the next call goes on waiting; fuel that the program
 * managed by torvyn_instance_set_fuel() is the options' again.
 *
 * @param instance  In any state, and used by no other call meanwhile.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   The instance is as new.
 * @retval TORVYN_ERROR_INSTANTIATION  It could not be made; POISONED, and may
 *                                     be reset again.
 * @retval TORVYN_ERROR_TRAP, _FUEL, _DEADLINE, _CANCELLED, _MEMORY The
 *                            component's start function was stopped; POISONED,
 *                            and may be reset again.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed in it; POISONED,
 *                                     and may be reset again.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock; POISONED, and may be reset again.
 *                                     Or the calling thread has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing changed.
 * @retval TORVYN_ERROR_BUSY, _NULL    Misuse; nothing changed.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: as torvyn_instance_free() and torvyn_instance_new().
 * Since:  0.1
 */
torvyn_status_t torvyn_instance_reset(torvyn_instance_t *instance,
                                      torvyn_error_t **err);

/**
 * Frees an instance without calling the component: torvyn_teardown() first
 * where that matters. Outputs and cancel handles stay good.
 *
 * While a call runs on it, on another thread or further up on this one's stack,
 * the handle is gone at once and the memory when that call ends;
 * torvyn_cancel() makes that soon.
 *
 * @param instance  Owned; NULL does nothing.
 *
 * Thread: any.
 * Blocks: for microseconds; longer for what the component held: up to a
 *         microsecond for each handle and 100 milliseconds for each GiB of
 *         memory in use, which the system takes back, and for as long as the
 *         program's destructors take. The instance's limits bound it.
 * Since:  0.1
 */
void torvyn_instance_free(torvyn_instance_t *instance);

/**
 * The id that torvyn_instance_new() was given.
 *
 * @param instance  Borrowed for the call; NULL gives 0.
 *
 * @return  The id.
 *
 * Thread: any, also while a call runs.
 * Blocks: never.
 * Since:  0.1
 */
uint64_t torvyn_instance_id(const torvyn_instance_t *instance);

/**
 * The roles that the component exports.
 *
 * @param instance  Borrowed for the call; NULL gives 0.
 *
 * @return  A set of torvyn_role_t, joined by `|`.
 *
 * Thread: any, also while a call runs.
 * Blocks: never.
 * Since:  0.1
 */
uint32_t torvyn_instance_roles(const torvyn_instance_t *instance);

/**
 * Where the instance stands. While a call runs: where it stood when that began,
 * or what has come of it since, as a log callback sees it. While
 * torvyn_instance_reset() runs: POISONED.
 *
 * @param instance  Borrowed for the call; NULL gives TORVYN_STATE_NONE.
 *
 * @return  The state.
 *
 * Thread: any, also while a call runs.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_state_t torvyn_instance_state(const torvyn_instance_t *instance);

/**
 * The name of a state, e.g. "TORVYN_STATE_READY".
 *
 * @param state  Any number.
 *
 * @return  NUL-terminated, static; "TORVYN_UNKNOWN" for a number that is no
 *          state of this version; never NULL.
 *
 * Thread: any; async-signal-safe.
 * Blocks: never.
 * Since:  0.1
 */
const char *torvyn_state_name(int state);

/* ------------------------------------------- Cancel: a call, from elsewhere */

/**
 * What stops an instance's call from elsewhere. Reference counted; good for as
 * long as it is held, also after its instance was freed.
 */
typedef struct torvyn_cancel torvyn_cancel_t;

/**
 * A handle that stops the instance's call from another thread or a signal
 * handler.
 *
 * @param instance  Borrowed for the call; NULL gives NULL.
 *
 * @return  Owned by the caller (torvyn_cancel_free()).
 *
 * Thread: any, also while a call runs.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_cancel_t *torvyn_instance_cancel_handle(const torvyn_instance_t *instance);

/**
 * Stops the instance's running call within one tick: it returns
 * TORVYN_ERROR_CANCELLED, and the instance is POISONED. No other instance is
 * disturbed.
 *
 * Where no call runs, the next one that would run the component is stopped: it
 * returns TORVYN_ERROR_CANCELLED before it does, and the instance stays as it
 * was. A call that is refused, or that asks the component nothing, leaves the
 * cancel to the next; torvyn_teardown() goes on and ends it. A
 * torvyn_instance_reset() that runs is stopped as a call is. A call that ends
 * by itself first is not stopped, nor is the one after it. In a batch, the
 * element at hand or the next one is stopped. A callback of a native component
 * is told (torvyn_native_should_stop()), and its call counts as stopped when it
 * has returned.
 *
 * @param cancel  Borrowed for the call; NULL does nothing.
 *
 * Thread: any; async-signal-safe.
 * Blocks: never.
 * Since:  0.1
 */
void torvyn_cancel(const torvyn_cancel_t *cancel);

/**
 * One more reference to a cancel handle.
 *
 * @param cancel  Borrowed for the call; NULL gives NULL.
 *
 * @return  The same handle, owned once more: each reference is freed by itself.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_cancel_t *torvyn_cancel_clone(const torvyn_cancel_t *cancel);

/**
 * Frees a reference to a cancel handle. It cancels nothing.
 *
 * @param cancel  Owned; NULL does nothing.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
void torvyn_cancel_free(torvyn_cancel_t *cancel);

/* ------------------------------ Usage: an instance's fuel, memory, counters */

/** What an instance holds of memory, in bytes. */
typedef struct torvyn_memory_usage {
  /**
   * The size of this struct in bytes, set by the caller before the call: no
   * more than that is written.
   */
  uint32_t struct_size;
  /** Zero. */
  uint32_t reserved;
  /** All that the instance uses: `linear` and `buffers`. */
  uint64_t total;
  /** Linear memory of the component, over all its memories. */
  uint64_t linear;
  /**
   * What the library holds for the component, as it counts against
   * `buffer_limit` of torvyn_engine_config_t: buffers by their capacity, long
   * content types, names of ports, many handles. Outputs that the caller holds
   * are not among them.
   */
  uint64_t buffers;
} torvyn_memory_usage_t;

/**
 * Counters of one instance, from when it was made; a reset leaves them. Each is
 * exact; together they are of about one moment.
 */
typedef struct torvyn_stats {
  /**
   * The size of this struct in bytes, set by the caller before the call: no
   * more than that is written.
   */
  uint32_t struct_size;
  /** Zero. */
  uint32_t reserved;
  /**
   * Calls that began, of any function, refused ones not among them.
   * Instantiation and torvyn_instance_reset() are no calls.
   */
  uint64_t calls;
  /** Calls that a trap, a budget, a cancel or a defect ended. */
  uint64_t stopped;
  /** Calls that the component answered with an error of its own. */
  uint64_t guest_errors;
  /**
   * Calls that the instance refused before the component ran: for its state, a
   * role that it lacks, what an element holds, types of torvyn_call(), a
   * cancel, want of a thread or of stack. What is refused without a look at the
   * instance is not counted: one that is BUSY, and a parameter that is NULL
   * itself, no UTF-8 or out of its range. A batch is as many calls as elements
   * of it were reached.
   */
  uint64_t refused;
  /** Traps, budgets not counted. */
  uint64_t traps;
  /** Calls that ran out of fuel. */
  uint64_t out_of_fuel;
  /**
   * Calls that a deadline ended, or stopped while their arguments were read,
   * which are among `refused` too.
   */
  uint64_t deadlines;
  /**
   * Calls that a cancel ended, or stopped before they began, which are among
   * `refused` too.
   */
  uint64_t cancels;
  /**
   * Calls that a limit of memory, tables, handles, texts or values ended, or
   * that the system had no memory for.
   */
  uint64_t memory_limits;
  /** Elements lent to the component. */
  uint64_t elements_in;
  /** Elements that the component gave. */
  uint64_t elements_out;
  /**
   * Payload bytes copied into the component's memory; those that go from one
   * host buffer to another are not among them.
   */
  uint64_t bytes_in;
  /** Payload bytes copied out of the component's memory. */
  uint64_t bytes_out;
  /**
   * What the library held for the component when the latest call ended, or the
   * instance was made, in bytes, as `buffers` of torvyn_memory_usage_t.
   */
  uint64_t buffer_bytes;
  /**
   * The most of it that was held at once, also within a call; known when that
   * has ended.
   */
  uint64_t buffer_bytes_peak;
  /** Linear memory when the latest call ended, in bytes. */
  uint64_t linear_bytes;
  /** Fuel used, where the engine counts it. */
  uint64_t fuel_used;
  /**
   * Nanoseconds inside calls, where `timing` of torvyn_instance_options_t is
   * on.
   */
  uint64_t time_ns;
  /** Resets, those that failed among them. */
  uint64_t resets;
} torvyn_stats_t;

/**
 * Sets the fuel that is left. From then on the program manages the instance's
 * fuel: calls use it up and the library refills nothing.
 *
 * @param instance  Used by no other call meanwhile.
 * @param fuel      Units of fuel; about one for each instruction.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   Set.
 * @retval TORVYN_ERROR_FUEL_DISABLED  The engine does not count fuel (set
 *                                     `fuel` of torvyn_engine_config_t), or the
 *                                     component is native.
 * @retval TORVYN_ERROR_STATE          The latest reset failed: reset it again.
 * @retval TORVYN_ERROR_BUSY, _NULL    Misuse; nothing changed.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_instance_set_fuel(torvyn_instance_t *instance,
                                         uint64_t fuel,
                                         torvyn_error_t **err);

/**
 * The fuel that is left: after a call, what that call left over; after a reset
 * that failed, none.
 *
 * @param instance  Used by no other call meanwhile.
 * @param out       Where the units go; 0 but for TORVYN_OK.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                 `*out` is set.
 * @retval TORVYN_FUEL_OFF           The engine does not count fuel, or the
 *                                   component is native.
 * @retval TORVYN_ERROR_BUSY, _NULL  Misuse; nothing changed.
 * @retval TORVYN_ERROR_PANIC        A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: never.
 * Cost:   no heap allocation, lock or system call.
 * Since:  0.1
 */
torvyn_status_t torvyn_instance_fuel_remaining(torvyn_instance_t *instance,
                                               uint64_t *out,
                                               torvyn_error_t **err);

/**
 * What the instance holds of memory now; of a native component's nothing is
 * known. torvyn_instance_stats() has the figures of the latest call's end and
 * needs no pause between calls.
 *
 * @param instance  Used by no other call meanwhile.
 * @param out       `struct_size` is set by the caller; the rest is filled, with
 *                  zeros on failure (nothing where `struct_size` is wrong).
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                 `*out` is set.
 * @retval TORVYN_ERROR_ARGUMENT     `struct_size` is not set.
 * @retval TORVYN_ERROR_BUSY, _NULL  Misuse; nothing changed.
 * @retval TORVYN_ERROR_PANIC        A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_instance_memory_usage(torvyn_instance_t *instance,
                                             torvyn_memory_usage_t *out,
                                             torvyn_error_t **err);

/**
 * The instance's counters.
 *
 * @param instance  Borrowed for the call.
 * @param out       `struct_size` is set by the caller; the rest is filled, with
 *                  zeros on failure (nothing where `struct_size` is wrong).
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              `*out` is set.
 * @retval TORVYN_ERROR_ARGUMENT  `struct_size` is not set.
 * @retval TORVYN_ERROR_NULL      `instance` or `out` is NULL.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: any, also while a call runs.
 * Blocks: never.
 * Cost:   no heap allocation, lock or system call.
 * Since:  0.1
 */
torvyn_status_t torvyn_instance_stats(const torvyn_instance_t *instance,
                                      torvyn_stats_t *out,
                                      torvyn_error_t **err);

/* -------------------------------- Calls: lifecycle, source, processor, sink */

/**
 * Initialises a component: NEW becomes READY. Where the component exports no
 * `lifecycle` it is READY already, and this does nothing, successfully.
 *
 * @param instance  NEW, and used by no other call meanwhile.
 * @param config    The component's configuration in whatever form it expects,
 *                  UTF-8, at most 16 MiB; borrowed for the call; may be empty.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   The instance is READY.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED, _FATAL  The component refused; FAILED.
 * @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where a
 *                                     cancel came before it began.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NULL, _UTF8, _ARGUMENT
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or a
 *                                     native component answered what is none
 *                                     of its answers, or WASI has no thread to
 *                                     wait with (see Fork at the head of this
 *                                     file); POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout.
 * Since:  0.1
 */
torvyn_status_t torvyn_init(torvyn_instance_t *instance,
                            torvyn_str_t config,
                            torvyn_error_t **err);

/**
 * Tears a component down: it may say good-bye, and the instance is TORN_DOWN.
 * What the component does wrong in it is no error: it never stops a shutdown.
 * It goes to the log (torvyn_engine_config_t), and so does that the component
 * could not be called (what is TORVYN_ERROR_INTERNAL of another call). A cancel
 * that came before does not stop it, nor any call after it.
 *
 * @param instance  NEW, READY or FAILED, and used by no other call meanwhile. A
 *                  NEW one is torn down without calling the component.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                         The instance is TORN_DOWN.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NULL  Misuse; nothing ran, nothing
 *                            changed.
 * @retval TORVYN_ERROR_PANIC                A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout.
 * Since:  0.1
 */
torvyn_status_t torvyn_teardown(torvyn_instance_t *instance,
                                torvyn_error_t **err);

/**
 * Asks a source for its next element.
 *
 * @param instance  READY, and used by no other call meanwhile.
 * @param output    Where the element goes. Set for TORVYN_OK alone, its payload
 *                  then owned by the caller (torvyn_output_release()); all zero
 *                  otherwise.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   The component gave `*output`.
 * @retval TORVYN_NO_ELEMENT           It has none. Where the program told it to
 *                                     pause with torvyn_notify_backpressure(),
 *                                     that means none for now; elsewhere it is
 *                                     the end of the stream.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED          The component's own verdict; the instance
 *                                     stays READY.
 * @retval TORVYN_ERROR_FATAL          The same; FAILED.
 * @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where a
 *                                     cancel came before it began.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or a
 *                                     native component answered what is none
 *                                     of its answers, or WASI has no thread to
 *                                     wait with (see Fork at the head of this
 *                                     file); POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout.
 * Cost:   no heap allocation, lock or system call of the library's own.
 * Since:  0.1
 */
torvyn_status_t torvyn_pull(torvyn_instance_t *instance,
                            torvyn_output_t *output,
                            torvyn_error_t **err);

/**
 * Tells a source how its consumers keep up. A source may then have no element
 * for a while, which torvyn_pull() answers with TORVYN_NO_ELEMENT.
 *
 * @param instance  READY, and used by no other call meanwhile.
 * @param signal    Whether to go on.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              It was told.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED     A native component's own verdict, as others
 *                                give none here; the instance stays READY.
 * @retval TORVYN_ERROR_FATAL     The same; FAILED.
 * @retval TORVYN_ERROR_TRAP      It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                A budget or a cancel ended the call; POISONED;
 *                                unchanged where a cancel came before it
 *                                began.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL, _ARGUMENT
 *                                Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL  No thread could be had for the engine's
 * clock, or the calling one has too little stack (`guest_stack`) or can have
 * none for signals; nothing ran.
 * Or a native component answered what is none of its answers, or WASI has no
 * thread to wait with (see Fork at the head of this file); POISONED.
 * @retval TORVYN_ERROR_PANIC     A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout.
 * Since:  0.1
 */
torvyn_status_t torvyn_notify_backpressure(torvyn_instance_t *instance,
                                           torvyn_signal_t signal,
                                           torvyn_error_t **err);

/**
 * Runs a processor on one element.
 *
 * @param instance  READY, and used by no other call meanwhile.
 * @param element   Borrowed until this call returns.
 * @param output    Where an emitted element goes; must not be where an output
 *                  lies that is still owned. Set for TORVYN_OK alone, its
 *                  payload then owned by the caller (torvyn_output_release());
 *                  all zero otherwise.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   The component emitted `*output`.
 * @retval TORVYN_NOTHING_EMITTED      It took the element and emitted nothing.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED          The component's own verdict on the
 *                                     element; the instance stays READY.
 * @retval TORVYN_ERROR_FATAL          The same; FAILED.
 * @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where a
 *                                     cancel came before it began.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL, _UTF8, _ARGUMENT
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or a
 *                                     native component answered what is none
 *                                     of its answers, or WASI has no thread to
 *                                     wait with (see Fork at the head of this
 *                                     file); POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout or the
 *         flow's deadline.
 * Cost:   no heap allocation, lock or system call of the library's own.
 * Since:  0.1
 */
torvyn_status_t torvyn_process(torvyn_instance_t *instance,
                               const torvyn_element_t *element,
                               torvyn_output_t *output,
                               torvyn_error_t **err);

/**
 * Runs a processor on several elements, in order, as one call: the instance is
 * BUSY until it returns. Each element has the full budgets of a call. The first
 * error ends the batch.
 *
 * @param instance  READY, and used by no other call meanwhile.
 * @param elements  `count` elements; borrowed until this call returns; NULL
 *                  where `count` is 0.
 * @param count     Number of elements.
 * @param outputs   Room for `count` outputs, all of them written whatever comes
 *                  (none where `count` is more than memory holds). Slot i holds
 *                  what element i came to: an output owned by the caller
 *                  (torvyn_output_release()), or all zero, `payload` NULL,
 *                  where nothing was emitted or the element was not reached.
 *                  NULL where `count` is 0.
 * @param done      Where the number of elements goes that were processed
 *                  without error. On an error, `elements[*done]` is the one it
 *                  is about, and the outputs before it are the caller's all the
 *                  same.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   All elements were processed; each slot
 *                                     says whether it was emitted or dropped.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED          The component's own verdict on
 *                                     `elements[*done]`; the instance stays
 *                                     READY.
 * @retval TORVYN_ERROR_FATAL          The same; FAILED.
 * @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where a
 *                                     cancel came before it began.
 * @retval TORVYN_ERROR_NULL, _UTF8, _ARGUMENT
 *                                     Misuse, maybe in `elements[*done]`, which
 *                                     did not run.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or a
 *                                     native component answered what is none
 *                                     of its answers, or WASI has no thread to
 *                                     wait with (see Fork at the head of this
 *                                     file); POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, for each element at most until its
 *         timeout or the flow's deadline.
 * Cost:   no heap allocation, lock or system call of the library's own.
 * Since:  0.1
 */
torvyn_status_t torvyn_process_batch(torvyn_instance_t *instance,
                                     const torvyn_element_t *elements,
                                     size_t count,
                                     torvyn_output_t *outputs,
                                     size_t *done,
                                     torvyn_error_t **err);

/**
 * Hands one element to a sink.
 *
 * @param instance  READY, and used by no other call meanwhile.
 * @param element   Borrowed until this call returns.
 * @param signal    Where the sink's answer goes: TORVYN_SIGNAL_PAUSE asks the
 *                  program to send no more until it has reason to try again.
 *                  Set for TORVYN_OK alone; NULL to do without.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   The sink took the element.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED          The component's own verdict on the
 *                                     element; the instance stays READY.
 * @retval TORVYN_ERROR_FATAL          The same; FAILED.
 * @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where a
 *                                     cancel came before it began.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL, _UTF8, _ARGUMENT
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or a
 *                                     native component answered what is none
 *                                     of its answers, or WASI has no thread to
 *                                     wait with (see Fork at the head of this
 *                                     file); POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout or the
 *         flow's deadline.
 * Cost:   no heap allocation, lock or system call of the library's own.
 * Since:  0.1
 */
torvyn_status_t torvyn_push(torvyn_instance_t *instance,
                            const torvyn_element_t *element,
                            torvyn_signal_t *signal,
                            torvyn_error_t **err);

/**
 * Hands several elements to a sink, in order, as one call: the instance is BUSY
 * until it returns. Each element has the full budgets of a call. The first
 * error ends the batch, and so does the first answer to pause.
 *
 * @param instance  READY, and used by no other call meanwhile.
 * @param elements  `count` elements; borrowed until this call returns; NULL
 *                  where `count` is 0.
 * @param count     Number of elements.
 * @param signal    Where the sink's latest answer goes; TORVYN_SIGNAL_READY
 *                  where it gave none; NULL to do without.
 * @param done      Where the number of elements goes that the sink took. After
 *                  TORVYN_OK less than `count` where it answered the last of
 *                  them with TORVYN_SIGNAL_PAUSE. On an error,
 *                  `elements[*done]` is the one it is about.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   The sink took `*done` elements.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED          The component's own verdict on
 *                                     `elements[*done]`; the instance stays
 *                                     READY.
 * @retval TORVYN_ERROR_FATAL          The same; FAILED.
 * @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where a
 *                                     cancel came before it began.
 * @retval TORVYN_ERROR_NULL, _UTF8, _ARGUMENT
 *                                     Misuse, maybe in `elements[*done]`, which
 *                                     did not run.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or a
 *                                     native component answered what is none
 *                                     of its answers, or WASI has no thread to
 *                                     wait with (see Fork at the head of this
 *                                     file); POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, for each element at most until its
 *         timeout or the flow's deadline.
 * Cost:   no heap allocation, lock or system call of the library's own.
 * Since:  0.1
 */
torvyn_status_t torvyn_push_batch(torvyn_instance_t *instance,
                                  const torvyn_element_t *elements,
                                  size_t count,
                                  torvyn_signal_t *signal,
                                  size_t *done,
                                  torvyn_error_t **err);

/**
 * Tells a sink that no element follows: it writes out what it holds.
 *
 * @param instance  READY, and used by no other call meanwhile.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   Done.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED          The component's own verdict; the instance
 *                                     stays READY.
 * @retval TORVYN_ERROR_FATAL          The same; FAILED.
 * @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where a
 *                                     cancel came before it began.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or a
 *                                     native component answered what is none
 *                                     of its answers, or WASI has no thread to
 *                                     wait with (see Fork at the head of this
 *                                     file); POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout.
 * Since:  0.1
 */
torvyn_status_t torvyn_complete(torvyn_instance_t *instance,
                                torvyn_error_t **err);

/* ---------------------------------------- Calls: filter, router, aggregator */

/**
 * Asks a filter about one element.
 *
 * @param instance  READY, and used by no other call meanwhile.
 * @param element   Borrowed until this call returns.
 * @param passes    Where the verdict goes: true where the element goes on. Set
 *                  for TORVYN_OK alone; false otherwise.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   `*passes` is the filter's verdict.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED          The component could give none; the
 *                                     instance stays READY.
 * @retval TORVYN_ERROR_FATAL          The same; FAILED.
 * @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where a
 *                                     cancel came before it began.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL, _UTF8, _ARGUMENT
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or a
 *                                     native component answered what is none
 *                                     of its answers, or WASI has no thread to
 *                                     wait with (see Fork at the head of this
 *                                     file); POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout or the
 *         flow's deadline.
 * Cost:   no heap allocation, lock or system call of the library's own.
 * Since:  0.1
 */
torvyn_status_t torvyn_evaluate(torvyn_instance_t *instance,
                                const torvyn_element_t *element,
                                bool *passes,
                                torvyn_error_t **err);

/**
 * Asks a router where one element goes.
 *
 * @param instance  READY, and used by no other call meanwhile.
 * @param element   Borrowed until this call returns.
 * @param ports     Where the names of the output ports go. Set for TORVYN_OK
 *                  alone; empty otherwise. The names are the instance's, valid
 *                  until the next call on it or its end, whichever comes first;
 *                  of one that is freed within this very call, until the
 *                  thread's next torvyn_route() or its end.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   The element goes to each of `*ports`; to
 *                                     nobody where that is empty.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED          The component could not say; the instance
 *                                     stays READY.
 * @retval TORVYN_ERROR_FATAL          The same; FAILED.
 * @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where a
 *                                     cancel came before it began.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL, _UTF8, _ARGUMENT
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or a
 *                                     native component answered what is none
 *                                     of its answers, or WASI has no thread to
 *                                     wait with (see Fork at the head of this
 *                                     file); POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout or the
 *         flow's deadline.
 * Cost:   no heap allocation, lock or system call of the library's own, once
 *         there was a call with as many and as long names.
 * Since:  0.1
 */
torvyn_status_t torvyn_route(torvyn_instance_t *instance,
                             const torvyn_element_t *element,
                             torvyn_ports_t *ports,
                             torvyn_error_t **err);

/**
 * Hands one element to an aggregator.
 *
 * @param instance  READY, and used by no other call meanwhile.
 * @param element   Borrowed until this call returns.
 * @param output    Where a result goes that is complete. Set for TORVYN_OK
 *                  alone, its payload then owned by the caller
 *                  (torvyn_output_release()); all zero otherwise.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   A result is complete: `*output`.
 * @retval TORVYN_NOTHING_EMITTED      The element was taken; none is complete
 *                                     yet.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED          The component's own verdict on the
 *                                     element; the instance stays READY.
 * @retval TORVYN_ERROR_FATAL          The same; FAILED.
 * @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where a
 *                                     cancel came before it began.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL, _UTF8, _ARGUMENT
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or a
 *                                     native component answered what is none
 *                                     of its answers, or WASI has no thread to
 *                                     wait with (see Fork at the head of this
 *                                     file); POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout or the
 *         flow's deadline.
 * Cost:   no heap allocation, lock or system call of the library's own.
 * Since:  0.1
 */
torvyn_status_t torvyn_ingest(torvyn_instance_t *instance,
                              const torvyn_element_t *element,
                              torvyn_output_t *output,
                              torvyn_error_t **err);

/**
 * Tells an aggregator that no element follows: it gives all that it holds.
 *
 * @param instance  READY, and used by no other call meanwhile.
 * @param out       Where the list of outputs goes, maybe an empty one, owned by
 *                  the caller (torvyn_outputs_free()); NULL but for TORVYN_OK.
 * @param err       Where detail goes on a negative status, owned by the caller
 *                  (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   `*out` holds what the component gave.
 * @retval TORVYN_ERROR_INVALID_INPUT, _UNAVAILABLE, _GUEST_INTERNAL,
 *         _DEADLINE_EXCEEDED          The component's own verdict; the instance
 *                                     stays READY.
 * @retval TORVYN_ERROR_FATAL          The same; FAILED.
 * @retval TORVYN_ERROR_TRAP           It trapped; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where a
 *                                     cancel came before it began.
 * @retval TORVYN_ERROR_BUSY, _STATE, _NOT_EXPORTED, _NULL
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or a
 *                                     native component answered what is none
 *                                     of its answers, or WASI has no thread to
 *                                     wait with (see Fork at the head of this
 *                                     file); POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout.
 * Since:  0.1
 */
torvyn_status_t torvyn_flush(torvyn_instance_t *instance,
                             torvyn_outputs_t **out,
                             torvyn_error_t **err);

/* ------------------------------------ Calls: functions outside the contract */

/** What a call gave: its result, where the function has one. */
typedef struct torvyn_values torvyn_values_t;

/**
 * Calls an exported function by name, one outside of the contract. A component
 * that exports such a function runs on the general path, unless the engine's
 * `path` is TORVYN_PATH_DIRECT. The contract's own functions are called by
 * torvyn_init() and its kin, which keep the instance's state, and not by this.
 *
 * @param instance   NEW or READY, and used by no other call meanwhile.
 * @param interface  The exported interface, with the version that
 *                   torvyn_component_export() says or a compatible one, by the
 *                   rule of torvyn_imports_define(), or without a version where
 *                   that says none; empty for a function that the component
 *                   exports by itself. Borrowed for the call.
 * @param function   The function's name; borrowed for the call.
 * @param args       Its arguments; borrowed for the call; NULL where `count` is
 *                   0. A resource that is an `own` is the component's once the
 *                   component runs, whatever the call gives then (see
 *                   torvyn_destructor_t), and the caller's where nothing ran; a
 *                   `borrow` is lent for the call.
 * @param count      Number of arguments.
 * @param out        Where the result goes, owned by the caller
 *                   (torvyn_values_free()); NULL on failure.
 * @param err        Where detail goes on a negative status, owned by the caller
 *                   (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK                   `*out` is what the function gave.
 * @retval TORVYN_ERROR_NOT_EXPORTED   There is no such function; nothing ran.
 * @retval TORVYN_ERROR_TYPE_MISMATCH  The arguments are not as many as the
 *                                     parameters, or not of their types;
 *                                     nothing ran. No argument is of a
 *                                     resource type that the component itself
 *                                     exports.
 * @retval TORVYN_ERROR_UNSUPPORTED    The instance runs on the direct path, or
 *                                     is a native component's; nothing ran.
 * @retval TORVYN_ERROR_TRAP           The component trapped, or its result is
 *                                     of a type that C cannot have:
 *                                     asynchronous, or a resource that the
 *                                     component itself exports; POISONED.
 * @retval TORVYN_ERROR_HOST_FUNCTION  A host function failed; POISONED.
 * @retval TORVYN_ERROR_FUEL, _DEADLINE, _CANCELLED, _MEMORY
 *                                     A budget or a cancel ended the call;
 *                                     POISONED; unchanged where that was
 *                                     before the component ran: the arguments
 *                                     took the time, would exceed
 *                                     `max_handles` or what values may take
 *                                     (torvyn_value_t), or the system has no
 *                                     memory for them.
 * @retval TORVYN_ERROR_ARGUMENT       `interface` is one of the contract's, or
 *                                     an argument is no value of any type: its
 *                                     kind is none, its number out of the
 *                                     kind's range, its nesting deeper than
 *                                     128; nothing ran. As for _TYPE_MISMATCH,
 *                                     _NULL and _UTF8 the error names function
 *                                     and argument (`args[0]` is the first).
 * @retval TORVYN_ERROR_BUSY, _STATE, _NULL, _UTF8
 *                                     Misuse; nothing ran, nothing changed.
 * @retval TORVYN_ERROR_INTERNAL       No thread could be had for the engine's
 *                                     clock, or the calling one has too little
 *                                     stack (`guest_stack`) or can have none
 *                                     for signals; nothing ran. Or
 *                                     WASI has no thread to wait with (see
 *                                     Fork at the head of this file);
 *                                     POISONED.
 * @retval TORVYN_ERROR_PANIC          A defect of the library; POISONED.
 *
 * Thread: one call at a time per instance; any thread.
 * Blocks: for as long as the component runs, at most until its timeout, within
 *         which the arguments are read and checked. They are not looked at
 *         where the instance, the names or their number are wrong, and what of
 *         one is not of its type is not looked into.
 * Since:  0.1
 */
torvyn_status_t torvyn_call(torvyn_instance_t *instance,
                            torvyn_str_t interface,
                            torvyn_str_t function,
                            const torvyn_value_t *args,
                            size_t count,
                            torvyn_values_t **out,
                            torvyn_error_t **err);

/**
 * The number of values that a call gave: 1, or 0 where the function has no
 * result.
 *
 * @param values  Borrowed for the call; NULL gives 0.
 *
 * @return  The number.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
size_t torvyn_values_count(const torvyn_values_t *values);

/**
 * One of the values that a call gave.
 *
 * @param values  Borrowed for the call; NULL gives NULL.
 * @param index   From 0 to torvyn_values_count() - 1; others give NULL.
 *
 * @return  The value, valid with all that it points to until
 *          torvyn_values_free().
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
const torvyn_value_t *torvyn_values_get(const torvyn_values_t *values,
                                        size_t index);

/**
 * Frees what a call gave.
 *
 * @param values  Owned; NULL does nothing.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
void torvyn_values_free(torvyn_values_t *values);

/* ------------------------------------------------------ Buffers and outputs */

/**
 * The bytes of a buffer, in place.
 *
 * @param buffer  Borrowed for the call; NULL gives no bytes.
 *
 * @return  The bytes, valid until torvyn_buffer_release().
 *
 * Thread: any.
 * Blocks: never.
 * Cost:   no heap allocation, lock or system call.
 * Since:  0.1
 */
torvyn_bytes_t torvyn_buffer_bytes(const torvyn_buffer_t *buffer);

/**
 * The number of bytes in a buffer.
 *
 * @param buffer  Borrowed for the call; NULL gives 0.
 *
 * @return  The number.
 *
 * Thread: any.
 * Blocks: never.
 * Cost:   no heap allocation, lock or system call.
 * Since:  0.1
 */
size_t torvyn_buffer_size(const torvyn_buffer_t *buffer);

/**
 * The buffer's own media type, which the component set with
 * `mutable-buffer.set-content-type`. The one of the element's meta, which may
 * differ, is `content_type` of torvyn_output_t.
 *
 * @param buffer  Borrowed for the call; NULL gives "".
 *
 * @return  UTF-8, not NUL-terminated; empty where none was set; valid until
 *          torvyn_buffer_release().
 *
 * Thread: any.
 * Blocks: never.
 * Cost:   no heap allocation, lock or system call.
 * Since:  0.1
 */
torvyn_str_t torvyn_buffer_content_type(const torvyn_buffer_t *buffer);

/**
 * Gives a buffer back to the library, which uses it again. Every view of it
 * ends.
 *
 * @param buffer  Owned; NULL does nothing.
 *
 * Thread: any, also while calls run on the instance.
 * Blocks: never.
 * Cost:   no heap allocation or lock, and no system call while there is room
 *         (`idle_buffers` of torvyn_engine_config_t).
 * Since:  0.1
 */
void torvyn_buffer_release(torvyn_buffer_t *buffer);

/**
 * Releases an output's buffer, as torvyn_buffer_release(), and sets every field
 * to zero, so that a second release does nothing.
 *
 * @param output  Borrowed for the call, its `payload` owned; NULL, and a NULL
 *                `payload`, do nothing.
 *
 * Thread: any, also while calls run on the instance.
 * Blocks: never.
 * Cost:   no heap allocation or lock, and no system call while there is room
 *         (`idle_buffers` of torvyn_engine_config_t).
 * Since:  0.1
 */
void torvyn_output_release(torvyn_output_t *output);

/**
 * The number of outputs in a list, those already taken included.
 *
 * @param outputs  Borrowed for the call; NULL gives 0.
 *
 * @return  The number.
 *
 * Thread: one at a time for a list; any thread.
 * Blocks: never.
 * Since:  0.1
 */
size_t torvyn_outputs_count(const torvyn_outputs_t *outputs);

/**
 * Takes one output out of a list.
 *
 * @param outputs  Used by no other call meanwhile.
 * @param index    From 0 to torvyn_outputs_count() - 1, in the component's
 *                 order.
 * @param output   Where the output goes; its payload is owned by the caller
 *                 (torvyn_output_release()) and outlives the list. All zero but
 *                 for TORVYN_OK.
 * @param err      Where detail goes on a negative status, owned by the caller
 *                 (torvyn_error_free()); NULL to do without.
 *
 * @retval TORVYN_OK              `*output` is set.
 * @retval TORVYN_NO_ELEMENT      It was taken before.
 * @retval TORVYN_ERROR_ARGUMENT  `index` is too large.
 * @retval TORVYN_ERROR_NULL      `outputs` or `output` is NULL.
 * @retval TORVYN_ERROR_PANIC     A defect of the library.
 *
 * Thread: one at a time for a list; any thread.
 * Blocks: never.
 * Since:  0.1
 */
torvyn_status_t torvyn_outputs_take(torvyn_outputs_t *outputs,
                                    size_t index,
                                    torvyn_output_t *output,
                                    torvyn_error_t **err);

/**
 * Frees a list and releases every output that was not taken.
 *
 * @param outputs  Owned; NULL does nothing.
 *
 * Thread: any.
 * Blocks: never.
 * Since:  0.1
 */
void torvyn_outputs_free(torvyn_outputs_t *outputs);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* TORVYN_H */
