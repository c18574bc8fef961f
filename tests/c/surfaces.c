/* What a component shows to the outside, and what of it is refused: the same on both paths, when it is
 * compiled or linked, and in plain words. */

#define _POSIX_C_SOURCE 200809L
#include "compose.h"

static const torvyn_path_t paths[] = {TORVYN_PATH_AUTO, TORVYN_PATH_GENERAL};

/* A component with lifecycle and these fields. */
static void add_with(text_t *text, const char *first, const char *fields) {
  add(text, "(component %s" SOUND "%s)", first, fields);
}

static void compiles(int status, const char *says, const char *first, const char *fields) {
  for (int p = 0; p < 2; p++) {
    torvyn_engine_t *engine = engine_on(paths[p]);
    torvyn_component_t *component = STALE;
    text_t text = {0};
    add_with(&text, first, fields);
    if (status == TORVYN_OK)
      OK(torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, &err));
    else
      EXPECT_TEXT(status, says, torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, &err));
    CHECK((component != NULL) == (status == TORVYN_OK));
    torvyn_component_free(component);
    torvyn_engine_free(engine);
    free(text.at);
  }
}

/* ---- imports ---------------------------------------------------------------------- */

static bool nothing(void *user, torvyn_scope_t *scope, const torvyn_value_t *args, size_t count,
                    torvyn_value_t *result) {
  (void)user, (void)scope, (void)args, (void)count, (void)result;
  return true;
}

static void nested(void) {
  static const struct {
    const char *import; /* one that nobody provides, but for the last ones */
    const char *says;
  } cases[] = {
      /* The library's, and a function of its own deeper inside. */
      {"(import \"torvyn:streaming/buffer-allocator@0.1.0\" (instance (export \"inner\" (instance (export \"f\" (func))))))",
       "torvyn:streaming/buffer-allocator@0.1.0#inner#f, which the contract does not have"},
      {"(import \"torvyn:capabilities/capability-query@0.1.0\" (instance (export \"has-capability\"\n"
       "  (instance (export \"f\" (func (param \"name\" string) (result bool)))))))",
       "torvyn:capabilities/capability-query@0.1.0#has-capability#f"},
      {"(import \"torvyn:streaming/buffer-allocator@0.1.0\" (instance (export \"a\" (instance (export \"b\"\n"
       "  (instance (export \"r\" (type (sub resource)))))))))",
       "torvyn:streaming/buffer-allocator@0.1.0#a#b#r"},
      {"(import \"torvyn:streaming/buffer-allocator@0.1.0\" (instance (export \"m\" (core module))))",
       "torvyn:streaming/buffer-allocator@0.1.0#m"},
      {"(import \"wasi:clocks/monotonic-clock@0.2.0\" (instance (export \"inner\" (instance (export \"now\" (func (result u64)))))))",
       "wasi:clocks/monotonic-clock@0.2.0#inner#now, which WASI does not have"},
      /* The program's. */
      {"(import \"acme:a/b@1.0.0\" (instance (export \"inner\" (instance (export \"f\" (func))))))", "it uses `inner#f`"},
      {"(import \"acme:a/defined@1.0.0\" (instance (export \"f\" (func)) (export \"inner\" (instance (export \"f\" (func))))))",
       "acme:a/defined@1.0.0#inner#f"},
      /* Nothing is asked for. */
      {"(import \"torvyn:streaming/buffer-allocator@0.1.0\" (instance (export \"inner\" (instance))))", NULL},
      {"(import \"acme:a/b@1.0.0\" (instance (export \"inner\" (instance (export \"t\" (type (eq $t)))))))", NULL},
  };
  part("imports: what an instance within an instance has");
  for (int p = 0; p < 2; p++)
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      torvyn_engine_t *engine = engine_on(paths[p]);
      torvyn_component_t *component;
      torvyn_imports_t *imports = STALE;
      torvyn_linked_t *linked = STALE;
      text_t text = {0};
      check_doing = cases[i].says ? cases[i].says : cases[i].import;
      add(&text, "(component (type $t u8) %s" SOUND ")", cases[i].import);
      component = compiled(engine, &text);
      OK(torvyn_imports_new(engine, &imports, &err));
      OK(torvyn_imports_define(imports, str("acme:a/defined@1.0.0"), str("f"), str("func()"), nothing, NULL, NULL, &err));
      if (cases[i].says) {
        EXPECT_TEXT(TORVYN_ERROR_UNRESOLVED_IMPORT, cases[i].says, torvyn_linked_new(component, imports, &linked, &err));
      } else {
        OK(torvyn_linked_new(component, imports, &linked, &err));
        torvyn_instance_free(instance_of(linked, 1, NULL));
      }
      torvyn_linked_free(linked);
      torvyn_imports_free(imports);
      torvyn_component_free(component);
      torvyn_engine_free(engine);
    }
}

