#include <stdio.h>
#include <torvyn.h>

int main(int argc, char **argv) {
  torvyn_engine_t *engine;
  torvyn_component_t *component;
  torvyn_linked_t *linked;
  torvyn_instance_t *instance;
  torvyn_output_t output;
  torvyn_error_t *err;
  torvyn_element_t element = {.payload = {(const uint8_t *)"hello, component\n", 17}};
  if (torvyn_engine_new(NULL, &engine, &err) < 0 ||
      torvyn_component_compile_file(engine, argc > 1 ? argv[1] : "", &component, &err) < 0 ||
      torvyn_linked_new(component, NULL, &linked, &err) < 0 ||
      torvyn_instance_new(linked, 1, NULL, &instance, &err) < 0 ||
      torvyn_process(instance, &element, &output, &err) < 0)
    return fprintf(stderr, "%s\n", torvyn_error_message(err).data), 1;
  fwrite(output.bytes.data, 1, output.bytes.len, stdout);
  torvyn_output_release(&output);
  torvyn_instance_free(instance);
  torvyn_linked_free(linked);
  torvyn_component_free(component);
  torvyn_engine_free(engine);
  return 0;
}
