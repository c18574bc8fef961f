/* Texts of components that have another encoding than UTF-8, each of them: they come out as UTF-8, and the
 * limits are those of the bytes that they have there. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "contract.h"

#define WORDS "a\xc3\x9f\xe2\x82\xac\xf0\x9d\x84\x9e" /* at 512, in five units of UTF-16 */

#define TEXTS(encoding) OPTIONS " string-encoding=" encoding
#define LOWERED_AS(encoding)                                                                                        \
  "  (core func $allocate (canon lower (func $allocator \"allocate\") " TEXTS(encoding) "))\n"                     \
  "  (core func $set (canon lower (func $types \"[method]mutable-buffer.set-content-type\") " TEXTS(encoding) "))\n" \
  "  (core func $freeze (canon lower (func $types \"[method]mutable-buffer.freeze\")))\n"                            \
  "  (core func $has (canon lower (func $query \"has-capability\") " TEXTS(encoding) "))\n"                        \
  "  (core func $drop-buffer (canon resource.drop $buffer))\n"                                                      \
  "  (core func $drop-flow (canon resource.drop $flow))\n"                                                          \
  "  (core instance $host (export \"allocate\" (func $allocate)) (export \"set\" (func $set))\n"                     \
  "    (export \"freeze\" (func $freeze)) (export \"has\" (func $has)) (export \"drop-buffer\" (func $drop-buffer))\n" \
  "    (export \"drop-flow\" (func $drop-flow)))\n"
#define LIFTED_AS(encoding) AGGREGATOR_WITH(TEXTS(encoding)) ROUTER_WITH(TEXTS(encoding)) ")\n"

/* What `ingest` does, by the element's sequence; `$len` has the mark of UTF-16. Zeros follow 64 KiB, then
 * U+ACAC over and over. */
static const char main_text[] =
    "    (import \"host\" \"allocate\" (func $allocate (param i64 i32)))\n"
    "    (import \"host\" \"set\" (func $set (param i32 i32 i32)))\n"
    "    (import \"host\" \"freeze\" (func $freeze (param i32) (result i32)))\n"
    "    (import \"host\" \"has\" (func $has (param i32 i32) (result i32)))\n"
    "    (import \"host\" \"drop-buffer\" (func $drop-buffer (param i32)))\n"
    "    (import \"host\" \"drop-flow\" (func $drop-flow (param i32)))\n"
    "    (import \"libc\" \"memory\" (memory 1))\n"
    "    (data (i32.const 512) \"a\\00\\df\\00\\ac\\20\\34\\d8\\1e\\dd\") (data (i32.const 600) \"a\\df\\ff\")\n"
    "    (data (i32.const 700) \"s\\00t\\00d\\00o\\00u\\00t\\00\") (data (i32.const 800) \"a\\00\\34\\d8\")\n"
    "    (func $len (param i32) (result i32) (i32.or (local.get 0) (global.get $mark)))\n"
    "    (func $done (param i32 i32) (call $drop-buffer (local.get 0)) (call $drop-flow (local.get 1)))\n"
    "    (func $pair (param $at i32) (param $text i32) (param $len i32)\n"
    "      (i32.store (local.get $at) (local.get $text)) (i32.store offset=4 (local.get $at) (local.get $len)))\n"
    "    (func $fails (param $text i32) (param $len i32)\n"
    "      (i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (i32.const 1))\n"
    "      (call $pair (i32.const 1036) (local.get $text) (local.get $len)))\n"
    "    (func (export \"ingest\") (param $n i64) (param i64 i32 i32 i32 i32) (result i32) (local $h i32)\n"
    "      (call $done (local.get 4) (local.get 5))\n"
    "      (memory.fill (i32.const 98304) (i32.const 0xac) (i32.const 32768))\n"
    "      (call $allocate (i64.const 1) (i32.const 64)) (local.set $h (i32.load (i32.const 68)))\n"
    "      (call $set (local.get $h) (i32.const 512) (call $len (i32.const 5)))\n"
    "      (i32.store8 (i32.const 1024) (i32.const 0)) (i32.store8 (i32.const 1032) (i32.const 1))\n"
    "      (call $pair (i32.const 1056) (i32.const 512) (call $len (i32.const 5)))\n"
    "      (block $9 (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0\n"
    "      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 (i32.wrap_i64 (local.get $n))))\n"
    "      (i32.store (i32.const 1064) (call $freeze (local.get $h))) (return (i32.const 1024)))\n"
    "      (call $pair (i32.const 1056) (i32.const 800) (call $len (i32.const 2))) (return (i32.const 1024)))\n"
    "      (call $set (local.get $h) (i32.const 513) (call $len (i32.const 1))) unreachable)\n"
    "      (i32.store8 (i32.const 1032) (call $has (i32.const 700) (call $len (i32.const 6))))\n"
    "      (i32.store (i32.const 1064) (call $freeze (local.get $h))) (return (i32.const 1024)))\n"
    "      (drop (call $has (i32.const 800) (call $len (i32.const 2)))) unreachable)\n"
    "      (call $set (local.get $h) (i32.const 65536) (call $len (i32.const 4097))) unreachable)\n"
    "      (call $set (local.get $h) (i32.const 98304) (call $len (i32.const 2049))) unreachable)\n"
    "      (call $fails (i32.const 65536) (call $len (i32.const 65537))) (return (i32.const 1024)))\n"
    "      (call $fails (i32.const 512) (call $len (i32.const 5))) (return (i32.const 1024)))\n"
    "      (call $set (local.get $h) (i32.const 600) (i32.const 3)) (i32.store8 (i32.const 1032) (i32.const 1))\n"
    "      (i32.store (i32.const 1064) (call $freeze (local.get $h))) (i32.const 1024))\n"
    "    (func (export \"flush\") (result i32) i32.const 2048)\n"
    "    (func (export \"route\") (param $n i64) (param i64 i32 i32 i32 i32) (result i32)\n"
    "      (call $done (local.get 4) (local.get 5))\n"
    "      (call $pair (i32.const 1028) (i32.const 3072) (i32.const 2))\n"
    "      (call $pair (i32.const 3072) (i32.const 512) (call $len (i32.const 5)))\n"
    "      (call $pair (i32.const 3080) (i32.const 700) (call $len (i32.const 6)))\n"
    "      (if (i64.eq (local.get $n) (i64.const 1)) (then\n"
    "        (call $pair (i32.const 3080) (i32.const 800) (call $len (i32.const 2)))))\n"
    "      (i32.store8 (i32.const 1024) (i32.const 0)) i32.const 1024)\n";

