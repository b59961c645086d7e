//! The two HTTP listeners. The ingest listener receives webhooks only; the admin listener serves
//! the console, the API, health and metrics.

mod access;
mod admin;
mod answer;
mod api;
mod apis;
mod application;
mod auth_throttle;
mod body;
mod caller;
mod caller_limits;
mod client_limit;
mod coding;
mod connection;
mod console;
mod csrf;
mod decoy;
mod denial;
mod form;
mod forwarded;
mod handshake;
mod head;
mod keep_rejected;
mod oversize;
mod peer;
mod problem;
mod receive;
mod report;
mod request_ids;
mod routes;
mod session;

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::middleware::from_fn;
use actix_web::{App, web};

pub use access::AuthState;
pub use actix_web::dev::Server;
pub use admin::AdminState;
pub use api::document;
pub use apis::Apis;
pub use application::{Inbox, application};
pub use caller_limits::{Limits, Quota};
pub use connection::{Bounds as ConnectionBounds, QUIET_LIBRARY, Settings as ConnectionSettings};
pub use decoy::Decoy;
pub use head::HeadLimits;
pub use oversize::Oversize;
pub use peer::Proxies;
pub use receive::IngestState;
pub use report::AcceptedMetrics;
pub use request_ids::RequestIds;
pub use routes::Routes;

use connection::Head;

use crate::admin::ChangeStream;

/// Starts the ingest listener. One handler looks up the path itself, since paths come from the
/// configuration and must not be decoded or redirected.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve_ingest(
    listener: TcpListener,
    connections: ConnectionSettings,
    ingest: IngestState,
    workers: usize,
) -> std::io::Result<Server> {
    let ingest = web::Data::new(ingest);
    connection::serve(listener, connections, workers, Head::AsItIs, move || {
        // Called on each thread of the listener.
        let service = web::Data::new(ingest.service.on_this_runtime());
        App::new()
            .app_data(ingest.clone())
            .app_data(service)
            .default_service(web::to(receive::receive))
    })
}

/// Starts the admin listener.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve_admin(
    listener: TcpListener,
    connections: ConnectionSettings,
    admin: AdminState,
    change_stream: ChangeStream,
    auth: Arc<AuthState>,
) -> std::io::Result<Server> {
    let access = web::Data::from(Arc::clone(&admin.access));
    let (admin, change_stream, auth) =
        (web::Data::new(admin), web::Data::new(change_stream), web::Data::from(auth));
    connection::serve(listener, connections, 1, Head::AsGet, move || {
        App::new()
            .app_data(admin.clone())
            .app_data(change_stream.clone())
            .app_data(auth.clone())
            .app_data(access.clone())
            .wrap(from_fn(access::authenticate))
            .wrap(from_fn(console::protect))
            .configure(console::routes)
            .configure(api::mount)
    })
}
