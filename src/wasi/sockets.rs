//! Sockets by rule: which addresses are allowed, and what refuses the others.

use std::net::SocketAddr;

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{Host as LookupHost, HostResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{
    self, ErrorCode, HostNetwork, IpAddress, IpAddressFamily, Network,
};
use wasmtime_wasi::p2::bindings::sockets::{ip_name_lookup, tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{DynPollable, SocketError, SocketResult, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtxView, WasiSocketsView as _};

use super::Watch;
use crate::contract::host::Host;
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
    watch: Watch,
}

/// The view of a store.
pub fn view(host: &mut Host) -> Sockets<'_> {
    let watch = super::watch(host);
    Sockets { watch, inner: host.sockets() }
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
        let result = self.inner.create_tcp_socket(family);
        self.denied(&result, "a TCP socket: no rule allows one");
        result
    }
}

impl udp_create_socket::Host for Sockets<'_> {
    async fn create_udp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        let result = self.inner.create_udp_socket(family).await;
        self.denied(&result, "a UDP socket: no rule allows one");
        result
    }
}

impl Sockets<'_> {
    fn denied<T>(&self, result: &SocketResult<T>, what: &str) {
        let refusal = |e: &SocketError| matches!(e.downcast_ref(), Some(ErrorCode::AccessDenied));
        if result.as_ref().err().is_some_and(refusal) {
            self.watch.refused(what);
        }
    }
}

impl LookupHost for Sockets<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<ip_name_lookup::ResolveAddressStream>> {
        let asked = name.clone();
        let result = self.inner.resolve_addresses(network, name);
        let refused = |e: &SocketError| matches!(e.downcast_ref(), Some(ErrorCode::PermanentResolverFailure));
        if result.as_ref().err().is_some_and(refused) {
            self.watch.refused(&format!("to look up `{asked}`: name look-up is not granted"));
        }
        result
    }
}

impl HostResolveAddressStream for Sockets<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ip_name_lookup::ResolveAddressStream>,
    ) -> SocketResult<Option<IpAddress>> {
        self.inner.resolve_next_address(stream)
    }

    fn subscribe(
        &mut self,
        stream: Resource<ip_name_lookup::ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.inner.subscribe(stream)
    }

    fn drop(&mut self, stream: Resource<ip_name_lookup::ResolveAddressStream>) -> wasmtime::Result<()> {
        HostResolveAddressStream::drop(&mut self.inner, stream)
    }
}
