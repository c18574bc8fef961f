//! Compiles what calls the library: C, so that the header is what is called.

fn main() {
    println!("cargo:rerun-if-changed=src/library.c");
    println!("cargo:rerun-if-changed=../include");
    cc::Build::new().file("src/library.c").std("c99").include("../include").warnings_into_errors(true).compile("suite");
}
