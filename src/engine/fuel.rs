//! Fuel for what the host does for a guest: a unit for each byte that it copies, as Wasmtime has it
//! for the guest's own copies (`memory.copy`).

use std::any::Any;

use wasmtime::{AsContextMut, Trap};

use crate::contract::host::Host;

/// Takes the fuel for `bytes` that were copied, where fuel is on. Fails as a guest does that has none
/// left.
#[inline]
pub fn charge(cx: impl AsContextMut<Data = Host>, bytes: usize) -> wasmtime::Result<()> {
    if cx.as_context().data().fuel { take(cx, bytes as u64) } else { Ok(()) }
}

/// The same for a store whose data is known only to be there. It is asked first: where fuel is off, to
/// ask for it makes an error.
#[inline]
pub fn charge_any(cx: impl AsContextMut, bytes: usize) -> wasmtime::Result<()> {
    let on = (cx.as_context().data() as &dyn Any).downcast_ref::<Host>().is_some_and(|host| host.fuel);
    if on { take(cx, bytes as u64) } else { Ok(()) }
}

#[cold]
fn take(mut cx: impl AsContextMut, bytes: u64) -> wasmtime::Result<()> {
    let mut cx = cx.as_context_mut();
    let left = cx.get_fuel()?;
    cx.set_fuel(left.saturating_sub(bytes))?;
    if bytes > left { Err(Trap::OutOfFuel.into()) } else { Ok(()) }
}
