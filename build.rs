//! Generates `include/torvyn.h` from `src/ffi`, where it is not what is there already.

use std::path::Path;

/// The C text of one file of `src/ffi`, in the house's manner: tags without `_t`, used only where
/// they are defined, and comments of one line on one line.
fn section(config: &cbindgen::Config, file: &Path) -> Result<String, cbindgen::Error> {
    let bindings = cbindgen::Builder::new().with_config(config.clone()).with_src(file).generate()?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let mut text = String::from_utf8_lossy(&text).trim().to_owned();
    for name in config.export.rename.values() {
        for kind in ["struct", "enum", "union"] {
            let bare = name.trim_end_matches("_t");
            let tag = format!("typedef {kind} {bare} ");
            text = text.replace(&format!("typedef {kind} {name} "), &tag);
            // Where it points to its own kind, the name is not there yet.
            let (before, after) = text.split_at(text.find(&tag).map_or(0, |at| at + tag.len()));
            let (inside, after) = after.split_at(if before.is_empty() { 0 } else { after.find("\n}").unwrap_or(0) });
            let by_tag = |part: &str| part.replace(&format!("{kind} {name} "), &format!("{kind} {bare} "));
            let by_name = after.replace(&format!("{kind} {name} "), &format!("{name} "));
            text = by_tag(before) + &by_tag(inside) + &by_name;
        }
    }
    let lines: Vec<_> = text.lines().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < lines.len() {
        let (indent, rest) = lines[at].split_at(lines[at].len() - lines[at].trim_start().len());
        let next = |n: usize| lines.get(at + n).map_or("", |line| line.trim());
        match next(1).strip_prefix("* ") {
            Some(only) if rest == "/**" && next(2) == "*/" && indent.len() + only.len() <= 72 => {
                out.push_str(&format!("{indent}/** {only} */\n"));
                at += 3;
            }
            _ => {
                out.push_str(lines[at]);
                out.push('\n');
                at += 1;
            }
        }
    }
    Ok(out)
}

fn header(root: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let mut header = String::new();
    for line in std::fs::read_to_string(root.join("src/ffi/torvyn.h.in"))?.lines() {
        match line.strip_prefix("@include ") {
            Some(name) => header.push_str(&section(&config, &root.join("src/ffi").join(name))?),
            None => {
                header.push_str(line);
                header.push('\n');
            }
        }
    }
    for part in ["MAJOR", "MINOR", "PATCH"] {
        header = header.replace(&format!("@{part}@"), &std::env::var(format!("CARGO_PKG_VERSION_{part}"))?);
    }
    Ok(header)
}

fn main() {
    for input in ["build.rs", "cbindgen.toml", "Cargo.toml", "src/ffi"] {
        println!("cargo:rerun-if-changed={input}");
    }
    // The name under which programs look for it at run time: a number for each incompatible ABI.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libtorvyn.so.0");
        // Threads and thread-locals of the library may outlive a dlclose(): its code stays.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(std::path::PathBuf::from).unwrap_or_default();
    match header(&root) {
        // Source that does not parse is for the compiler to complain of.
        Err(error) => println!("cargo:warning=include/torvyn.h was not generated: {error}"),
        Ok(text) => {
            if let Some(out) = std::env::var_os("OUT_DIR") {
                // For the test that compares it with the committed one.
                let _ = std::fs::write(Path::new(&out).join("torvyn.h"), &text);
            }
            let path = root.join("include/torvyn.h");
            if std::fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                // Where the sources cannot be written, the header that came with them is good.
                let _ = std::fs::write(&path, text);
            }
        }
    }
}
