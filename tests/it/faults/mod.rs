//! Fault injection: the gateway is killed, the database is unavailable, slow or loses commits,
//! other gateways do the same work, handlers misbehave. Afterwards every acknowledged event must be
//! stored once and handled once.
//!
//! - [`proxy`] is a proxy before PostgreSQL that stops or cuts a connection at a chosen statement.
//! - [`driver`] runs the program as a process, and signs requests by the system clock.
//! - [`assertions`] checks the database afterwards.

pub(crate) mod assertions;
mod commits;
mod disconnects;
pub(crate) mod driver;
mod environment;
mod handlers;
mod handshakes;
mod kill;
mod outages;
mod proxy;
mod sharing;
mod stop;
mod transfer;
mod wire;

pub(crate) use proxy::Pause;
pub(crate) use transfer::chunks;

/// URL of a proxy before a database, which pauses before the next statement that contains `sql`.
pub(crate) async fn proxy_before(direct: &sealpost::store::Target, sql: &str) -> (String, Pause) {
    let proxy = proxy::Proxy::before(direct).await;
    let hold = proxy.hold(proxy::Point::Before, sql);
    (proxy.url().to_owned(), hold)
}
