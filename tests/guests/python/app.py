"""The word count in Python."""

from collections import Counter
from dataclasses import replace

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import buffer_allocator
from wit_world.imports.types import (
    OutputElement,
    ProcessError_InvalidInput,
    ProcessResult,
    ProcessResult_Drop,
    ProcessResult_Emit,
    StreamElement,
)

threshold = 1
seen: Counter[str] = Counter()


class Lifecycle(exports.Lifecycle):
    def init(self, config: str) -> None:
        global threshold
        try:
            threshold = int(config or "1")
        except ValueError as e:
            raise Err(ProcessError_InvalidInput(f"configuration `{config}` is no number: {e}"))
        print("counting from", threshold)

    def teardown(self) -> None:
        print(len(seen), "different words")


class Processor(exports.Processor):
    def process(self, input: StreamElement) -> ProcessResult:
        content_type = input.meta.content_type
        if content_type and not content_type.startswith("text/"):
            raise Err(ProcessError_InvalidInput(f"not text: {content_type}"))
        text = input.payload.read_all().decode(errors="replace")
        if text == "panic":
            raise RuntimeError("asked to")
        lines = count(text)
        if not lines:
            return ProcessResult_Drop()
        with buffer_allocator.allocate(len(lines)) as buffer:
            buffer.append(lines)
            buffer.set_content_type("text/plain")
            meta = replace(input.meta, content_type="text/plain")
            return ProcessResult_Emit(OutputElement(meta, buffer.freeze()))


def count(text: str) -> bytes:
    """A line for each word of `text` that has come often enough by now."""
    lines = ""
    for word in text.split():
        seen[word] += 1
        if seen[word] >= threshold:
            lines += f"{word} {seen[word]}\n"
    return lines.encode()
