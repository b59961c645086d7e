//! Enforces the deadlines of a connection.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use actix_http::error::{DispatchError, ParseError};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::Settings;
use super::progress::{LINGER, Late, Progress};
use super::table::Refused;

/// The longest silence while a connection lingers.
const SILENCE: Duration = Duration::from_secs(1);

const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// The response to a rejected connection.
const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\
    retry-after: 1\r\nconnection: close\r\n\r\n";

#[derive(Debug)]
enum End {
    /// Closed by actix.
    Done(Result<(), DispatchError>),
    Late(Late),
    Evicted,
}

impl End {
    /// The reason of an abnormal end, for the log.
    fn broken(&self, progress: &Progress) -> Option<&'static str> {
        match self {
            Self::Done(Ok(())) | Self::Late(Late::Idle | Late::Closing) => {
                progress.was_reset().then_some("reset")
            }
            Self::Done(Err(DispatchError::Parse(ParseError::TooLarge))) => Some("head_too_large"),
            Self::Done(Err(DispatchError::Parse(_))) => Some("bad_request"),
            Self::Done(Err(DispatchError::Io(_))) => Some("reset"),
            Self::Done(Err(_)) => Some("error"),
            Self::Late(Late::Head) => Some("head_timeout"),
            Self::Late(Late::Body) => Some("body_timeout"),
            Self::Late(Late::Answer) => Some("answer_timeout"),
            Self::Evicted => Some("evicted"),
        }
    }
}

/// Runs a connection until its end.
pub(super) async fn run(
    dispatcher: impl Future<Output = Result<(), DispatchError>>,
    progress: Rc<Progress>,
    settings: &Settings,
) {
    let end = until_end(dispatcher, &progress).await;
    if let End::Done(Err(DispatchError::Body(error))) = &end {
        warn!(event = "answer.broken", listener = settings.listener, %error);
    }
    if let Some(why) = end.broken(&progress) {
        metrics::counter!(
            "sealpost_connections_broken_total",
            "listener" => settings.listener, "reason" => why
        )
        .increment(1);
        log_end(settings, "connection.broken", why, progress.slot().address());
    }
    let Some(socket) = progress.unpark() else { return };
    match end {
        End::Late(Late::Head) => {
            write_now(&socket, REQUEST_TIMEOUT);
            linger(socket, &progress).await;
        }
        End::Done(Err(DispatchError::Parse(_))) => linger(socket, &progress).await,
        End::Done(Ok(())) if progress.is_closing() => linger(socket, &progress).await,
        End::Evicted if progress.has_partial_head() => write_now(&socket, UNAVAILABLE),
        _ => {}
    }
}

/// Rejects a connection at the limit. The response may not arrive, since the request is not read:
/// reading would need the capacity that is missing.
pub(super) fn refuse(socket: &TcpStream, refused: Refused, peer: IpAddr, settings: &Settings) {
    write_now(socket, UNAVAILABLE);
    let why = match refused {
        Refused::Peer => "peer",
        Refused::Full => "full",
    };
    metrics::counter!(
        "sealpost_connections_refused_total",
        "listener" => settings.listener, "reason" => why
    )
    .increment(1);
    log_end(settings, "connection.refused", why, peer);
}

/// Logs the end of a connection, rate limited.
fn log_end(settings: &Settings, event: &'static str, reason: &'static str, peer: IpAddr) {
    if settings.log.check().is_ok() {
        debug!(event, listener = settings.listener, reason, %peer);
    }
}

async fn until_end(
    dispatcher: impl Future<Output = Result<(), DispatchError>>,
    progress: &Progress,
) -> End {
    let mut dispatcher = pin!(dispatcher);
    let mut alarm = pin!(sleep_until(Instant::now() + LINGER));
    poll_fn(|cx| {
        loop {
            // First, so that a request that has just arrived is noticed.
            if let Poll::Ready(done) = dispatcher.as_mut().poll(cx) {
                return Poll::Ready(End::Done(done));
            }
            if progress.slot().is_evicted(cx.waker()) && progress.evict() {
                return Poll::Ready(End::Evicted);
            }
            let Some((at, late)) = progress.deadline() else { return Poll::Pending };
            // A timer that fires too early is set again, which is cheaper than setting it at every
            // request.
            if at < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(at);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() < at {
                continue;
            }
            if late != Late::Body {
                return Poll::Ready(End::Late(late));
            }
            progress.abort_body();
        }
    })
    .await
}

/// Writes a response, as far as the socket buffer allows.
fn write_now(socket: &TcpStream, response: &[u8]) {
    // A failed write is ignored; the connection is closed in any case.
    drop(socket.try_write(response));
}

/// Lingering close: shuts down the write side and reads until the client closes. Without it, unread
/// bytes would cause a reset and the client might lose the response.
async fn linger(mut socket: TcpStream, progress: &Progress) {
    progress.set_lingering();
    if tokio::io::AsyncWriteExt::shutdown(&mut socket).await.is_err() {
        return;
    }
    let reading = async {
        let mut scratch = vec![0; 16 * 1024];
        loop {
            let read = tokio::time::timeout(SILENCE, socket.read(&mut scratch)).await;
            if !matches!(read, Ok(Ok(1..))) {
                return;
            }
        }
    };
    let evicted = poll_fn(|cx| {
        if progress.slot().is_evicted(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    });
    tokio::select! {
        () = reading => {}
        () = evicted => {}
        () = tokio::time::sleep(LINGER) => {}
    }
}
