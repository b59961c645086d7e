//! Connections: how many there are, and that each makes progress or ends.
//!
//! The HTTP library has a deadline for the first head of a connection and for the time between two
//! requests, and none for anything else. Here every state has one. A connection's `progress` knows
//! what it is doing: the `socket` tells it what moves, the `body` of a request and of its answer
//! tell how far they are. The `watch` over the connection ends what is late. The `table` has the
//! connections of all peers, and lets one that makes no progress yield where there are too many.

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
use request::Begun;
pub use settings::{Bounds, Settings};
use socket::Socket;
use table::Connections;

/// What keeps the HTTP library from logging each malformed request as an error: any stranger could
/// fill the log. The listeners count them, and log them at level debug. The server says at each
/// listener what it starts, which is said elsewhere already.
pub const QUIET_LIBRARY: &str = "actix_http::h1::dispatcher=off,actix_server=warn";
/// Seconds that requests may take to finish when the gateway stops.
const DRAIN_SECONDS: u64 = 15;
/// How many connections a thread may have beyond its share: those that are about to yield or to be
/// refused, and so that one thread may have more than another.
const SPARE: usize = 32;

/// How an application takes `HEAD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// As `GET`, without the body.
    AsGet,
    /// As any other method.
    AsItIs,
}

/// Serves an application on a listener; `factory` is called on each thread.
///
/// # Errors
/// When the socket cannot be listened on.
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
            let begun = Begun::of(&mut request, head);
            let answered = Service::call(service, request);
            async move { Ok(begun.answer(answered.await)) }
        });
        // The library's own deadlines are off: ours know more.
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
            // Whose address is not known has gone already.
            let ip = address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
            let admitted = match connections.admit(ip.to_canonical()) {
                Ok(seat) => {
                    let progress = Rc::new(Progress::new(Arc::clone(&settings), seat));
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
                    watch::over(dispatcher, progress, &settings).await;
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
