//! Where requests may go. Judged twice: the address that is written in the URL before anything is
//! sent, and what a name resolves to while connecting, by the resolver that the connection uses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::address::{is_public, real};

/// The ports of public hosts that may be reached.
const PORTS: &[u16] = &[443, 8443];

/// Why a request may not go where it was to go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither https nor http.
    #[error("the scheme `{0}` is not https")]
    Scheme(String),
    /// There is no host.
    #[error("the URL has no host")]
    Host,
    /// A user name or a password stands in the URL.
    #[error("the URL contains a user name or a password")]
    Credentials,
    /// It goes without TLS, or to an unusual port, and no network is listed where it might.
    #[error(
        "only https on port 443 or 8443 is allowed to public addresses; for anything else, list \
         the network in `outbound.allow`"
    )]
    Unlisted,
    /// A name that is known in private networks only.
    #[error("`{0}` is a private host name, and `outbound.allow` lists no network")]
    PrivateName(String),
    /// An address that is not public.
    #[error("{0} is neither public nor in a network listed in `outbound.allow`")]
    Address(IpAddr),
    /// A public address, but without TLS or on an unusual port.
    #[error(
        "{0} is not in a network listed in `outbound.allow`, which plain http and ports other than \
         443 and 8443 require"
    )]
    UnlistedAddress(IpAddr),
}

/// What the addresses of a request have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Public, or in a listed network: https on a usual port.
    Public,
    /// In a listed network: everything else.
    Listed,
}

/// The judge.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    allow: Arc<[IpNet]>,
}

impl Guard {
    pub(super) fn new(allow: &[IpNet]) -> Self {
        Self { allow: allow.into() }
    }

    /// Judges what can be told from the URL alone, and gives what is needed of its addresses.
    pub(super) fn check(&self, url: &Url) -> Result<Need, Refusal> {
        let need = match url.scheme() {
            "https" if url.port_or_known_default().is_some_and(|port| PORTS.contains(&port)) => {
                Need::Public
            }
            "https" | "http" => Need::Listed,
            other => return Err(Refusal::Scheme(other.to_owned())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let literal = match url.host() {
            None | Some(Host::Domain("")) => return Err(Refusal::Host),
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(name)) => is_localhost(name).then_some(Ipv4Addr::LOCALHOST.into()),
        };
        if need == Need::Listed && self.allow.is_empty() {
            return Err(Refusal::Unlisted);
        }
        if let Some(address) = literal {
            self.judge(address, need)?;
        } else if let Some(name) = url.host_str()
            && self.allow.is_empty()
            && is_private(name)
        {
            return Err(Refusal::PrivateName(name.to_owned()));
        }
        Ok(need)
    }

    /// Judges an address, in whichever spelling.
    pub(super) fn judge(&self, address: IpAddr, need: Need) -> Result<(), Refusal> {
        let real = real(address);
        let listed = self.allow.iter().any(|net| net.contains(&address) || net.contains(&real));
        match need {
            _ if listed => Ok(()),
            _ if !is_public(address) => Err(Refusal::Address(address)),
            Need::Public => Ok(()),
            Need::Listed => Err(Refusal::UnlistedAddress(address)),
        }
    }
}

/// Looks a name up.
pub(super) type Lookup = Arc<
    dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync,
>;

/// The system's own lookup.
pub(super) fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// A resolver that gives only what was judged: the connection goes to one of these addresses, and
/// nothing is looked up again.
pub(super) struct Vetted {
    pub(super) guard: Guard,
    pub(super) need: Need,
    pub(super) lookup: Lookup,
}

impl Resolve for Vetted {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, need) = (self.guard.clone(), self.need);
        let looked_up = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let found = looked_up.await?;
            if found.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the name resolves to no address",
                ))?;
            }
            // All of them: which one is dialled is not ours to say.
            for address in &found {
                guard.judge(*address, need)?;
            }
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

/// Whether the name is this machine's by definition, whatever a lookup says.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// Endings of names that no public name server answers for.
const PRIVATE: [&str; 7] =
    [".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".home.arpa"];

/// Whether a name leads nowhere in public: one word, or one of those endings.
fn is_private(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    !name.contains('.') || PRIVATE.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests;