/* ---- roles ------------------------------------------------------------------------ */

/* Lifecycle at two versions: `init` of the first succeeds, that of the second says `unavailable`. */
static void versions(void) {
  static const struct {
    const char *first, *second;
    int status; /* of init */
  } cases[] = {
      {"@0.1.0", "@0.1.7", TORVYN_ERROR_UNAVAILABLE}, {"@0.1.7", "@0.1.0", TORVYN_OK},
      {"@0.1.10", "@0.1.9", TORVYN_OK},               {"", "@0.1.0", TORVYN_ERROR_UNAVAILABLE},
      {"@0.1.0", "", TORVYN_OK},                      {"@0.1.1", "@0.2.0", TORVYN_OK},
  };
  part("roles: the newest of several versions");
  for (int p = 0; p < 2; p++)
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
      for (int broken = 0; broken < 2; broken++) {
        /* The one that does not count may have any type. */
        const char *type = broken ? "(param \"config\" u32) (param \"other\" u32) (result u32)" : "(param \"config\" string) (result (result (error $error)))";
        torvyn_engine_t *engine = engine_on(paths[p]);
        torvyn_component_t *component;
        torvyn_linked_t *linked;
        torvyn_instance_t *instance;
        text_t text = {0};
        int first = cases[i].status == TORVYN_OK;
        check_doing = cases[i].second;
        add(&text,
            "(component " TYPES "(core module $m (memory (export \"memory\") 1)\n" REALLOC INIT TEARDOWN
            "  (data (i32.const 512) \"\\01\\00\\00\\00\\01\")\n"
            "  (func (export \"other\") (param i32 i32) (result i32) (i32.const 512)))\n"
            "(core instance $i (instantiate $m)) (alias core export $i \"memory\" (core memory $memory))\n"
            "(func $init %s (canon lift (core func $i \"init\") (memory $memory) (realloc (core func $i \"realloc\"))))\n"
            "(func $other %s (canon lift (core func $i \"other\") (memory $memory) (realloc (core func $i \"realloc\"))))\n"
            "(func $end (canon lift (core func $i \"teardown\")))\n"
            "(instance $a (export \"init\" (func $init)) (export \"teardown\" (func $end)))\n"
            "(instance $b (export \"init\" (func $other)) (export \"teardown\" (func $end)))\n"
            "(export \"torvyn:streaming/lifecycle%s\" (instance $a)) (export \"torvyn:streaming/lifecycle%s\" (instance $b)))",
            first ? "(param \"config\" string) (result (result (error $error)))" : type,
            first ? type : "(param \"config\" string) (result (result (error $error)))", cases[i].first, cases[i].second);
        component = compiled(engine, &text);
        CHECK(torvyn_component_roles(component) == TORVYN_ROLE_LIFECYCLE);
        CHECK(torvyn_component_export_count(component) == 2);
        linked = linked_once(component, NULL);
        instance = instance_of(linked, 1, NULL);
        EXPECT(cases[i].status, torvyn_init(instance, str("x"), &err));
        torvyn_instance_free(instance);
        torvyn_linked_free(linked);
        torvyn_engine_free(engine);
      }
}

/* ---- texts ------------------------------------------------------------------------ */

