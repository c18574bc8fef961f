//! What a component is given beyond the contract: plain data, collected while imports are made and
//! turned into a WASI context for each instance (`crate::wasi`), and what the program defines.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::define::Definitions;
use super::descriptors::Known;
use super::system::{self, Refusal};
use crate::contract::ComponentId;
use crate::error::{Error, ErrorKind, Result};

/// What takes the bytes of a standard stream, with the id of the instance that wrote them.
pub type Writer = Arc<dyn Fn(ComponentId, &[u8]) + Send + Sync>;

/// Where a standard output stream goes.
#[derive(Clone, Default)]
pub enum Output {
    /// To the log, line by line.
    #[default]
    Log,
    /// To the process's own stream.
    Inherit,
    /// To the program, as it is written.
    Program(Writer),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Output::Log => "Log",
            Output::Inherit => "Inherit",
            Output::Program(_) => "Program",
        })
    }
}

/// A directory of the host that a component sees: that which was granted, whatever comes to be at
/// its path afterwards. A component that may write beside it could put another there.
#[derive(Clone, Debug)]
pub struct Preopen {
    /// Held open from the moment that it is granted.
    #[cfg(feature = "wasi")]
    pub dir: crate::wasi::preopens::Granted,
    /// What the component knows it as.
    pub guest: String,
    /// Whether anything in it may be changed.
    pub write: bool,
}

/// What a socket may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketUse {
    /// Connecting by TCP to the address.
    TcpConnect,
    /// Listening for TCP on the local address.
    TcpListen,
    /// Exchanging datagrams with the remote address.
    UdpExchange,
    /// Receiving datagrams, from anywhere, on the local address.
    UdpListen,
}

/// Addresses and ports that a use of sockets is allowed for.
#[derive(Clone, Copy, Debug)]
pub struct SocketRule {
    /// Which use.
    pub allows: SocketUse,
    /// An address and how many of its leading bits count; none for every address.
    pub network: Option<(IpAddr, u8)>,
    /// The first and the last port; none for every port.
    pub ports: Option<(u16, u16)>,
}

impl SocketRule {
    /// A network from its text: an address, `ADDRESS/BITS`, or `*` for all of them.
    pub fn network(text: &str) -> Option<Option<(IpAddr, u8)>> {
        if text == "*" {
            return Some(None);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.unwrap_or(all);
        if bits > all {
            return None;
        }
        // IPv4 addresses written as IPv6; a wider network than that is of IPv6 addresses.
        Some(Some(match address.to_canonical() {
            v4 @ IpAddr::V4(_) if address.is_ipv6() && bits >= 96 => (v4, bits - 96),
            _ => (address, bits),
        }))
    }

    /// Whether the rule allows `usage` of `address` and `port`.
    pub fn allows(&self, usage: SocketUse, address: IpAddr, port: u16) -> bool {
        let within = |network: IpAddr, bits: u8| match (network, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => bits == 0 || (a.to_bits() ^ b.to_bits()) >> (32 - u32::from(bits)) == 0,
            (IpAddr::V6(a), IpAddr::V6(b)) => bits == 0 || (a.to_bits() ^ b.to_bits()) >> (128 - u32::from(bits)) == 0,
            _ => false,
        };
        self.allows == usage
            && self.network.is_none_or(|(network, bits)| within(network, bits))
            && self.ports.is_none_or(|(first, last)| (first..=last).contains(&port))
    }
}

/// A clock that moves by readings, not by time.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock {
    /// The first reading of the wall clock, in nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// What each reading adds.
    pub step_ns: u64,
}

/// Everything that can be granted. The default is the empty grant.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// Arguments, the program's name first where there is one.
    pub args: Vec<String>,
    /// Names and values.
    pub env: Vec<(String, String)>,
    /// What standard input gives to each instance.
    pub stdin: Option<Arc<[u8]>>,
    /// Where standard output goes.
    pub stdout: Output,
    /// Where standard error goes.
    pub stderr: Output,
    /// Directories.
    pub preopens: Vec<Preopen>,
    /// What is allowed of sockets: whatever one of these allows.
    pub sockets: Vec<SocketRule>,
    /// Whether host names are resolved.
    pub name_lookup: bool,
    /// None for the machine's clocks.
    pub clock: Option<FixedClock>,
    /// None for the machine's randomness.
    pub seed: Option<u64>,
    /// Host functions and resources.
    pub defined: Definitions,
}

