//! Randomness: `wasmtime-wasi`'s, a piece at a time, so that a call for much of it ends at its
//! deadline.

use wasmtime::component::HasData;
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::p2::bindings::random::{insecure, random};
use wasmtime_wasi::random::WasiRandomCtx;

use crate::contract::held::room;
use crate::contract::host::Host;
use crate::direct::wasi::{MOST_RANDOM, too_much_random};

/// So many are made at once, in memory of their own, which cannot be refused: little.
const PIECE: u64 = 4 << 10;

/// For Wasmtime: what the functions here work on.
pub struct Has;

impl HasData for Has {
    type Data<'a> = Random<'a>;
}

/// A store.
pub struct Random<'a>(&'a mut Host);

/// The view of a store.
pub fn view(host: &mut Host) -> Random<'_> {
    Random(host)
}

impl Random<'_> {
    fn ctx(&mut self) -> &mut WasiRandomCtx {
        self.0.ctx().ctx.random()
    }

    fn bytes(
        &mut self,
        len: u64,
        get: fn(&mut WasiRandomCtx, u64) -> wasmtime::Result<Vec<u8>>,
    ) -> wasmtime::Result<Vec<u8>> {
        self.0.check_time()?;
        if len > MOST_RANDOM {
            return Err(wasmtime::Error::msg(too_much_random(len)));
        }
        let mut bytes = room(len as usize)?;
        while let left @ 1.. = len - bytes.len() as u64 {
            self.0.check_time()?;
            bytes.extend(get(self.ctx(), left.min(PIECE))?);
        }
        Ok(bytes)
    }
}

impl random::Host for Random<'_> {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.bytes(len, random::Host::get_random_bytes)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.0.check_time()?;
        random::Host::get_random_u64(self.ctx())
    }
}

impl insecure::Host for Random<'_> {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.bytes(len, insecure::Host::get_insecure_random_bytes)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.0.check_time()?;
        insecure::Host::get_insecure_random_u64(self.ctx())
    }
}
