//! The outbound policy (protection against SSRF). It is checked twice: for the address in the URL
//! before anything is sent, and for the resolved addresses while connecting, by the resolver of the
//! connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::address::{embedded_v4, is_public};

/// The allowed ports of public hosts.
const PORTS: &[u16] = &[443, 8443];

/// Why a request is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither HTTPS nor HTTP.
    #[error("the scheme `{0}` is not https")]
    Scheme(String),
    /// The URL has no host.
    #[error("the URL has no host")]
    Host,
    /// The URL contains a user name or a password.
    #[error("the URL contains a user name or a password")]
    Credentials,
    /// Without TLS or with another port, and no network is listed.
    #[error(
        "only https on port 443 or 8443 is allowed to public addresses; for anything else, list \
         the network in `outbound.allow`"
    )]
    Unlisted,
    /// A name that exists only in private networks.
    #[error("`{0}` is a private host name, and `outbound.allow` lists no network")]
    PrivateName(String),
    /// An address that is not public.
    #[error("{0} is neither public nor in a network listed in `outbound.allow`")]
    Address(IpAddr),
    /// A public address, but without TLS or with another port.
    #[error(
        "{0} is not in a network listed in `outbound.allow`, which plain http and ports other than \
         443 and 8443 require"
    )]
    UnlistedAddress(IpAddr),
}

/// The requirement for the addresses of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Public, or in a listed network: HTTPS on a usual port.
    Public,
    /// In a listed network: everything else.
    Listed,
}

/// Checks requests against the policy.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    allow: Arc<[IpNet]>,
}

impl Guard {
    pub(super) fn new(allow: &[IpNet]) -> Self {
        Self { allow: allow.into() }
    }

    /// Checks the URL alone, and returns the requirement for its addresses.
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
            self.check_address(address, need)?;
        } else if let Some(name) = url.host_str()
            && self.allow.is_empty()
            && is_private(name)
        {
            return Err(Refusal::PrivateName(name.to_owned()));
        }
        Ok(need)
    }

    /// Checks an address, in any spelling.
    pub(super) fn check_address(&self, address: IpAddr, need: Need) -> Result<(), Refusal> {
        let embedded_v4 = embedded_v4(address);
        let listed =
            self.allow.iter().any(|net| net.contains(&address) || net.contains(&embedded_v4));
        match need {
            _ if listed => Ok(()),
            _ if !is_public(address) => Err(Refusal::Address(address)),
            Need::Public => Ok(()),
            Need::Listed => Err(Refusal::UnlistedAddress(address)),
        }
    }
}

/// Resolves a name.
pub(super) type Lookup = Arc<
    dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync,
>;

/// The lookup of the operating system.
pub(super) fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// A resolver that returns only checked addresses: the connection uses one of them, without another
/// lookup.
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
            // All of them, since the connection may use any.
            for address in &found {
                guard.check_address(*address, need)?;
            }
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

/// Whether the name is always this machine, whatever a lookup returns.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// Suffixes that no public name server resolves.
const PRIVATE: [&str; 7] =
    [".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".home.arpa"];

/// Whether a name cannot be public: a single label, or one of those suffixes.
fn is_private(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    !name.contains('.') || PRIVATE.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests;