static void texts(void) {
  static const struct {
    const char *import, *type;
  } cases[] = {
      {"(instance)", "interface {}"},
      {"(instance (export \"inner\" (instance)))", "inner: interface {}"},
      {"(instance (export \"f\" (func)) (export \"inner\" (instance (export \"r\" (type $r (sub resource)))\n"
       "  (export \"g\" (func (param \"r\" (borrow $r)))) (export \"more\" (instance (export \"h\" (func)))))))",
       "f: func()\nresource inner#r\ninner#g: func(r: borrow<r>)\ninner#more#h: func()"},
      {"(instance (export \"m\" (core module)) (export \"c\" (component)))", "m: module\nc: component"},
      {"(func (param \"a\" (list u8 3)))", "func(a: list<u8, 3>)"},
      {"(type (sub resource))", "resource"},
      {"(type (eq $list))", "list<u8>"},
      {"(core module)", "module"},
  };
  torvyn_engine_t *engine = engine_on(TORVYN_PATH_AUTO);
  part("texts: none is empty");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    torvyn_component_t *component;
    text_t text = {0};
    check_doing = cases[i].import;
    add(&text, "(component (type $list (list u8)) (import \"acme:a/b\" %s)" SOUND
               "(instance $none) (export \"none\" (instance $none)))", cases[i].import);
    component = compiled(engine, &text);
    CHECK(torvyn_component_import_count(component) >= 1);
    for (size_t n = 0; n < torvyn_component_import_count(component); n++) {
      torvyn_str_t type = torvyn_component_import_type(component, n);
      CHECK(type.len > 0);
      if (!str_is(torvyn_component_import(component, n), "acme:a/b")) continue;
      if (!str_is(type, cases[i].type)) fprintf(stderr, "%s: `%s`, not `%s`\n", cases[i].import, type.data, cases[i].type);
      CHECK(str_is(type, cases[i].type));
    }
    CHECK(str_is(torvyn_component_export_type(component, 1), "interface {}"));
    torvyn_component_free(component);
  }
  torvyn_engine_free(engine);
}

/* ---- the path --------------------------------------------------------------------- */

static void reasons(void) {
  static const struct {
    const char *fields, *reason;
  } cases[] = {
      {"(type $r (resource (rep i32))) (core func (canon resource.new $r))", "defines resources"},
      {"(type $r (resource (rep i32))) (core func $drop (canon resource.drop $r))\n"
       "(core module $n (import \"\" \"drop\" (func (param i32))))\n"
       "(core instance (instantiate $n (with \"\" (instance (export \"drop\" (func $drop))))))",
       "defines resources"},
      {"(component $a (core module $n (func (export \"f\") (result i32) (i32.const 1))) (core instance $n (instantiate $n))\n"
       "  (func (export \"f\") (result u32) (canon lift (core func $n \"f\"))))\n"
       "(component $b (import \"f\" (func $f (result u32))) (core func $f (canon lower (func $f)))\n"
       "  (core module $n (import \"\" \"f\" (func (result i32))))\n"
       "  (core instance (instantiate $n (with \"\" (instance (export \"f\" (func $f)))))))\n"
       "(instance $a (instantiate $a)) (instance $b (instantiate $b (with \"f\" (func $a \"f\"))))",
       "is composed of components that call one another"},
      {"(func (export \"f\") (canon lift (core func $i \"teardown\")))", "exports f, which is none of the contract's"},
  };
  torvyn_engine_t *engine = engine_on(TORVYN_PATH_AUTO);
  part("the path: why a component is not direct, in plain words");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    torvyn_component_t *component;
    torvyn_str_t reason;
    text_t text = {0};
    check_doing = cases[i].reason;
    add_with(&text, "", cases[i].fields);
    component = compiled(engine, &text);
    reason = torvyn_component_path_reason(component);
    if (!str_is(reason, cases[i].reason)) fprintf(stderr, "`%s`, not `%s`\n", reason.data, cases[i].reason);
    CHECK(str_is(reason, cases[i].reason) && torvyn_component_path(component) == TORVYN_PATH_GENERAL);
    torvyn_component_free(component);
  }
  torvyn_engine_free(engine);
}

/* ---- what is too much -------------------------------------------------------------- */

