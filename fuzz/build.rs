//! Compiles the targets' C.

fn main() {
    println!("cargo:rerun-if-changed=../tests/c");
    println!("cargo:rerun-if-changed=../include");
    cc::Build::new()
        .file("src/targets.c")
        .std("gnu11")
        .include("../include")
        .define("CHECK_FAILS", "abort()")
        .define("FUZZ_GUESTS", concat!("\"", env!("CARGO_MANIFEST_DIR"), "/../tests/guests\""))
        .warnings_into_errors(true)
        .compile("targets");
}
