//! The manner of the header, held by reading the sources: every exported function is one `ffi!`,
//! says all that its comment must say, and is in `include/torvyn.h`.

use std::path::Path;

/// An exported function as the source has it.
struct Exported {
    name: String,
    comment: Vec<String>,
    params: Vec<String>,
    gives: String,
    body: String,
}

fn exported() -> Vec<Exported> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for at in (0..lines.len()).filter(|at| lines[*at].trim() == "#[unsafe(no_mangle)]") {
            let first = lines[..at].iter().rposition(|line| !line.starts_with("///")).map_or(0, |at| at + 1);
            let comment = lines[first..at].iter().map(|line| line[3..].trim().to_owned()).collect();
            let rest = lines[at + 1..].join(" ");
            let (head, rest) = rest.split_once('{').unwrap();
            let (before, after) = head.split_once('(').unwrap();
            let (params, gives) = after.rsplit_once(')').unwrap();
            let params = params.split(',').filter_map(|param| Some(param.split_once(':')?.0.trim().to_owned()));
            all.push(Exported {
                name: before.rsplit(' ').next().unwrap().to_owned(),
                comment,
                params: params.collect(),
                gives: gives.trim().to_owned(),
                body: rest.trim().chars().take(60).collect(),
            });
        }
    }
    assert!(all.len() > 70, "{}", all.len());
    all
}

/// Functions whose status is what was asked for, not what they came to.
const ANSWERS: [&str; 2] = ["torvyn_error_status", "torvyn_native_fail"];

#[test]
fn every_exported_function_goes_through_the_macro() {
    for Exported { name, comment, body, gives, params } in exported() {
        assert!(name.starts_with("torvyn_"), "{name}");
        let fallible = gives == "-> Status" && !ANSWERS.contains(&&*name);
        let quick = fallible && comment.iter().any(|line| line.starts_with("Cost:"));
        let (begins, kind) = match (fallible, quick) {
            (false, _) => ("ffi!(neutral: ", None),
            (true, true) => ("ffi!(quick, ", None),
            (true, false) => ("ffi!(", Some("making, ")),
        };
        let rest = body.strip_prefix(begins).unwrap_or_else(|| panic!("{name}: {body}"));
        let rest = kind.and_then(|kind| rest.strip_prefix(kind)).unwrap_or(rest);
        assert!(!fallible || rest.starts_with("err: err, out: ["), "{name}: {body}");
        assert_eq!(fallible, params.last().is_some_and(|last| last == "err"), "{name}");
    }
}

#[test]
fn every_comment_is_a_specification() {
    for Exported { name, comment, params, gives, .. } in exported() {
        let param = |line: &String| Some(line.strip_prefix("@param ")?.split_whitespace().next()?.to_owned());
        let named: Vec<_> = comment.iter().filter_map(param).collect();
        assert_eq!(named, params, "{name}");
        let has = |prefix: &str| comment.iter().any(|line| line.starts_with(prefix));
        for section in ["Thread: ", "Blocks: ", "Since:  0."] {
            assert!(has(section), "{name}: {section}");
        }
        match gives.as_str() {
            "" => assert!(!has("@return") && !has("@retval"), "{name}"),
            "-> Status" if !ANSWERS.contains(&&*name) => {
                assert!(has("@retval TORVYN_OK") && !has("@return"), "{name}");
                assert!(comment.iter().any(|l| l.contains("_PANIC") || l.contains("others")), "{name}");
            }
            _ => assert!(has("@return"), "{name}"),
        }
    }
}

#[test]
fn the_committed_header_is_what_the_sources_give() {
    let header = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("include/torvyn.h")).unwrap();
    assert!(
        header == include_str!(concat!(env!("OUT_DIR"), "/torvyn.h")),
        "touch build.rs, build, commit include/torvyn.h"
    );
    for Exported { name, .. } in exported() {
        assert!(header.contains(&format!("{name}(")), "{name}: its file is not in src/ffi/torvyn.h.in");
    }
    for line in header.lines().filter(|line| !line.contains("_unchecked(") && !line.contains("(const ")) {
        assert!(line.len() <= 80 || line.starts_with("         "), "{line}");
    }
}
