#!/bin/sh
# Builds stages.wasm and extism-plugin.wasm; README.md says what they are.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/wit/deps"
cp stages.wit "$tmp/wit/"
cp -r ../../wit/torvyn-streaming ../../wit/torvyn-filtering "$tmp/wit/deps/"
wasm-tools component embed "$tmp/wit" stages.wat --world stages -o "$tmp/core.wasm"
wasm-tools component new "$tmp/core.wasm" | wasm-tools strip -o stages.wasm
wasm-tools validate stages.wasm
wasm-tools parse extism-plugin.wat | wasm-tools strip -o extism-plugin.wasm
