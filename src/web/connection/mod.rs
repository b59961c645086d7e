//! Connection management: limits on the number of connections, and timeouts for every state.
//!
//! Actix has timeouts only for the first head of a connection and for keep-alive. Here every state
//! has one. `progress` tracks the state of a connection: `socket` reports bytes moved, `body` the
//! progress of request and response bodies. `watch` closes a connection that is late. `table`
//! counts the connections of all client addresses and evicts stalled ones when a limit is reached.

mod body;
mod interim;
mod pace;
mod progress;
mod request;
mod settings;
mod socket;
mod table;
mod watch;

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::{BoxBody, MessageBody};
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, apply_fn_factory, fn_service, map_config,
};
use actix_web::Error;
use actix_web::dev::{AppConfig, ServiceResponse};
use tokio::net::TcpStream;

pub(super) use body::is_too_slow;
use progress::Progress;
use request::RequestInProgress;
pub use settings::{Bounds, Settings};
use socket::Socket;
use table::Connections;

/// Log filters for actix. It logs each malformed request as an error, so that any client could fill
/// the log; the listeners count them and log them at level debug. Its start-up messages are
/// redundant.
pub const QUIET_LIBRARY: &str = "actix_http::h1::dispatcher=off,actix_server=warn";
/// Graceful shutdown timeout of requests, in seconds.
const DRAIN_SECONDS: u64 = 15;
/// Extra connections per thread beyond its share: connections about to be evicted or rejected, and
/// uneven distribution.
const SPARE: usize = 32;

/// How an application handles `HEAD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// As `GET`, without the body.
    AsGet,
    /// Like any other method.
    AsItIs,
}

/// Serves an application on a listener; `factory` is called on each thread.
///
/// # Errors
/// When the address cannot be bound.
pub(super) fn serve<F, I, S, B>(
    listener: TcpListener,
    settings: Settings,
    workers: usize,
    head: Head,
    factory: F,
) -> std::io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    S::Future: 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let settings = Arc::new(settings);
    let connections = Arc::new(Connections::new(Arc::clone(&settings)));
    let builder = Server::build();
    let stopping = builder.graceful_shutdown_signal();
    let share = settings.total.div_ceil(workers.max(1));
    let name = settings.listener;
    let service = move || {
        let stopping = stopping.clone();
        let keep_alive =
            if settings.keep_alive.is_zero() { KeepAlive::Disabled } else { KeepAlive::Os };
        let application = map_config(factory(), |()| AppConfig::default());
        let application = apply_fn_factory(application, move |mut request: Request, service| {
            let begun = RequestInProgress::of(&mut request, head);
            let answered = Service::call(service, request);
            async move { Ok(begun.answer(answered.await)) }
        });
        // The timeouts of actix are off: `watch` replaces them.
        let http = HttpService::build()
            .keep_alive(keep_alive)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(Duration::ZERO)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|socket: &Socket, data| {
                data.insert(Rc::clone(socket.progress()));
            })
            .expect(fn_service(|request: Request| {
                if let Some(progress) = request.conn_data::<Rc<Progress>>() {
                    progress.interim().expect();
                }
                async move { Ok::<_, Response<BoxBody>>(request) }
            }))
            .finish(application);
        let (settings, connections) = (Arc::clone(&settings), Arc::clone(&connections));
        apply_fn_factory(http, move |stream: TcpStream, http| {
            let address = stream.peer_addr().ok();
            // A connection without a peer address is already closed.
            let ip = address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
            let admitted = match connections.admit(ip.to_canonical()) {
                Ok(slot) => {
                    let progress = Rc::new(Progress::new(Arc::clone(&settings), slot));
                    let socket = Socket::new(stream, Rc::clone(&progress));
                    Some((http.call((socket, Protocol::Http1, address)), progress))
                }
                Err(refused) => {
                    watch::refuse(&stream, refused, ip, &settings);
                    None
                }
            };
            let settings = Arc::clone(&settings);
            async move {
                if let Some((dispatcher, progress)) = admitted {
                    watch::run(dispatcher, progress, &settings).await;
                }
                Ok(())
            }
        })
    };
    let server = builder
        .workers(workers)
        .max_concurrent_connections(share + SPARE)
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals()
        .listen(name, listener, service)?;
    Ok(server.run())
}
