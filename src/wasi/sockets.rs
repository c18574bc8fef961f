//! Sockets by rule: which addresses are allowed, and what refuses the others.

use std::net::SocketAddr;

use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{Host as LookupHost, HostResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{
    self, ErrorCode, HostNetwork, IpAddress, IpAddressFamily, Network,
};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket as _;
use wasmtime_wasi::p2::bindings::sockets::{ip_name_lookup, tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, SocketError, SocketResult, TcpSocket, UdpSocket,
};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtxView};

use super::lookup::{Lookup, Lookups};
use super::open::Open;
use super::texts::Short;
use super::{Parts, Watch};
use crate::contract::host::Host;
use crate::engine::descriptors::Standard;
use crate::engine::fault::Stop;
use crate::engine::grants::{SocketRule, SocketUse};

/// What a use is called in the log.
pub fn name(usage: SocketAddrUse) -> &'static str {
    match usage {
        SocketAddrUse::TcpBind => "TCP bind to",
        SocketAddrUse::TcpListen => "TCP listen on",
        SocketAddrUse::TcpAccept => "TCP connection from",
        SocketAddrUse::TcpConnect => "TCP connect to",
        SocketAddrUse::UdpBind => "UDP bind to",
        SocketAddrUse::UdpSend => "UDP datagram to",
        SocketAddrUse::UdpReceive => "UDP datagram from",
    }
}

/// Whether `rules` allow `usage` of `address`.
pub fn allowed(rules: &[SocketRule], address: SocketAddr, usage: SocketAddrUse) -> bool {
    let (ip, port) = (address.ip(), address.port());
    let any = |kind| rules.iter().any(|rule| rule.allows == kind);
    let allowed = |kind| rules.iter().any(|rule| rule.allows(kind, ip, port));
    // A socket that connects or sends is bound to any address and port that is free first.
    let implicit = ip.is_unspecified() && port == 0;
    match usage {
        SocketAddrUse::TcpConnect => allowed(SocketUse::TcpConnect),
        SocketAddrUse::TcpListen => allowed(SocketUse::TcpListen),
        SocketAddrUse::TcpBind => allowed(SocketUse::TcpListen) || implicit && any(SocketUse::TcpConnect),
        // The listening was allowed; whoever comes may come.
        SocketAddrUse::TcpAccept => any(SocketUse::TcpListen),
        SocketAddrUse::UdpSend => allowed(SocketUse::UdpExchange),
        SocketAddrUse::UdpBind => allowed(SocketUse::UdpListen) || implicit && any(SocketUse::UdpExchange),
        SocketAddrUse::UdpReceive => allowed(SocketUse::UdpExchange) || any(SocketUse::UdpListen),
    }
}

/// For Wasmtime: what the functions here work on.
pub struct Has;

impl HasData for Has {
    type Data<'a> = Sockets<'a>;
}

/// `wasmtime-wasi`'s view, watched.
pub struct Sockets<'a> {
    inner: WasiSocketsCtxView<'a>,
    open: &'a mut Open,
    lookups: Option<&'a Lookups>,
    watch: &'a Watch,
    /// What ends the call, for functions that need no handle.
    stopped: Option<Stop>,
}

/// The view of a store.
pub fn view(host: &mut Host) -> Sockets<'_> {
    let Parts { ctx, table, open, lookups, watch, stopped } = super::parts(host);
    Sockets { inner: WasiSocketsCtxView { ctx: ctx.sockets(), table }, open, lookups, watch, stopped }
}

/// The names that `wasmtime-wasi` gives the interfaces.
const TCP: &str = "wasi:sockets/tcp@0.2.12";
const LOOKUP: &str = "wasi:sockets/ip-name-lookup@0.2.12";

type Accepted = (Resource<TcpSocket>, Resource<DynInputStream>, Resource<DynOutputStream>);