/* A value of `$t` from one component to another, which takes it apart no further. */
#define PASSED(type) \
  "(component $callee (type $t " type ") (export $x \"t\" (type $t))\n" \
  "  (core module $m (memory (export \"memory\") 1) (func (export \"f\") (param i32))\n" \
  REALLOC ")\n" \
  "  (core instance $m (instantiate $m)) (func (export \"f\") (param \"a\" $x) (canon lift (core func $m \"f\")\n" \
  "    (memory (core memory $m \"memory\")) (realloc (core func $m \"realloc\")))))\n" \
  "(component $caller (type $t " type ") (import \"t\" (type $x (eq $t))) (import \"f\" (func $f (param \"a\" $x)))\n" \
  "  (core module $memory (memory (export \"memory\") 1)) (core instance $memory (instantiate $memory))\n" \
  "  (core func $f (canon lower (func $f) (memory (core memory $memory \"memory\"))))\n" \
  "  (core module $m (import \"\" \"f\" (func $f (param i32))) (func (export \"run\") (call $f (i32.const 8))))\n" \
  "  (core instance $m (instantiate $m (with \"\" (instance (export \"f\" (func $f))))))\n" \
  "  (func (export \"run\") (canon lift (core func $m \"run\"))))\n" \
  "(instance $callee (instantiate $callee))\n" \
  "(instance $caller (instantiate $caller (with \"t\" (type $callee \"t\")) (with \"f\" (func $callee \"f\"))))\n" \
  "(export \"run\" (func $caller \"run\"))"

static void values(void) {
  static const char *const large[] = {
      "(type (list u8 268435456))",
      "(type (list u64 536870912))",
      "(type $a (list u8 65536)) (type (list $a 65536))",
      "(type $a (list u64 1073741824)) (type $b (list $a 1073741824)) (type (list $b 1073741824))",
      "(type $a (list u8 134217728)) (type (tuple $a $a))",
      "(type $a (list u8 134217728)) (type (func (param \"a\" $a) (param \"b\" $a)))",
      "(type $a (list u8 268435455)) (type (option $a))",
      "(type $a (list u8 268435455)) (type (variant (case \"a\" $a) (case \"b\" u64)))",
      "(component (type (list u8 268435456)))",
      "(type (instance (type $a (list u8 268435456)) (export \"a\" (type (eq $a)))))",
  };
  part("values: too large for the canonical ABI");
  for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
    check_doing = large[i];
    compiles(TORVYN_ERROR_UNSUPPORTED, "values of 268435456 bytes or more", "", large[i]);
  }
  part("instances: nested more deeply than the validator counts");
  for (int types = 0; types < 2; types++)
    for (int deep = 0; deep < 2; deep++) {
      text_t more = {0};
      int levels = (types ? 20 : 120) + 20 * deep;
      if (types) {
        add(&more, "(type $t0 (list u8))");
        for (int i = 1; i < 95; i++) add(&more, "(type $t%d (list $t%d))", i, i - 1);
        add(&more, "(import \"f\" (func $f (param \"a\" $t94))) (instance $i0 (export \"f\" (func $f)))");
      } else {
        add(&more, "(instance $i0)");
      }
      for (int i = 1; i < levels; i++) add(&more, "(instance $i%d (export \"a\" (instance $i%d)))", i, i - 1);
      compiles(deep ? TORVYN_ERROR_UNSUPPORTED : TORVYN_OK, "nests instances, with the types in them", "", more.at);
      if (deep) { /* what is wrong with it besides is found before */
        add(&more, "(import \"s\" (func (param \"a\" (stream u8))))");
        compiles(TORVYN_ERROR_UNSUPPORTED, "nests instances", "", more.at);
        compiles(TORVYN_ERROR_UNSUPPORTED, "nests instances", "(import \"m\" (core module (import \"\" \"t\" (tag))))", more.at);
      }
      free(more.at);
    }

  compiles(TORVYN_OK, "", "", "(type $a (list u8 268435455)) (type $b (list u64 33554431)) (type (list (list u8 1000)))");

  part("values: that adapters of Wasmtime never come to an end with");
  compiles(TORVYN_ERROR_UNSUPPORTED, "a list of a fixed length of more than 1000", "", PASSED("(list u8 1001)"));
  compiles(TORVYN_ERROR_UNSUPPORTED, "a list of a fixed length of more than 1000", "", PASSED("(record (field \"a\" (list (list u64 100000) 2)))"));
  compiles(TORVYN_OK, "", "", PASSED("(list (list u64 1000) 2)"));
  for (int cases = 1000; cases < 1002; cases++) {
    text_t names = {0}, text = {0};
    for (int i = 0; i < cases; i++) add(&names, " \"n%d\"", i);
    add(&text, PASSED("(enum %s)"), names.at, names.at);
    compiles(cases == 1000 ? TORVYN_OK : TORVYN_ERROR_UNSUPPORTED, "an enum of more than 1000 cases", "", text.at);
    free(names.at);
    free(text.at);
  }

  part("memories and tables that start with more than there is");
  {
    static const char *const fields[] = {"(memory i64 0x1000000000000)", "(memory i64 0x100000000)", "(memory 65536)",
                                         "(table i64 0x1000000000000000 funcref)", "(table 0xffffffff funcref)"};
    for (int p = 0; p < 2; p++)
      for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        torvyn_engine_t *engine = engine_on(paths[p]);
        torvyn_linked_t *linked;
        torvyn_instance_t *instance = STALE;
        text_t text = {0};
        check_doing = fields[i];
        add(&text, "(component " SOUND "(core module $n %s) (core instance (instantiate $n)))", fields[i]);
        linked = linked_from(engine, &text, NULL);
        EXPECT(TORVYN_ERROR_MEMORY, torvyn_instance_new(linked, 1, NULL, &instance, &err));
        CHECK(instance == NULL);
        torvyn_linked_free(linked);
        torvyn_engine_free(engine);
      }
  }
}

