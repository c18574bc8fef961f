//! Look-ups of host names. Each takes a thread until the system has answered, which no one can stop,
//! and there are so many for all instances of an engine: files, too, are waited for with them. So a
//! look-up goes on counting when the component has let go of it.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::Semaphore;
use url::Host;
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn, spawn_blocking};

use crate::engine::fork;

/// The most that one instance has under way.
const MOST: usize = 4;

/// The most threads that are at it at once in an engine, of those that there are.
const THREADS: usize = super::runtime::BLOCKING / 4;

/// No name that can be looked up has more bytes: 253 characters, of up to four.
const MOST_NAME: usize = 4 * 253;

/// What an engine has for look-ups; those of a parent process end there.
#[derive(Default)]
pub struct Threads(fork::Lock<Option<(u64, Arc<Semaphore>)>>);

impl Threads {
    fn get(&self) -> Arc<Semaphore> {
        let mut threads = self.0.lock();
        match &*threads {
            Some((generation, threads)) if *generation == fork::generation() => threads.clone(),
            _ => threads.insert((fork::generation(), Arc::new(Semaphore::new(THREADS)))).1.clone(),
        }
    }
}

/// What one instance has under way.
pub struct Lookups {
    threads: Arc<Semaphore>,
    /// Held by each.
    count: Arc<()>,
}

type Found = Result<Vec<IpAddr>, ErrorCode>;

/// A look-up that a component holds.
pub enum Lookup {
    /// It is under way.
    Waiting(AbortOnDropJoinHandle<Found>),
    /// What came of it; the addresses last first.
    Done(Found),
}

impl Lookups {
    /// None yet.
    pub fn new(threads: &Threads) -> Self {
        Self { threads: threads.get(), count: Arc::default() }
    }

    /// Begins one.
    pub fn begin(&self, name: &str) -> Result<Lookup, ErrorCode> {
        if name.len() > MOST_NAME {
            return Err(ErrorCode::InvalidArgument);
        }
        // A name in other letters becomes one in those of the system.
        let name = match Host::parse(name) {
            Ok(Host::Domain(name)) => name,
            Ok(Host::Ipv4(ip)) => return Ok(Lookup::Done(Ok(vec![ip.into()]))),
            Ok(Host::Ipv6(ip)) => return Ok(Lookup::Done(Ok(vec![ip.into()]))),
            Err(_) => {
                let ip: std::net::Ipv6Addr = name.parse().map_err(|_| ErrorCode::InvalidArgument)?;
                return Ok(Lookup::Done(Ok(vec![ip.into()])));
            }
        };
        if Arc::strong_count(&self.count) > MOST {
            return Err(ErrorCode::TemporaryResolverFailure);
        }
        let (threads, count) = (self.threads.clone(), self.count.clone());
        Ok(Lookup::Waiting(spawn(async move {
            let thread = threads.acquire_owned().await;
            let ask = move || {
                let _until_answered = (thread, count);
                let found = (&*name, 0).to_socket_addrs().map_err(|_| ErrorCode::NameUnresolvable)?;
                let mut found: Vec<_> = found.map(|address| address.ip().to_canonical()).collect();
                found.reverse();
                Ok(found)
            };
            spawn_blocking(ask).await
        })))
    }
}

impl Lookup {
    /// The next address; none after the last.
    pub fn next(&mut self) -> Result<Option<IpAddr>, ErrorCode> {
        if let Self::Waiting(under_way) = self
            && let Poll::Ready(found) = Pin::new(under_way).poll(&mut Context::from_waker(Waker::noop()))
        {
            *self = Self::Done(found);
        }
        match self {
            Self::Waiting(_) => Err(ErrorCode::WouldBlock),
            Self::Done(found) => found.as_mut().map(Vec::pop).map_err(|code| *code),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        if let Self::Waiting(under_way) = self {
            let found = under_way.await;
            *self = Self::Done(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_up_counts_until_it_is_answered() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let _entered = runtime.enter();
        let lookups = Lookups::new(&Threads::default());
        let held = lookups.threads.clone().try_acquire_many_owned(THREADS as u32).unwrap();
        let waiting: Vec<_> = (0..MOST).map(|_| lookups.begin("localhost").unwrap()).collect();
        assert!(matches!(lookups.begin("localhost"), Err(ErrorCode::TemporaryResolverFailure)));
        // What asks nobody is answered at once.
        for (name, ip) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1")] {
            let mut known = lookups.begin(name).unwrap();
            assert_eq!(known.next(), Ok(Some(ip.parse().unwrap())));
            assert_eq!(known.next(), Ok(None));
        }
        for wrong in ["", "a b", "[::1", &"a".repeat(MOST_NAME + 1)] {
            assert!(matches!(lookups.begin(wrong), Err(ErrorCode::InvalidArgument)), "{wrong}");
        }
        let mut one = waiting.into_iter().next().unwrap();
        assert_eq!(one.next(), Err(ErrorCode::WouldBlock));
        drop(held);
        runtime.block_on(one.ready());
        assert!(matches!(one.next(), Ok(Some(ip)) if ip.is_loopback()));
        while Arc::strong_count(&lookups.count) > 1 {
            std::thread::yield_now(); // those that were let go of
        }
        assert!(lookups.begin("localhost").is_ok());
    }
}
