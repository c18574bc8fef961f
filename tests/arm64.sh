#!/bin/bash
# tests/arm64.sh [NAME...]: builds the library for 64-bit ARM and runs with it, on a processor
# that qemu emulates, the README's program, which holds the static library, and the C tests,
# or those whose names contain NAME. Says how long both took. Debian's packages for it are
# installed where they are missing and the user is root; where they cannot be had, it says
# "skipped: ..." and succeeds.
#
# The standard library is built with it, from Debian's sources as in guests/toolchains.sh.
# What is built lies in target/arm64 (CARGO_TARGET_DIR moves it).
set -euo pipefail
cd "$(dirname "$0")/.."

PACKAGES="rustc-web cargo-web rust-web-src gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
target=aarch64-unknown-linux-gnu
out=$(realpath -m "${CARGO_TARGET_DIR:-target}")/arm64
mkdir -p "$out"

there() {
    ls /usr/bin/{cargo,rustc,aarch64-linux-gnu-gcc,qemu-aarch64-static} \
        /usr/lib/rustlib/src/rust/library/std /usr/aarch64-linux-gnu/lib/libc.so.6 >"$out/log" 2>&1
}

# shellcheck disable=SC2086
install() {
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 install -qq -y --no-install-recommends $PACKAGES; } >"$out/log" 2>&1
}

there || { install && there; } || { echo "skipped: arm64: $(tail -n 1 "$out/log")"; exit 0; }

built=$out/$target/debug
TIMEFORMAT="built for arm64 in %0R s, %0U s of a processor"
time CARGO_TARGET_DIR=$out RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    /usr/bin/cargo rustc --quiet --locked --lib --crate-type cdylib --crate-type staticlib --target $target \
    -Zbuild-std=std,panic_unwind
TIMEFORMAT="tested on arm64 in %0R s, %0U s of a processor"
time {
    aarch64-linux-gnu-gcc -Iinclude examples-c/hello.c "$built/libtorvyn.a" -lpthread -ldl -lm -o "$built/hello"
    qemu-aarch64-static -L /usr/aarch64-linux-gnu "$built/hello" tests/guests/upper-case.wasm | grep -x "HELLO, COMPONENT"
    TORVYN_C_WRAP=arm64 TORVYN_C_LIBRARY=$built/libtorvyn.so cargo test --quiet --test c -- "$@"
}
