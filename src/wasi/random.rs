//! Randomness: `wasmtime-wasi`'s, a piece at a time, so that a call for much of it ends at its
//! deadline.

use wasmtime_wasi::p2::bindings::random::{insecure, random};
use wasmtime_wasi::random::{WasiRandomCtx, WasiRandomView as _};

use crate::contract::held::room;
use crate::contract::host::Host;
use crate::direct::wasi::{MOST_RANDOM, too_much_random};

/// So many are made at once, in memory of their own, which cannot be refused: little.
const PIECE: u64 = 4 << 10;

fn bytes(
    host: &mut Host,
    len: u64,
    get: fn(&mut WasiRandomCtx, u64) -> wasmtime::Result<Vec<u8>>,
) -> wasmtime::Result<Vec<u8>> {
    host.check_time()?;
    if len > MOST_RANDOM {
        return Err(wasmtime::Error::msg(too_much_random(len)));
    }
    let mut bytes = room(len as usize)?;
    while let left @ 1.. = len - bytes.len() as u64 {
        host.check_time()?;
        bytes.extend(get(host.random(), left.min(PIECE))?);
    }
    Ok(bytes)
}

impl random::Host for Host {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        bytes(self, len, random::Host::get_random_bytes)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.check_time()?;
        random::Host::get_random_u64(self.random())
    }
}

impl insecure::Host for Host {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        bytes(self, len, insecure::Host::get_insecure_random_bytes)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.check_time()?;
        insecure::Host::get_insecure_random_u64(self.random())
    }
}
