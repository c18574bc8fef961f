// The word count in C++17, with its standard library.
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unordered_map>

#include "managed_transform.h"

// libc++ calls this where it would throw; its own prints first, for which it imports WASI.
void std::__libcpp_verbose_abort(const char *, ...) noexcept { std::abort(); }

namespace {

using Error = torvyn_streaming_types_process_error_t;

std::uint64_t threshold;
std::unordered_map<std::string, std::uint64_t> seen;

std::string_view view(const managed_transform_string_t &s) { return {reinterpret_cast<char *>(s.ptr), s.len}; }

// A copy that may leave in a result: the bindings free it.
managed_transform_string_t owned(std::string_view s) {
  managed_transform_string_t copy;
  managed_transform_string_dup_n(&copy, s.data(), s.size());
  return copy;
}

bool invalid(Error *err, std::string_view why) {
  err->tag = TORVYN_STREAMING_TYPES_PROCESS_ERROR_INVALID_INPUT;
  err->val.invalid_input = owned(why);
  return false;
}

// What an element brings is the guest's to give back: two borrows and a string.
struct Input {
  torvyn_streaming_types_stream_element_t &element;
  ~Input() {
    torvyn_streaming_types_buffer_drop_borrow(element.payload);
    torvyn_streaming_types_flow_context_drop_borrow(element.context);
    managed_transform_string_free(&element.meta.content_type);
  }
  std::string text() const {
    managed_transform_list_u8_t bytes;
    torvyn_streaming_types_method_buffer_read_all(element.payload, &bytes);
    std::string text(reinterpret_cast<char *>(bytes.ptr), bytes.len);
    managed_transform_list_u8_free(&bytes);
    return text;
  }
};

// A line for each word of `text` that has come often enough by now.
std::string count(std::string_view text) {
  constexpr std::string_view space = " \t\n\f\r";
  std::string lines;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(space), text.size()));
    if (text.empty()) return lines;
    std::string word(text.substr(0, text.find_first_of(space)));
    text.remove_prefix(word.size());
    auto times = ++seen[word];
    if (times >= threshold) lines += word + ' ' + std::to_string(times) + '\n';
  }
}

// A frozen buffer with `lines`. Freezing leaves the mutable handle the guest's to drop.
bool emit(std::string &lines, managed_transform_string_t *type, torvyn_streaming_types_own_buffer_t *out,
          torvyn_streaming_types_buffer_error_t *e) {
  torvyn_streaming_types_own_mutable_buffer_t buffer;
  if (!torvyn_streaming_buffer_allocator_allocate(lines.size(), &buffer, e)) return false;
  auto borrow = torvyn_streaming_types_borrow_mutable_buffer(buffer);
  managed_transform_list_u8_t bytes = {reinterpret_cast<std::uint8_t *>(lines.data()), lines.size()};
  torvyn_streaming_types_method_mutable_buffer_set_content_type(borrow, type);
  bool fits = torvyn_streaming_types_method_mutable_buffer_append(borrow, &bytes, e);
  if (fits) *out = torvyn_streaming_types_method_mutable_buffer_freeze(borrow);
  torvyn_streaming_types_mutable_buffer_drop_own(buffer);
  return fits;
}

} // namespace

bool exports_torvyn_streaming_lifecycle_init(managed_transform_string_t *config, Error *err) {
  std::string text(view(*config));
  managed_transform_string_free(config);
  threshold = 1;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), threshold);
  if (!text.empty() && (failure != std::errc{} || end != text.data() + text.size()))
    return invalid(err, "configuration `" + text + "` is no number");
  return true;
}

void exports_torvyn_streaming_lifecycle_teardown() { seen.clear(); }

bool exports_torvyn_streaming_processor_process(torvyn_streaming_types_stream_element_t *element,
                                                torvyn_streaming_types_process_result_t *ret, Error *err) {
  Input input{*element};
  std::string type(view(element->meta.content_type));
  if (!type.empty() && type.rfind("text/", 0) != 0) return invalid(err, "not text: " + type);
  std::string text = input.text();
  if (text == "panic") std::abort();

  std::string lines = count(text);
  if (lines.empty()) {
    ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_DROP;
    return true;
  }
  torvyn_streaming_types_buffer_error_t e;
  auto &out = ret->val.emit;
  ret->tag = TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
  out.meta = {element->meta.sequence, element->meta.timestamp_ns, owned("text/plain")};
  if (!emit(lines, &out.meta.content_type, &out.payload, &e)) {
    managed_transform_string_free(&out.meta.content_type);
    torvyn_streaming_types_buffer_error_free(&e);
    err->tag = TORVYN_STREAMING_TYPES_PROCESS_ERROR_UNAVAILABLE;
    err->val.unavailable = owned("the host refused a buffer");
    return false;
  }
  return true;
}
