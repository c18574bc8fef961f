//! The word count in Zig. The C bindings are `@import("c")`.

const std = @import("std");
const c = @import("c");

// What leaves in a result is freed by the bindings, with C's `free`.
const gpa = std.heap.c_allocator;

var threshold: u64 = 1;
var seen: std.StringHashMapUnmanaged(u64) = .empty;

// A panic is a trap. The usual one prints first, for which it imports WASI.
pub const panic = std.debug.no_panic;

const Error = c.torvyn_streaming_types_process_error_t;
const String = c.managed_transform_string_t;

fn view(bytes: anytype) []const u8 {
    return if (bytes.len == 0) "" else bytes.ptr[0..bytes.len];
}

fn owned(text: []const u8) String {
    var copy: String = undefined;
    c.managed_transform_string_dup_n(&copy, text.ptr, text.len);
    return copy;
}

fn invalid(err: *Error, comptime format: []const u8, args: anytype) bool {
    const why = std.fmt.allocPrint(gpa, format, args) catch @panic("out of memory");
    defer gpa.free(why);
    err.tag = c.TORVYN_STREAMING_TYPES_PROCESS_ERROR_INVALID_INPUT;
    err.val.invalid_input = owned(why);
    return false;
}

export fn exports_torvyn_streaming_lifecycle_init(config: *String, err: *Error) bool {
    defer c.managed_transform_string_free(config);
    const text = view(config.*);
    threshold = if (text.len == 0) 1 else std.fmt.parseInt(u64, text, 10) catch |e|
        return invalid(err, "configuration `{s}` is no number: {t}", .{ text, e });
    return true;
}

export fn exports_torvyn_streaming_lifecycle_teardown() void {
    var words = seen.keyIterator();
    while (words.next()) |word| gpa.free(word.*);
    seen.clearAndFree(gpa);
}

export fn exports_torvyn_streaming_processor_process(
    input: *c.torvyn_streaming_types_stream_element_t,
    ret: *c.torvyn_streaming_types_process_result_t,
    err: *Error,
) bool {
    // What an element brings is the guest's to give back: two borrows and a string.
    defer c.torvyn_streaming_types_buffer_drop_borrow(input.payload);
    defer c.torvyn_streaming_types_flow_context_drop_borrow(input.context);
    defer c.managed_transform_string_free(&input.meta.content_type);

    const content_type = view(input.meta.content_type);
    if (content_type.len > 0 and !std.mem.startsWith(u8, content_type, "text/"))
        return invalid(err, "not text: {s}", .{content_type});

    var payload: c.managed_transform_list_u8_t = undefined;
    c.torvyn_streaming_types_method_buffer_read_all(input.payload, &payload);
    defer c.managed_transform_list_u8_free(&payload);
    const text = view(payload);
    if (std.mem.eql(u8, text, "panic")) @panic("asked to");

    const lines = count(text) catch @panic("out of memory");
    defer gpa.free(lines);
    if (lines.len == 0) {
        ret.tag = c.TORVYN_STREAMING_TYPES_PROCESS_RESULT_DROP;
        return true;
    }
    ret.tag = c.TORVYN_STREAMING_TYPES_PROCESS_RESULT_EMIT;
    ret.val.emit.payload = emit(lines) catch {
        err.tag = c.TORVYN_STREAMING_TYPES_PROCESS_ERROR_UNAVAILABLE;
        err.val.unavailable = owned("the host refused a buffer");
        return false;
    };
    ret.val.emit.meta = input.meta;
    ret.val.emit.meta.content_type = owned("text/plain");
    return true;
}

/// A line for each word of `text` that has come often enough by now.
fn count(text: []const u8) ![]u8 {
    var lines: std.ArrayList(u8) = .empty;
    errdefer lines.deinit(gpa);
    var words = std.mem.tokenizeAny(u8, text, &std.ascii.whitespace);
    while (words.next()) |word| {
        const entry = try seen.getOrPut(gpa, word);
        if (!entry.found_existing) {
            entry.key_ptr.* = try gpa.dupe(u8, word);
            entry.value_ptr.* = 0;
        }
        entry.value_ptr.* += 1;
        if (entry.value_ptr.* >= threshold) try lines.print(gpa, "{s} {d}\n", .{ word, entry.value_ptr.* });
    }
    return lines.toOwnedSlice(gpa);
}

/// A frozen buffer with `lines`. Freezing leaves the mutable handle the guest's to drop.
fn emit(lines: []u8) error{Refused}!c.torvyn_streaming_types_own_buffer_t {
    var buffer: c.torvyn_streaming_types_own_mutable_buffer_t = undefined;
    var e: c.torvyn_streaming_types_buffer_error_t = undefined;
    errdefer c.torvyn_streaming_types_buffer_error_free(&e);
    if (!c.torvyn_streaming_buffer_allocator_allocate(lines.len, &buffer, &e)) return error.Refused;
    defer c.torvyn_streaming_types_mutable_buffer_drop_own(buffer);
    const borrow = c.torvyn_streaming_types_borrow_mutable_buffer(buffer);
    var content_type: String = .{ .ptr = @constCast("text/plain"), .len = "text/plain".len };
    c.torvyn_streaming_types_method_mutable_buffer_set_content_type(borrow, &content_type);
    var bytes: c.managed_transform_list_u8_t = .{ .ptr = lines.ptr, .len = lines.len };
    if (!c.torvyn_streaming_types_method_mutable_buffer_append(borrow, &bytes, &e)) return error.Refused;
    return c.torvyn_streaming_types_method_mutable_buffer_freeze(borrow);
}
