//! Components made of the fuzzer's bytes: wasm-smith's modules and components in one with a role, and
//! composed ones. The fuzz targets, which are C, load this library and call `torvyn_generate`.

mod composed;
mod generated;
mod modules;
mod types;

use arbitrary::{Result, Unstructured};
use generated::{Call, Generated, Validity};

/// `torvyn_generate`'s `kind`, as `tests/c/generated.h` numbers them.
const MODULES: u32 = 0;
const COMPOSED: u32 = 1;

/// Whether something is to be that is only once in `n` times, and never where the input is at its end.
fn rare(u: &mut Unstructured<'_>, n: u8) -> Result<bool> {
    Ok(u.int_in_range(1..=n)? == n)
}

fn component(kind: u32, u: &mut Unstructured<'_>) -> Result<(Vec<u8>, Vec<Call>, Validity)> {
    match kind {
        MODULES => {
            let shape = u.int_in_range(0u8..=31)?;
            let (component, calls) = modules::component(shape % 2 == 1, shape == 31, u)?;
            Ok((component, calls, Validity::Valid))
        }
        COMPOSED => {
            let (text, runs) = composed::component(u.arbitrary()?, u)?;
            let calls = (0..runs).map(|n| Call::new(&format!("run{n}"))).collect();
            Ok((text.into_bytes(), calls, Validity::Compiles))
        }
        // wasm-smith makes tuples of nothing.
        _ => Ok((modules::nested(u)?, Vec::new(), Validity::Any)),
    }
}

/// Makes a component of the bytes and gives it to `run`; nothing where they are too few for one.
///
/// # Safety
///
/// `bytes` points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn torvyn_generate(
    kind: u32,
    bytes: *const u8,
    len: usize,
    run: extern "C" fn(*const Generated),
) {
    // SAFETY: the caller's promise.
    let bytes = if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(bytes, len) } };
    let mut u = Unstructured::new(bytes);
    let Ok(configuration) = u.arbitrary::<u8>() else { return };
    let Ok((component, calls, validity)) = component(kind, &mut u) else { return };
    run(&Generated {
        bytes: component.as_ptr(),
        len: component.len(),
        calls: calls.as_ptr(),
        call_count: calls.len(),
        configuration: configuration.into(),
        validity,
    });
}
