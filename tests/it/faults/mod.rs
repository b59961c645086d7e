//! What goes wrong around the gateway: it is killed, the database is away, slow or unsure, other
//! gateways do the same work, handlers misbehave. Afterwards the books are checked: what was
//! answered 2xx is there once, and was done once.
//!
//! - [`proxy`] stands between a gateway and PostgreSQL and breaks off at a chosen statement.
//! - [`driver`] is the real program as a process, and a sender that signs by the real time.
//! - [`ledger`] says what must be in the database afterwards.

mod clients;
mod commits;
pub(crate) mod driver;
mod handlers;
mod kill;
pub(crate) mod ledger;
mod outages;
mod proxy;
mod sharing;
mod stop;
mod surroundings;
mod transfer;
mod wire;

pub(crate) use proxy::Pause;
pub(crate) use transfer::chunks;

/// The address of a proxy before a database, and a hold before the next statement that contains
/// `sql`.
pub(crate) async fn proxy_before(direct: &sealpost::store::Target, sql: &str) -> (String, Pause) {
    let proxy = proxy::Proxy::before(direct).await;
    let hold = proxy.hold(proxy::Point::Before, sql);
    (proxy.url().to_owned(), hold)
}
