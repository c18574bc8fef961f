//! Fuel for what the host does for a guest: a unit for each byte that it copies, as Wasmtime has it
//! for the guest's own copies (`memory.copy`).

use wasmtime::{StoreContextMut, Trap};

use crate::contract::host::Host;

/// Takes the fuel for `bytes` that were copied, where fuel is on. Fails as a guest does that has none
/// left.
#[inline]
pub fn charge(cx: impl wasmtime::AsContextMut<Data = Host>, bytes: usize) -> wasmtime::Result<()> {
    let mut cx = cx;
    if cx.as_context().data().fuel { take(cx.as_context_mut(), bytes as u64) } else { Ok(()) }
}

#[cold]
fn take(mut cx: StoreContextMut<'_, Host>, fuel: u64) -> wasmtime::Result<()> {
    let left = cx.get_fuel()?;
    cx.set_fuel(left.saturating_sub(fuel))?;
    if fuel > left { Err(Trap::OutOfFuel.into()) } else { Ok(()) }
}
