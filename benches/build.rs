//! The benchmark counts the heap allocations of the whole process, `libtorvyn.so`'s among them, by
//! defining `malloc` and its kin itself (`hot_path/heap.rs`); the program must export them for that.

fn main() {
    for name in ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"] {
        println!("cargo::rustc-link-arg-benches=-Wl,--export-dynamic-symbol={name}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
