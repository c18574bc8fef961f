//! `wasi:http`, which nothing provides. Some toolchains import it whether a component uses it or
//! not; so it is there to be linked with, and a call of it is refused by a trap.

use std::borrow::Cow;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceType};

use crate::contract::host::Host;
use crate::contract::names;

/// What each resource of HTTP is here. There are none: whatever makes one traps.
struct Nothing;

/// A function of HTTP was called.
#[derive(Debug, thiserror::Error)]
#[error("{0} was called, and HTTP is not provided")]
pub struct Refused(String);

/// Resources of `wasi:io` that HTTP names again, and that are linked under their own.
const OTHERS: [&str; 4] = ["input-stream", "io-error", "output-stream", "pollable"];

/// Whether an import of this name is of HTTP as clients have it.
pub fn is(name: &str) -> bool {
    let (base, version) = names::split(name);
    ["wasi:http/types", "wasi:http/outgoing-handler"].contains(&base)
        && version.is_some_and(|version| names::compatible(version, "0.2.0"))
}

/// `linker` with what `component` imports of HTTP.
pub fn refuse<'a>(linker: &'a Linker<Host>, component: &Component) -> wasmtime::Result<Cow<'a, Linker<Host>>> {
    let (engine, mut linker) = (linker.engine().clone(), Cow::Borrowed(linker));
    for (interface, import) in component.component_type().imports(&engine).filter(|(name, _)| is(name)) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        let mut place = linker.to_mut().instance(interface)?;
        for (item, ty) in instance.exports(&engine) {
            match ty.ty {
                ComponentItem::ComponentFunc(_) => {
                    let name = format!("{interface}#{item}");
                    place.func_new(item, move |mut cx, _, _, _| {
                        super::state(cx.data_mut()).watch.refused(&format!("{name}: HTTP is not provided"));
                        Err(Refused(name.clone()).into())
                    })?;
                }
                ComponentItem::Resource(_) if !OTHERS.contains(&item) => {
                    place.resource(item, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(linker)
}
