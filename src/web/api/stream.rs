//! `GET /api/v1/stream`: changes as server-sent events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use strum::VariantArray as _;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;

use super::query::Query;
use super::routes::{Endpoint, Routes};
use crate::admin::{
    Access, Caller, Change, ChangeKind, ChangeStream, Scope, StreamItem, Subscription,
    TooManySubscribers,
};
use crate::store::Position;
use crate::web::access::PresentedCredential;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

/// The maximum number of queued messages per client.
const WAITING: usize = 2;
/// The number of heartbeats after which a client that reads nothing is disconnected.
const MISSED_HEARTBEATS: u32 = 2;
/// The retry delay of the permission check when the database is unavailable.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// The reconnection delay for clients, in milliseconds.
const RETRY: u32 = 1_000;

#[derive(OpenApi)]
#[openapi(paths(stream), components(schemas(Change)))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/stream").get_with_query(stream));
}

/// The query; lists are comma-separated.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// The position to start from: an `id` of the stream, or `start` for all retained changes; new
    /// changes only by default. `Last-Event-ID` takes precedence.
    after: Option<String>,
    /// Filter by source.
    source: Option<String>,
    /// Filter by event type; a trailing `*` is a wildcard.
    r#type: Option<String>,
    /// Filter by kind of change.
    change: Option<String>,
}

/// The filter of a client; all given parts must match.
#[derive(Debug, Default)]
struct Filter {
    sources: Vec<String>,
    /// A trailing `*` is a wildcard.
    types: Vec<String>,
    changes: Vec<ChangeKind>,
}

/// Stream changes
///
/// New events, attempts and operator actions as server-sent events, in commit order. The `data` of
/// each is a `Change`. A client that reconnects with the last id misses nothing.
#[utoipa::path(
    get, path = "/api/v1/stream", operation_id = "watchChanges", tag = "events",
    params(StreamQuery, ("Last-Event-ID" = Option<String>, Header,
                   description = "The last id received, to continue after it.")),
    security(("bearer" = ["events:read"])),
    responses(
        (status = 200, description = "An endless stream of changes", body = String,
         content_type = "text/event-stream"),
        (status = 410, description = "Unknown or expired stream position"),
    ),
)]
async fn stream(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    request: HttpRequest,
    Query(query): Query<StreamQuery>,
    changes: web::Data<ChangeStream>,
    access: web::Data<Access>,
) -> Result<HttpResponse, Denial> {
    begin(&request, &query, (&changes, access), caller).await
}

async fn begin(
    request: &HttpRequest,
    query: &StreamQuery,
    (changes, access): (&ChangeStream, web::Data<Access>),
    caller: Caller,
) -> Result<HttpResponse, Denial> {
    caller.needs(Scope::EventsRead)?;
    let filter = Filter::read(query)?;
    let after = match position(request, query)? {
        Some(after) if !changes.is_retained(after).await.map_err(|_| Denial::Unavailable)? => {
            return Err(Denial::Gone);
        }
        Some(after) => after,
        None => changes.end().await.map_err(|_| Denial::Unavailable)?,
    };
    let subscription = changes.subscribe(after, &caller).map_err(|error| match error {
        TooManySubscribers::Full => Denial::Full,
        TooManySubscribers::Share => {
            Denial::TooMany { after: changes.settings().heartbeat.as_secs().max(1) }
        }
    })?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let close_reason = Arc::new(Mutex::new(None));
    let client = Client {
        filter,
        sender,
        close_reason: Arc::clone(&close_reason),
        heartbeat: changes.settings().heartbeat,
        stop: changes.stop().clone(),
        access: access.into_inner(),
        credential: PresentedCredential::of(request).ok_or(Denial::NO_KEY)?,
        caller,
    };
    changes.spawn(client.serve(subscription));
    let body =
        stream::unfold((receiver, close_reason), |(mut receiver, close_reason)| async move {
            let piece = match receiver.recv().await {
                Some(piece) => piece,
                None => close_reason.lock().unwrap_or_else(PoisonError::into_inner).take()?,
            };
            Some((Ok::<_, actix_web::Error>(piece), (receiver, close_reason)))
        });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        // Disables buffering in proxies.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(Box::pin(body)))
}

/// The position to start from. `Last-Event-ID`, which browsers send on reconnection, takes
/// precedence over the query.
fn position(request: &HttpRequest, query: &StreamQuery) -> Result<Option<Position>, Denial> {
    let header = request.headers().get("last-event-id");
    let text = match header {
        Some(value) => Some(value.to_str().unwrap_or("?")).filter(|text| !text.is_empty()),
        None => query.after.as_deref(),
    };
    match text {
        None => Ok(None),
        Some("start") => Ok(Some(Position::START)),
        Some(text) => text.parse().map(Some).map_err(|_| {
            Denial::Malformed(
                "invalid Last-Event-ID or `after`: expected an id of this stream or `start`".into(),
            )
        }),
    }
}

