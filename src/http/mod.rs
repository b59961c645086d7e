//! The two listeners. The ingest listener takes webhooks and knows nothing else; the operator
//! listener is for people and machines that run the gateway.

mod access;
mod answer;
mod api;
mod application;
mod caller;
mod console;
mod denial;
mod form;
mod health;
mod hold;
mod operator;
mod origin;
mod peer;
mod porch;
mod problem;
mod receive;
mod report;
mod routes;
mod session;
mod stream;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

pub use access::Door;
pub use actix_web::dev::Server;
pub use api::{Apis, Limits, Quota, document};
pub use application::{Inbox, application};
pub use operator::Operator;
pub use receive::{Decoy, Ingest, RequestIds};
pub use routes::Routes;

use crate::operator::Feed;

/// How long a head may take to arrive.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Connections per worker.
const MAX_CONNECTIONS: usize = 1024;
/// Seconds that requests may take to finish when the gateway stops.
const DRAIN_SECONDS: u64 = 15;

/// Every path of the ingest listener: one handler, which looks the path up itself, since paths
/// come from the configuration and must not be decoded or redirected on the way.
///
/// # Errors
/// When the socket cannot be listened on.
pub fn ingest(listener: TcpListener, ingest: Ingest, workers: usize) -> std::io::Result<Server> {
    let ingest = web::Data::new(ingest);
    let server = HttpServer::new(move || {
        // Called on each of the listener's threads.
        let intake = web::Data::new(ingest.intake.on_this_runtime());
        App::new()
            .app_data(ingest.clone())
            .app_data(intake)
            .default_service(web::to(receive::receive))
    })
    .workers(workers)
    .max_connections(MAX_CONNECTIONS)
    .client_request_timeout(HEAD_DEADLINE)
    .client_disconnect_timeout(Duration::from_secs(1))
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(DRAIN_SECONDS)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

/// Every path of the operator listener; `door` says who may come in.
///
/// # Errors
/// When the socket cannot be listened on.
pub fn operator(
    listener: TcpListener,
    operator: Operator,
    feed: Feed,
    door: Arc<Door>,
) -> std::io::Result<Server> {
    let access = web::Data::from(Arc::clone(&operator.access));
    let (operator, feed, door) =
        (web::Data::new(operator), web::Data::new(feed), web::Data::from(door));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(operator.clone())
            .app_data(feed.clone())
            .app_data(door.clone())
            .app_data(access.clone())
            .wrap(from_fn(access::guard))
            .wrap(from_fn(console::protect))
            .configure(console::routes)
            .configure(api::mount)
    })
    .workers(1)
    .max_connections(MAX_CONNECTIONS)
    .client_request_timeout(HEAD_DEADLINE)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(DRAIN_SECONDS)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}
