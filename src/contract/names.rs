//! Interface names and their versions: `torvyn:streaming/types@0.1.3` is one host interface with
//! `@0.1.0` and with no version at all; `@0.2.0` is another (Component Model, `Explainer.md`,
//! "canonical interface name").

use wasmparser::names::{ComponentName, ComponentNameKind, KebabStr};

/// The contract's version that this library is built against.
pub const VERSION: &str = "0.1.0";

/// Splits `ns:pkg/iface@1.2.3` into its name and its version, where it has one.
pub fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((base, version)) => (base, Some(version)),
        None => (name, None),
    }
}

/// The part of a version within which releases are compatible: `1`, `0.1` or `0.0.3`.
///
/// None for a pre-release or what is no version: those match themselves alone.
fn track(version: &str) -> Option<&str> {
    let release = version.split_once('+').map_or(version, |(release, _)| release);
    let mut parts = release.split('.');
    let (major, minor, patch) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || ![major, minor, patch].into_iter().all(number) {
        return None;
    }
    Some(match (major, minor) {
        ("0", "0") => release,
        ("0", _) => &release[..major.len() + 1 + minor.len()],
        _ => major,
    })
}

/// Whether what was built against one version runs with the other.
pub fn compatible(a: &str, b: &str) -> bool {
    a == b || (track(a).is_some() && track(a) == track(b))
}

/// Whether a component that names `interface` means the contract's interface `base`.
pub fn matches(interface: &str, base: &str) -> bool {
    let (name, version) = split(interface);
    name == base
        && match version {
            None => true,
            Some(v) => compatible(v, VERSION),
        }
}

/// The name among `names` that a component means the contract's interface `base` by, where there is one.
/// Of several the one at the newest version; a name with none counts as the oldest, and of two at the
/// same version the first is taken.
#[cfg(feature = "compiler")]
pub fn newest<'n>(names: impl Iterator<Item = &'n str>, base: &str) -> Option<&'n str> {
    let version = |name: &'n str| {
        let version = split(name).1?;
        let release = version.split_once('+').map_or(version, |(release, _)| release);
        // As long as numbers are, the longer one is the greater; they have no zeros in front.
        let part = |n| release.split('.').nth(n).map_or((0, ""), |part| (part.len(), part));
        Some([part(0), part(1), part(2)])
    };
    let newer = |best: &'n str, name: &'n str| if version(name) > version(best) { name } else { best };
    names.filter(|name| matches(name, base)).reduce(newer)
}

/// Whether it is a label: words between dashes, each in one case; digits may begin every word but the
/// first, as in `sha-256` (Component Model, `Explainer.md`, `label`). What the validator says of the
/// names in a component.
pub fn is_kebab(name: &str) -> bool {
    KebabStr::new(name).is_some()
}

/// Whether an import or an export of this name may be an interface: `ns:pkg/iface`, or with a version;
/// a plain name, as one has that is written in a world; or what a component says of where it is from.
pub fn is_interface(name: &str) -> bool {
    use ComponentNameKind::{Dependency, Hash, Interface, Label, Url};
    ComponentName::new(name, 0).is_ok_and(|name| match name.kind() {
        // The parser leaves the version to the validator.
        Interface(name) => name.version(None).is_ok(),
        Label(_) | Dependency(_) | Url(_) | Hash(_) => true,
        _ => false,
    })
}

/// Whether it names a function: a plain name, or that of a resource's method or constructor.
pub fn is_function(name: &str) -> bool {
    use ComponentNameKind::{Constructor, Label, Method, Static};
    let parsed = ComponentName::new(name, 0);
    parsed.is_ok_and(|name| matches!(name.kind(), Label(_) | Constructor(_) | Method(_) | Static(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compatible_versions_match() {
        let base = "torvyn:streaming/types";
        for ok in [
            "torvyn:streaming/types",
            "torvyn:streaming/types@0.1.0",
            "torvyn:streaming/types@0.1.7",
            "torvyn:streaming/types@0.1.7+build.5",
        ] {
            assert!(matches(ok, base), "{ok}");
        }
        for bad in [
            "torvyn:streaming/types@0.2.0",
            "torvyn:streaming/types@1.1.0",
            "torvyn:streaming/types@0.1",
            "torvyn:streaming/types@0.1.1-rc.1",
            "torvyn:streaming/type@0.1.0",
            "torvyn:streaming/types@",
            "torvyn:streaming/types@0.10.0",
        ] {
            assert!(!matches(bad, base), "{bad}");
        }
    }

    #[cfg(feature = "compiler")]
    #[test]
    fn the_newest_of_several_versions() {
        let base = "torvyn:streaming/sink";
        let of = |versions: &[&str]| {
            let names: Vec<_> = versions.iter().map(|v| format!("torvyn:streaming/sink{v}")).collect();
            newest(names.iter().map(String::as_str), base).map(|name| name[base.len()..].to_owned())
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["@0.2.0", "@1.0.0"]), None);
        for (versions, wanted) in [
            (["", "@0.1.0"], "@0.1.0"),
            (["@0.1.7", "@0.1.0"], "@0.1.7"),
            (["@0.1.9", "@0.1.10"], "@0.1.10"),
            (["@0.1.7", "@0.2.0"], "@0.1.7"),
            (["@0.1.7+a", "@0.1.7+b"], "@0.1.7+a"),
        ] {
            assert_eq!(of(&versions).as_deref(), Some(wanted));
            if !wanted.contains('+') {
                assert_eq!(of(&[versions[1], versions[0]]).as_deref(), Some(wanted));
            }
        }
    }

    #[test]
    fn tracks() {
        assert_eq!(track("1.2.3"), Some("1"));
        assert_eq!(track("0.1.9"), Some("0.1"));
        assert_eq!(track("0.0.3"), Some("0.0.3"));
        assert_eq!(track("0.1.0-rc.1"), None);
    }

    #[test]
    fn well_formed_names() {
        for good in [
            "a:b/c",
            "a-b:c-d/e-f@1.0.0",
            "a:b/utf-8",
            "a:b/c@0.2.0-rc-2023-11-10",
            "a:b/c@1.2.3+build.5",
            "host",
            "my-host",
            "url=<https://example.com/a.wasm>",
            "unlocked-dep=<a:b@{>=1.0.0}>",
            "locked-dep=<a:b@1.0.0>",
            "integrity=<sha256-jGgQ==>",
        ] {
            assert!(is_interface(good), "{good}");
        }
        for bad in [
            "",
            "bad_name",
            "1a",
            "[method]a.b",
            "url=a",
            " a:b/c",
            "a:b/c@1",
            "a:b/c@1.0.",
            "a:b/",
            "a/b",
            "a:b/c/d",
            "a:b/c@1.0.0-",
            "a:b/c@",
        ] {
            assert!(!is_interface(bad), "{bad}");
        }
        for good in
            ["f", "get-URL", "sha-256", "a-1b-2C", "[method]file.size", "[static]file.open", "[constructor]file"]
        {
            assert!(is_function(good), "{good}");
        }
        for bad in [
            "",
            "a b",
            "-a",
            "a-",
            "a--b",
            "1a",
            "256-sha",
            "a-1bC",
            "aB",
            "[method]file",
            "[other]f",
            "[method]f.",
            "f;",
        ] {
            assert!(!is_function(bad), "{bad}");
        }
    }
}