/// Opens a directory to look things up from, which needs no permission to read it. Never one of the
/// first three descriptors, which are the program's standard streams also where it closed them.
fn open_directory(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_PATH).open(path)?;
    if file.as_raw_fd() > 2 { Ok(file) } else { file.try_clone() }
}

fn wasi(message: String) -> Box<Error> {
    Error::new(ErrorKind::Wasi, message)
}

impl Grants {
    /// Whether nothing of WASI was granted that an empty grant does not have.
    pub fn is_empty(&self) -> bool {
        self.args.is_empty()
            && self.env.is_empty()
            && self.stdin.is_none()
            && matches!((&self.stdout, &self.stderr), (Output::Log, Output::Log))
            && self.preopens.is_empty()
            && self.sockets.is_empty()
            && !self.name_lookup
            && self.clock.is_none()
            && self.seed.is_none()
    }

    /// Sets an environment variable, once more where it is set already.
    pub fn set_env(&mut self, name: &str, value: &str) -> Result<()> {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(wasi(format!("the environment cannot hold `{}`", name.escape_default())));
        }
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.into(), value.into()));
        Ok(())
    }

    /// Grants a directory, which must be there already.
    pub fn preopen(&mut self, host: &Path, guest: &str, write: bool) -> Result<()> {
        let refuse = |reason: String| Err(wasi(format!("{} cannot be granted: {reason}", host.display())));
        if guest.is_empty() || guest.contains('\0') {
            return refuse("its path for the component is empty or holds a NUL".into());
        }
        if self.preopens.iter().any(|known| known.guest == guest) {
            return refuse(format!("the component has a directory `{guest}` already"));
        }
        let opened = open_directory(host).and_then(|dir| {
            let known = Known::find(dir.as_raw_fd());
            known.map(|known| (dir, known)).ok_or_else(io::Error::last_os_error)
        });
        let (dir, known) = match opened {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return refuse("it is no directory".into()),
            Err(error) => return refuse(system::told(&Refusal::new("open", error))),
        };
        self.preopens.push(Preopen {
            #[cfg(feature = "wasi")]
            dir: crate::wasi::preopens::Granted::new(dir, known, write),
            guest: guest.into(),
            write,
        });
        #[cfg(not(feature = "wasi"))]
        drop((dir, known));
        Ok(())
    }

    /// `capability-query.has-capability`; the names are in the header, at the imports.
    pub fn has(&self, name: &str) -> bool {
        let any = |uses: &[SocketUse]| self.sockets.iter().any(|rule| uses.contains(&rule.allows));
        let dir = |guest: &str, write: bool| self.preopens.iter().any(|d| d.guest == guest && (d.write || !write));
        match name {
            "args" => !self.args.is_empty(),
            "env" => !self.env.is_empty(),
            "stdin" => self.stdin.is_some(),
            "filesystem" => !self.preopens.is_empty(),
            "sockets" => !self.sockets.is_empty(),
            "tcp" => any(&[SocketUse::TcpConnect, SocketUse::TcpListen]),
            "udp" => any(&[SocketUse::UdpExchange, SocketUse::UdpListen]),
            "name-lookup" => self.name_lookup,
            // An empty grant has these; where the output goes and what time it is are the host's.
            "stdout" | "stderr" | "wall-clock" | "monotonic-clock" | "random" => cfg!(feature = "wasi"),
            name if self.defined.has(name) => true,
            _ => match name.split_once(':') {
                Some(("env", variable)) => self.env.iter().any(|(known, _)| known == variable),
                Some(("filesystem", guest)) => dir(guest, false),
                Some(("filesystem-write", guest)) => dir(guest, true),
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str, ports: Option<(u16, u16)>) -> SocketRule {
        SocketRule { allows: SocketUse::TcpConnect, network: SocketRule::network(text).unwrap(), ports }
    }

    #[test]
    fn rules_match_addresses_networks_and_ports() {
        let ask =
            |rule: &SocketRule, address: &str, port| rule.allows(SocketUse::TcpConnect, address.parse().unwrap(), port);
        let one = rule("127.0.0.1", Some((80, 81)));
        assert!(ask(&one, "127.0.0.1", 80) && ask(&one, "127.0.0.1", 81) && ask(&one, "::ffff:127.0.0.1", 80));
        assert!(!ask(&one, "127.0.0.1", 82) && !ask(&one, "127.0.0.2", 80) && !ask(&one, "::1", 80));
        assert!(!one.allows(SocketUse::TcpListen, "127.0.0.1".parse().unwrap(), 80));
        let net = rule("10.1.0.0/16", None);
        assert!(ask(&net, "10.1.255.3", 1) && !ask(&net, "10.2.0.1", 1));
        let v6 = rule("fd00::/8", None);
        assert!(ask(&v6, "fdff::1", 1) && !ask(&v6, "fe80::1", 1) && !ask(&v6, "10.1.0.1", 1));
        assert!(ask(&rule("0.0.0.0/0", None), "8.8.8.8", 53) && !ask(&rule("0.0.0.0/0", None), "::1", 53));
        assert!(ask(&rule("*", None), "8.8.8.8", 53) && ask(&rule("*", None), "::1", 53));
        let mapped = rule("::ffff:10.0.0.0/104", None);
        assert!(ask(&mapped, "10.1.2.3", 1) && ask(&mapped, "::ffff:10.1.2.3", 1) && !ask(&mapped, "11.0.0.0", 1));
        let one = rule("::ffff:10.0.0.1", None);
        assert!(ask(&one, "10.0.0.1", 1) && !ask(&one, "10.0.0.2", 1));
        let all = rule("::ffff:0.0.0.0/96", None);
        assert!(ask(&all, "8.8.8.8", 53) && !ask(&all, "::1", 53));
        let wider = rule("::ffff:0.0.0.0/80", None);
        assert!(ask(&wider, "::1", 53) && !ask(&wider, "fd00::1", 53) && !ask(&wider, "8.8.8.8", 53));
        for wrong in ["", "localhost", "1.2.3", "1.2.3.4/33", "::1/129", "1.2.3.4/x", "1.2.3.4:80"] {
            assert!(SocketRule::network(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn capabilities_are_the_grants() {
        let mut grants = Grants::default();
        assert!(grants.is_empty() && !grants.has("env") && !grants.has("filesystem") && !grants.has(""));
        grants.set_env("A", "1").unwrap();
        grants.set_env("A", "2").unwrap();
        assert_eq!(grants.env, [("A".into(), "2".into())]);
        assert!(grants.has("env") && grants.has("env:A") && !grants.has("env:B") && !grants.is_empty());
        for wrong in ["", "A=B", "A\0"] {
            assert_eq!(grants.set_env(wrong, "").unwrap_err().kind, ErrorKind::Wasi);
        }
        grants.preopen(&std::env::temp_dir(), "/data", false).unwrap();
        assert!(grants.has("filesystem") && grants.has("filesystem:/data") && !grants.has("filesystem-write:/data"));
        let again = grants.preopen(&std::env::temp_dir(), "/data", true).unwrap_err();
        assert!(again.message.contains("/data"), "{again}");
        grants.defined.define("", "rootf", "func()", Arc::new(|_, _| Ok(None))).unwrap();
        assert!(grants.has("rootf") && !grants.has("") && !grants.has("#rootf"));
        grants.defined.define("host", "f", "func()", Arc::new(|_, _| Ok(None))).unwrap();
        grants.defined.resource("", "conn", None).unwrap();
        assert!(grants.has("host") && grants.has("host#f") && !grants.has("host#g") && grants.has("conn"));
        assert!(grants.preopen("/nowhere/at/all".as_ref(), "/x", true).unwrap_err().message.contains("No such file"));
        assert!(grants.preopen("/dev/null".as_ref(), "/x", true).unwrap_err().message.contains("no directory"));
    }
}
