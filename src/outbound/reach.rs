//! Whether a host can be reached at all, for who checks a configuration: it is looked up, judged as
//! for a request, and connected to. Nothing is sent.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use url::{Host, Url};

use super::guard::system;
use super::{Outbound, OutboundError, host};

/// The longest time for it.
const WITHIN: Duration = Duration::from_secs(5);

impl Outbound {
    /// Looks the host up and connects to it.
    ///
    /// # Errors
    /// [`OutboundError::Refused`] where no request may go there; [`OutboundError::Unreachable`].
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
                self.guard.judge(*address, need).map_err(refused)?;
            }
            let port = url.port_or_known_default().unwrap_or_default();
            let addresses: Vec<SocketAddr> =
                addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
            TcpStream::connect(&addresses[..]).await.map(drop).map_err(unreachable)
        };
        let late = || unreachable(io::Error::from(io::ErrorKind::TimedOut));
        tokio::time::timeout(WITHIN, connecting).await.unwrap_or_else(|_| Err(late()))
    }
}