static void texts(torvyn_instance_t *instance, int latin1) {
  static const struct {
    int status;
    const char *says;
  } wanted[] = {
      {TORVYN_OK, NULL},
      {TORVYN_ERROR_TRAP, "string is not valid UTF-16"},
      {TORVYN_ERROR_TRAP, "not aligned"},
      {TORVYN_OK, NULL}, /* stdout is there */
      {TORVYN_ERROR_TRAP, "string is not valid UTF-16"},
      {TORVYN_ERROR_MEMORY, "4097 bytes: at most 4096"},
      {TORVYN_ERROR_MEMORY, "bytes: at most 4096"}, /* of 2049 units, of three bytes each */
      {TORVYN_ERROR_MEMORY, "65537 bytes: at most 65536"},
      {TORVYN_ERROR_UNAVAILABLE, WORDS},
      {TORVYN_OK, "a\xc3\x9f\xc3\xbf"},
  };
  torvyn_output_t out;
  torvyn_ports_t ports;
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted - (latin1 ? 0 : 1); i++) {
    torvyn_element_t e = {.sequence = i};
    char name[32];
    snprintf(name, sizeof name, "text %zu", i);
    check_doing = name;
    if (wanted[i].status == TORVYN_OK) {
      OK(torvyn_ingest(instance, &e, &out, &err));
      CHECK(str_is(out.content_type, WORDS));
      CHECK(str_is(torvyn_buffer_content_type(out.payload), wanted[i].says ? wanted[i].says : WORDS));
      torvyn_output_release(&out);
    } else {
      EXPECT_TEXT(wanted[i].status, wanted[i].says, torvyn_ingest(instance, &e, &out, &err));
    }
    OK(torvyn_instance_reset(instance, &err));
  }
  check_doing = "names of ports";
  torvyn_element_t e = {.sequence = 0};
  OK(torvyn_route(instance, &e, &ports, &err));
  CHECK(ports.len == 2 && str_is(ports.names[0], WORDS) && str_is(ports.names[1], "stdout"));
  e.sequence = 1;
  EXPECT_TEXT(TORVYN_ERROR_TRAP, "UTF-16", torvyn_route(instance, &e, &ports, &err));
}

int main(int argc, char **argv) {
  static const struct {
    const char *mark, *lowered, *lifted;
  } encodings[] = {
      {"0", LOWERED_AS("utf16"), LIFTED_AS("utf16")},
      {"0x80000000", LOWERED_AS("latin1+utf16"), LIFTED_AS("latin1+utf16")},
  };
  check_begin(argc, argv);
  torvyn_engine_t *engine = engine_with(NULL);
  for (int i = 0; i < 2; i++) {
    part(i ? "texts in Latin-1 or UTF-16" : "texts in UTF-16");
    const char *text = WAT("(component\n", CONTRACT, LIBC("4"), encodings[i].lowered, "  (core module $main\n", main_text,
                           "    (global $mark i32 (i32.const ", encodings[i].mark, ")))\n",
                           "  (core instance $i (instantiate $main " WITH "))\n", encodings[i].lifted);
    torvyn_linked_t *linked = linked_once(component_from(engine, text), NULL);
    CHECK(torvyn_linked_path(linked) == TORVYN_PATH_GENERAL);
    torvyn_instance_t *instance = instance_of(linked, 1, NULL);
    texts(instance, i);
    torvyn_instance_free(instance);
    torvyn_linked_free(linked);
  }
  torvyn_engine_free(engine);
  return check_end();
}
