//! Checks whether a host is reachable, for validating a configuration: resolves, checks and
//! connects. Nothing is sent.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use url::{Host, Url};

use super::guard::system;
use super::{Outbound, OutboundError, host};

const TIMEOUT: Duration = Duration::from_secs(5);

impl Outbound {
    /// Resolves the host and connects to it.
    pub async fn reach(&self, url: &Url) -> Result<(), OutboundError> {
        let refused = |refusal| OutboundError::Refused { host: host(url), refusal };
        let unreachable = |error| OutboundError::Unreachable { host: host(url), error };
        let need = self.guard.check(url).map_err(refused)?;
        let connecting = async {
            let addresses: Vec<IpAddr> = match url.host() {
                Some(Host::Ipv4(address)) => vec![address.into()],
                Some(Host::Ipv6(address)) => vec![address.into()],
                Some(Host::Domain(name)) => system()(name.to_owned()).await.map_err(unreachable)?,
                None => Vec::new(),
            };
            for address in &addresses {
                self.guard.check_address(*address, need).map_err(refused)?;
            }
            let port = url.port_or_known_default().unwrap_or_default();
            let addresses: Vec<SocketAddr> =
                addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
            TcpStream::connect(&addresses[..]).await.map(drop).map_err(unreachable)
        };
        let late = || unreachable(io::Error::from(io::ErrorKind::TimedOut));
        tokio::time::timeout(TIMEOUT, connecting).await.unwrap_or_else(|_| Err(late()))
    }
}
