//! Connection settings of the two listeners.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU64;

use super::BuildError;
use super::descriptors::Shares;
use crate::config::{ConnectionLimits, File};
use crate::web::{ConnectionBounds, ConnectionSettings, QUIET_LIBRARY};

/// The maximum number of connections in the kernel's accept queue.
const BACKLOG: u32 = 1024;

/// The configured log filter, without lines that any client could cause.
pub fn log_filter(configured: &str) -> String {
    // Later directives win, so the configuration can enable these lines.
    format!("{QUIET_LIBRARY},{configured}")
}

/// The settings of the ingest and the admin listener.
pub(super) fn settings(file: &File, shares: Shares) -> (ConnectionSettings, ConnectionSettings) {
    let (ingest, operator) = (&file.ingest, &file.operator);
    let of_ingest = bounds(shares.ingest, ingest.limits());
    let of_operator = bounds(shares.operator, operator.limits());
    (
        ConnectionSettings::new("ingest", of_ingest, ingest.trusted_proxies.clone()),
        ConnectionSettings::new("operator", of_operator, operator.trusted_proxies.clone()),
    )
}

/// The configured limits with the available number of connections.
fn bounds(total: usize, limits: ConnectionLimits) -> ConnectionBounds {
    let ConnectionLimits { per_peer, head_deadline, keep_alive, stall, min_rate, .. } = limits;
    let min_rate = NonZeroU64::new(min_rate.as_u64()).unwrap_or(NonZeroU64::MIN);
    ConnectionBounds { total, per_peer, head_deadline, keep_alive, stall, min_rate }
}

/// Listens with a large backlog; returns the listener and its address.
pub(super) fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BuildError> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
            SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?.into_std()?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    listen().map_err(|error| BuildError::Listen { address, error })
}