impl Filter {
    fn read(query: &StreamQuery) -> Result<Self, Denial> {
        let list = |text: &Option<String>| -> Vec<String> {
            let words = text.iter().flat_map(|text| text.split(','));
            words.map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
        };
        let changes = list(&query.change);
        let changes = changes
            .iter()
            .map(|word| word.parse::<ChangeKind>())
            .collect::<Result<_, strum::ParseError>>()
            .map_err(|_| {
                let words: Vec<&str> =
                    ChangeKind::VARIANTS.iter().map(|kind| kind.as_str()).collect();
                Denial::Malformed(
                    format!("invalid `change`: expected one of: {}", words.join(", ")).into(),
                )
            })?;
        Ok(Self { sources: list(&query.source), types: list(&query.r#type), changes })
    }

    fn wants(&self, change: &Change) -> bool {
        let event_type = change.event_type.as_deref().unwrap_or_default();
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => event_type.starts_with(beginning),
            None => event_type == pattern,
        };
        (self.sources.is_empty() || self.sources.contains(&change.source))
            && (self.types.is_empty() || self.types.iter().any(fits))
            && (self.changes.is_empty() || self.changes.contains(&change.change))
    }
}

struct Client {
    filter: Filter,
    sender: mpsc::Sender<Bytes>,
    /// The close reason when the queue is full.
    close_reason: Arc<Mutex<Option<Bytes>>>,
    heartbeat: Duration,
    stop: CancellationToken,
    access: Arc<Access>,
    credential: PresentedCredential,
    caller: Caller,
}

impl Client {
    /// Sends changes until the client disconnects or is disconnected.
    async fn serve(self, mut subscription: Subscription) {
        metrics::gauge!("sealpost_stream_clients").increment(1.0);
        let following = self.stop.run_until_cancelled(self.follow(&mut subscription)).await;
        let why = following.unwrap_or(Some("the gateway is stopping"));
        if let Some(why) = why {
            let words = format!(": {why}; reconnect with Last-Event-ID\n\n");
            let mut last = self.close_reason.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(words.into());
        }
        drop(subscription);
        metrics::gauge!("sealpost_stream_clients").decrement(1.0);
    }

    /// Returns the reason for the end; `None` if the client disconnected.
    async fn follow(&self, subscription: &mut Subscription) -> Option<&'static str> {
        const TOO_SLOW: &str = "the client reads too slowly";
        let hello = format!("retry: {RETRY}\nid: {}\n\n", subscription.position());
        if !self.send(hello).await {
            return Some(TOO_SLOW);
        }
        let mut checked = Instant::now();
        loop {
            let item = tokio::select! {
                item = subscription.next() => item,
                () = self.sender.closed() => return None,
            };
            if checked.elapsed() >= self.heartbeat {
                if let Some(why) = self.check().await {
                    return why;
                }
                checked = Instant::now();
            }
            let text = match item {
                StreamItem::Changes(changes) => self.render(&changes),
                StreamItem::Lag(lag) => {
                    let seconds = lag.as_secs();
                    format!(": lag {seconds}s, blocked by an open transaction\n\n")
                }
                // With the position, which may have advanced past filtered changes.
                StreamItem::Nothing => format!(": alive\nid: {}\n\n", subscription.position()),
            };
            if !text.is_empty() && !self.send(text).await {
                return Some(TOO_SLOW);
            }
        }
    }

    /// Checks the permissions of the client again; returns the reason for the end. Until the check
    /// succeeds, nothing more is sent.
    async fn check(&self) -> Option<Option<&'static str>> {
        loop {
            match self.credential.caller(&self.access).await {
                Ok(Some(caller)) if caller.may_as(&self.caller) => return None,
                // A client with changed permissions has to reconnect.
                Ok(_) => return Some(Some("the credentials are no longer valid or have changed")),
                Err(_) => {}
            }
            let asleep = tokio::time::sleep(RETRY_DELAY);
            tokio::select! {
                () = asleep => {}
                () = self.sender.closed() => return Some(None),
            }
        }
    }

    /// False if the client has read nothing for too long.
    async fn send(&self, text: String) -> bool {
        // A disconnect is detected where the queue is awaited.
        let patience = self.heartbeat * MISSED_HEARTBEATS;
        tokio::time::timeout(patience, self.sender.send(text.into())).await.is_ok()
    }

    fn render(&self, changes: &[Change]) -> String {
        let mut text = String::new();
        for change in changes.iter().filter(|change| self.filter.wants(change)) {
            // JSON on one line: line breaks in it are escaped.
            let data = serde_json::to_string(change).unwrap_or_default();
            let (id, kind) = (change.position.to_string(), change.change.as_str());
            text.extend(["id: ", &id, "\nevent: ", kind, "\ndata: ", &data, "\n\n"]);
        }
        text
    }
}
