//! The shared libraries that are measured: where they are, and how libtorvyn's is built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::ways::Result;

/// The root of the source tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Cargo's target directory: this program is `TARGET/release/deps/hot_path-…` where cargo put it.
fn target() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    let in_place = exe.ancestors().nth(1).is_some_and(|folder| folder.ends_with("release/deps"));
    let found = exe.ancestors().nth(3).filter(|_| in_place);
    found.map_or_else(|| root().join("target"), Path::to_owned)
}

/// Where the results go.
pub fn results() -> PathBuf {
    target().join("hot-path")
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// The latest change of a source of the library.
fn newest(path: &Path) -> Option<SystemTime> {
    let Ok(entries) = path.read_dir() else { return changed(path) };
    entries.flatten().filter_map(|entry| newest(&entry.path())).max()
}

/// `libtorvyn.so` as the README says that it is built: as a library for C alone. Cargo links it
/// without link-time optimisation where it makes the Rust library in the same go, and under the
/// same name; so what was built here is kept under another, and built anew when a source changes.
/// `TORVYN_LIB` names another.
pub fn torvyn() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("TORVYN_LIB") {
        return Ok(given.into());
    }
    let (root, kept) = (root(), results().join("libtorvyn.so"));
    let source = ["src", "wit", "Cargo.toml", "build.rs"].iter().filter_map(|path| newest(&root.join(path))).max();
    if changed(&kept) > source {
        return Ok(kept);
    }
    eprintln!("building libtorvyn.so (some minutes)");
    let built = target().join("release").join("libtorvyn.so");
    // So that cargo links it, whoever did last.
    let _ = std::fs::remove_file(target().join("release/deps/libtorvyn.so"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["rustc", "--release", "--lib", "--crate-type", "cdylib", "--crate-type", "staticlib"])
        .arg("--target-dir")
        .arg(target())
        .status()?;
    if !status.success() {
        return Err("libtorvyn.so was not built".into());
    }
    std::fs::create_dir_all(results())?;
    std::fs::copy(built, &kept)?;
    Ok(kept)
}

/// Extism's shared library: `EXTISM_LIB`, or that of the Python package `extism-sys`.
pub fn extism() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("EXTISM_LIB") {
        return Some(given.into());
    }
    let script = "import extism_sys, glob, os; \
                  print(glob.glob(os.path.join(os.path.dirname(extism_sys.__file__), '*extism*.so'))[0])";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_file().then_some(path)
}