/* What a module says of its memories, tables and globals before it runs: Wasmtime makes code of it, and images. */
static void contents(void) {
  static const char *const images[] = {
      "(core module (memory 256) (data (i32.const 0) \"a\") (data (i32.const 16777215) \"a\"))",
      "(core module (func $f) (table 1048576 funcref) (elem (i32.const 1048575) func $f))",
  };
  static const struct {
    const char *start, *each;
    int fine; /* so many compile */
  } items[] = {
      {"(core module (import \"\" \"t\" (table 1 funcref)) (func $f) (elem (i32.const 0) func", " $f", 500},
      {"(core module (func $f) (table 70000 funcref) (elem (i32.const 0) func", " $f", 70000}, /* an image */
      {"(core module (func $f) (elem func", " $f", 500},
      {"(core module (import \"\" \"m\" (memory 1))", " (data (i32.const 0) \"\"", 50},
  };
  part("modules: first contents that take too much to compile");
  for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
    text_t text = {0};
    for (int k = 0; k < 17; k++) add(&text, "%s", images[i]);
    compiles(TORVYN_ERROR_UNSUPPORTED, "first contents", "", text.at);
    free(text.at);
    compiles(TORVYN_OK, "", "", images[i]);
  }
  for (size_t i = 0; i < sizeof items / sizeof *items; i++)
    for (int much = 0; much < 2; much++) {
      text_t text = {0};
      if (much && items[i].fine > 65536) continue;
      add(&text, "%s", items[i].start);
      for (int k = 0; k < (much ? 65537 : items[i].fine); k++) add(&text, "%s%s", items[i].each, i == 3 ? ")" : "");
      add(&text, i == 3 ? ")" : "))");
      compiles(much ? TORVYN_ERROR_UNSUPPORTED : TORVYN_OK, "more than 65536 globals, elements of tables", "", text.at);
      free(text.at);
    }
}