/// Puts what takes a descriptor or a text, and is no interface of its own, in place of `wasmtime-wasi`'s.
pub fn add(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let accept = |mut cx: StoreContextMut<'_, Host>, (socket,): (Resource<TcpSocket>,)| {
        let mut sockets = view(cx.data_mut());
        let accepted: Result<Accepted, ErrorCode> = match sockets.accept(socket) {
            Ok(accepted) => Ok(accepted),
            Err(error) => Err(network::Host::convert_error_code(&mut sockets, error)?),
        };
        Ok((accepted,))
    };
    linker.instance(TCP)?.func_wrap("[method]tcp-socket.accept", accept)?;
    let resolve = |mut cx: StoreContextMut<'_, Host>,
                   (network, Short(name)): (Resource<Network>, Short<LONGEST_NAME>)| {
        let mut sockets = view(cx.data_mut());
        let given = name.ok_or_else(|| ErrorCode::InvalidArgument.into());
        let lookup = match given.and_then(|name| sockets.resolve_addresses(network, name)) {
            Ok(lookup) => Ok(lookup),
            Err(error) => Err(network::Host::convert_error_code(&mut sockets, error)?),
        };
        Ok((lookup,))
    };
    linker.instance(LOOKUP)?.func_wrap("resolve-addresses", resolve)
}

impl network::Host for Sockets<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.inner.convert_error_code(error)
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.inner.network_error_code(error)
    }
}

impl HostNetwork for Sockets<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        HostNetwork::drop(&mut self.inner, network)
    }
}

impl tcp_create_socket::Host for Sockets<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        let _standard = self.room("a TCP socket")?;
        let result = self.inner.create_tcp_socket(family);
        self.denied(&result, "a TCP socket: no rule allows one");
        result.inspect(|socket| self.open.tcp(socket))
    }
}

impl udp_create_socket::Host for Sockets<'_> {
    async fn create_udp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        let _standard = self.room("a UDP socket")?;
        let result = self.inner.create_udp_socket(family).await;
        self.denied(&result, "a UDP socket: no rule allows one");
        result.inspect(|socket| self.open.udp(socket))
    }
}

impl Sockets<'_> {
    /// Whether one more descriptor of the process's may be taken, in a call that goes on, as long as what is
    /// given lives.
    fn room(&mut self, what: &str) -> SocketResult<Standard> {
        if let Some(stop) = self.stopped {
            return Err(SocketError::trap(stop));
        }
        self.open.room(self.inner.table).map_err(|full| {
            self.watch.refused(&format!("{what}: {full}"));
            ErrorCode::NewSocketLimit.into()
        })
    }

    fn accept(&mut self, socket: Resource<TcpSocket>) -> SocketResult<Accepted> {
        let _standard = self.room("a connection")?;
        self.inner.accept(socket).inspect(|(socket, ..)| self.open.tcp(socket))
    }

    fn denied<T>(&self, result: &SocketResult<T>, what: &str) {
        let refusal = |e: &SocketError| matches!(e.downcast_ref(), Some(ErrorCode::AccessDenied));
        if result.as_ref().err().is_some_and(refusal) {
            self.watch.refused(what);
        }
    }
}

/// The most bytes of a name that is looked up: one has 253 characters, which may be written in as many of
/// up to four bytes.
const LONGEST_NAME: usize = 4 * 253;

impl LookupHost for Sockets<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<ip_name_lookup::ResolveAddressStream>> {
        self.inner.table.get(&network)?;
        let Some(lookups) = self.lookups else {
            self.watch.refused(&format!("to look up `{name}`: name look-up is not granted"));
            return Err(ErrorCode::PermanentResolverFailure.into());
        };
        let lookup = lookups.begin(&name).inspect_err(|code| {
            if *code == ErrorCode::TemporaryResolverFailure {
                self.watch.refused(&format!("to look up `{name}`: the instance has too many look-ups under way"));
            }
        })?;
        // The same handle to the component, whatever it stands for here.
        Ok(Resource::new_own(self.inner.table.push(lookup)?.rep()))
    }
}

/// What a handle of a look-up stands for.
fn lookup(stream: &Resource<ip_name_lookup::ResolveAddressStream>) -> Resource<Lookup> {
    Resource::new_borrow(stream.rep())
}

impl HostResolveAddressStream for Sockets<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ip_name_lookup::ResolveAddressStream>,
    ) -> SocketResult<Option<IpAddress>> {
        Ok(self.inner.table.get_mut(&lookup(&stream))?.next()?.map(IpAddress::from))
    }

    fn subscribe(
        &mut self,
        stream: Resource<ip_name_lookup::ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        wasmtime_wasi::p2::subscribe(self.inner.table, lookup(&stream))
    }

    fn drop(&mut self, stream: Resource<ip_name_lookup::ResolveAddressStream>) -> wasmtime::Result<()> {
        self.inner.table.delete(Resource::<Lookup>::new_own(stream.rep()))?;
        Ok(())
    }
}