static void order(void) {
  text_t text = {0};
  part("validity comes first: what is not valid and too much is not valid");
  add(&text, "(component $c0 (core module $n) (core instance (instantiate $n)))\n");
  for (int i = 1; i <= 20; i++)
    add(&text, "(component $c%d (alias outer 1 $c%d (component $x)) (instance (instantiate $x)) (instance (instantiate $x)))\n",
        i, i - 1);
  add(&text, "(instance (instantiate $c20))");
  compiles(TORVYN_ERROR_UNSUPPORTED, "items when the components in it are instantiated", "", text.at);
  add(&text, "(instance (instantiate 99))");
  compiles(TORVYN_ERROR_MALFORMED, "unknown component 99", "", text.at);
  part("components that are had from elsewhere are counted as what they are");
  compiles(TORVYN_OK, "", "",
           "(component $box (component $c (core module $n) (core instance (instantiate $n))) (export \"c\" (component $c)))\n"
           "(instance $box (instantiate $box)) (alias export $box \"c\" (component $c)) (instance (instantiate $c))");
  compiles(TORVYN_ERROR_UNSUPPORTED, "component imports", "(import \"c\" (component $c)) (instance (instantiate $c))", "");
  free(text.at);
}

/* As many components as there may be memories in what passes values between them. */
static void memories(void) {
  part("memories: a hundred in a composed component");
  for (int n = 98; n < 100; n++) { /* with the first one's and the caller's */
    torvyn_engine_config_t config = {.struct_size = sizeof config, .instance_limit = 1000, .optimize = TORVYN_OPTIMIZE_NONE};
    torvyn_engine_t *engine = engine_with(&config);
    torvyn_component_t *component = STALE;
    text_t text = {0};
    add(&text, "(component " SOUND
               "(component $callee (core module $m (memory (export \"memory\") 1)\n" REALLOC
               "  (func (export \"f\") (param i32 i32))) (core instance $m (instantiate $m))\n"
               "  (func (export \"f\") (param \"s\" string) (canon lift (core func $m \"f\") (memory (core memory $m \"memory\"))\n"
               "    (realloc (core func $m \"realloc\")))))\n"
               "(component $caller (core module $l (memory (export \"memory\") 1)) (core instance $l (instantiate $l))\n");
    for (int i = 0; i < n; i++)
      add(&text, "(import \"f%d\" (func $f%d (param \"s\" string)))\n"
                 "(core func $f%d (canon lower (func $f%d) (memory (core memory $l \"memory\"))))\n", i, i, i, i);
    add(&text, "(core module $m");
    for (int i = 0; i < n; i++) add(&text, "(import \"\" \"f%d\" (func (param i32 i32)))\n", i);
    add(&text, "(func (export \"run\") (call 0 (i32.const 8) (i32.const 20)) (call %d (i32.const 8) (i32.const 20))))\n"
               "(core instance $m (instantiate $m (with \"\" (instance", n - 1);
    for (int i = 0; i < n; i++) add(&text, " (export \"f%d\" (func $f%d))", i, i);
    add(&text, "))))\n(func (export \"run\") (canon lift (core func $m \"run\"))))\n");
    for (int i = 0; i < n; i++) add(&text, "(instance $c%d (instantiate $callee))\n", i);
    add(&text, "(instance $caller (instantiate $caller");
    for (int i = 0; i < n; i++) add(&text, " (with \"f%d\" (func $c%d \"f\"))", i, i);
    add(&text, ")) (export \"run\" (func $caller \"run\")))");
    if (n == 98) {
      torvyn_linked_t *linked = linked_from(engine, &text, NULL);
      torvyn_values_t *values = STALE;
      torvyn_instance_t *instance;
      instance = instance_of(linked, 1, NULL);
      OK(torvyn_call(instance, str(""), str("run"), NULL, 0, &values, &err));
      torvyn_values_free(values);
      torvyn_instance_free(instance);
      torvyn_linked_free(linked);
    } else {
      EXPECT_TEXT(TORVYN_ERROR_UNSUPPORTED, "comes to more than 100 memories",
                  torvyn_component_compile(engine, (const uint8_t *)text.at, text.len, &component, &err));
    }
    free(text.at);
    torvyn_engine_free(engine);
  }
}

int main(int argc, char **argv) {
  check_begin(argc, argv);
  nested();
  versions();
  texts();
  reasons();
  values();
  contents();
  order();
  memories();
  return check_end();
}
