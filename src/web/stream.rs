//! `GET /api/v1/stream`: the stream of changes as server-sent events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::{OpenApi, ToSchema};

use super::access::PresentedCredential;
use super::api::{Endpoint, Query, Routes};
use super::caller::AuthenticatedCaller;
use super::denial::Denial;
use crate::admin::{
    Access, Caller, ChangeStream, Scope, StreamItem, Subscription, TooManySubscribers,
};
use crate::store::{Change, ChangeKind, Position};

/// Pieces of text that wait for a client to take them.
const WAITING: usize = 2;
/// For how many heartbeats a client may take nothing at all.
const PATIENCE: u32 = 2;
/// The wait before the database is asked again who somebody is, after it did not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// How soon a client should come again, in milliseconds.
const RETRY: u32 = 1_000;

#[derive(OpenApi)]
#[openapi(paths(stream), components(schemas(Line<'_>)))]
struct Document;

/// Mounts the stream.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/stream").ask(stream));
}

/// What a client asks for. Lists are separated by commas.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Where to begin: an `id` of the stream, or `start` for everything that is kept; by default
    /// only what happens from now on. `Last-Event-ID` counts more.
    after: Option<String>,
    /// Only of these sources.
    source: Option<String>,
    /// Only of these event types; `*` at the end stands for anything.
    r#type: Option<String>,
    /// Only these changes.
    change: Option<String>,
}

/// Which changes a client wants. Every part that is there must hold.
#[derive(Debug, Default)]
struct Filter {
    sources: Vec<String>,
    /// A `*` at the end stands for anything.
    types: Vec<String>,
    changes: Vec<ChangeKind>,
}

/// A change, as clients read it.
#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
struct Line<'a> {
    change: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    source: &'a str,
    r#type: Option<&'a str>,
    event: String,
    /// The event that this one was made of: an operator edited that, and nobody sent this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
}

/// Watch what happens
///
/// Arrivals, attempts and what operators did, as server-sent events, as they commit. The `data` of
/// each is a `Change`. Whoever goes on after an id has missed nothing.
#[utoipa::path(
    get, path = "/api/v1/stream", operation_id = "watchChanges", tag = "events",
    params(Asked, ("Last-Event-ID" = Option<String>, Header,
                   description = "Where to go on: the last id that was read.")),
    security(("bearer" = ["events:read"])),
    responses(
        (status = 200, description = "Changes, without end", body = String,
         content_type = "text/event-stream"),
        (status = 410, description = "The position is not in the stream"),
    ),
)]
async fn stream(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    request: HttpRequest,
    Query(asked): Query<Asked>,
    feed: web::Data<ChangeStream>,
    access: web::Data<Access>,
) -> Result<HttpResponse, Denial> {
    begin(&request, &asked, (&feed, access), caller).await
}

async fn begin(
    request: &HttpRequest,
    asked: &Asked,
    (feed, access): (&ChangeStream, web::Data<Access>),
    caller: Caller,
) -> Result<HttpResponse, Denial> {
    caller.needs(Scope::EventsRead)?;
    let filter = Filter::read(asked)?;
    let after = match position(request, asked)? {
        Some(after) if !feed.knows(after).await.map_err(|_| Denial::Unavailable)? => {
            return Err(Denial::Gone);
        }
        Some(after) => after,
        None => feed.end().await.map_err(|_| Denial::Unavailable)?,
    };
    let subscription = feed.subscribe(after, &caller).map_err(|none| match none {
        TooManySubscribers::Full => Denial::Full,
        TooManySubscribers::Share => {
            Denial::TooMany { after: feed.settings().heartbeat.as_secs().max(1) }
        }
    })?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let last_words = Arc::new(Mutex::new(None));
    let client = Client {
        filter,
        sender,
        last_words: Arc::clone(&last_words),
        heartbeat: feed.settings().heartbeat,
        stop: feed.stop().clone(),
        access: access.into_inner(),
        shown: PresentedCredential::of(request).ok_or(Denial::NoKey)?,
        caller,
    };
    feed.spawn(client.serve(subscription));
    let body = stream::unfold((receiver, last_words), |(mut receiver, last_words)| async move {
        let piece = match receiver.recv().await {
            Some(piece) => piece,
            None => last_words.lock().unwrap_or_else(PoisonError::into_inner).take()?,
        };
        Some((Ok::<_, actix_web::Error>(piece), (receiver, last_words)))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        // For proxies that would keep it back.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(Box::pin(body)))
}

/// Where the client wants to begin. What a browser remembers counts more than the address it was
/// given first.
fn position(request: &HttpRequest, query: &Asked) -> Result<Option<Position>, Denial> {
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
                "Last-Event-ID, or after, must be an id of this stream, or `start`".into(),
            )
        }),
    }
}

impl Filter {
    fn read(query: &Asked) -> Result<Self, Denial> {
        let list = |text: &Option<String>| -> Vec<String> {
            let words = text.iter().flat_map(|text| text.split(','));
            words.map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
        };
        let changes = list(&query.change);
        let changes = changes
            .iter()
            .map(|word| ChangeKind::ALL.into_iter().find(|what| what.as_str() == word))
            .collect::<Option<_>>()
            .ok_or_else(|| {
                let words: Vec<&str> = ChangeKind::ALL.iter().map(|what| what.as_str()).collect();
                Denial::Malformed(format!("change may be: {}", words.join(", ")).into())
            })?;
        Ok(Self { sources: list(&query.source), types: list(&query.r#type), changes })
    }

    fn wants(&self, change: &Change) -> bool {
        let kind = change.kind.as_deref().unwrap_or_default();
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => kind.starts_with(beginning),
            None => kind == pattern,
        };
        (self.sources.is_empty() || self.sources.contains(&change.source))
            && (self.types.is_empty() || self.types.iter().any(fits))
            && (self.changes.is_empty() || self.changes.contains(&change.what))
    }
}

/// One client, and the way to it.
struct Client {
    filter: Filter,
    sender: mpsc::Sender<Bytes>,
    /// What is said when there is no room to say it.
    last_words: Arc<Mutex<Option<Bytes>>>,
    heartbeat: Duration,
    stop: CancellationToken,
    access: Arc<Access>,
    shown: PresentedCredential,
    caller: Caller,
}

impl Client {
    /// Tells the client what happens, until it goes or has to.
    async fn serve(self, mut subscription: Subscription) {
        metrics::gauge!("sealpost_stream_clients").increment(1.0);
        let following = self.stop.run_until_cancelled(self.follow(&mut subscription)).await;
        let why = following.unwrap_or(Some("the gateway stops"));
        if let Some(why) = why {
            let words = format!(": {why}; go on with Last-Event-ID\n\n");
            let mut last = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(words.into());
        }
        drop(subscription);
        metrics::gauge!("sealpost_stream_clients").decrement(1.0);
    }

    /// Gives why it ends; `None` when the client has gone.
    async fn follow(&self, subscription: &mut Subscription) -> Option<&'static str> {
        const TOO_SLOW: &str = "this client takes too long";
        let hello = format!("retry: {RETRY}\nid: {}\n\n", subscription.position());
        if !self.send(hello).await {
            return Some(TOO_SLOW);
        }
        let mut checked = Instant::now();
        loop {
            let told = tokio::select! {
                told = subscription.next() => told,
                () = self.sender.closed() => return None,
            };
            if checked.elapsed() >= self.heartbeat {
                if let Some(why) = self.check().await {
                    return why;
                }
                checked = Instant::now();
            }
            let text = match told {
                StreamItem::Changes(changes) => self.render(&changes),
                StreamItem::Lag(lag) => {
                    let seconds = lag.as_secs();
                    format!(
                        ": lag {seconds}s, a transaction that is still open holds this back\n\n"
                    )
                }
                // With the position, which may have moved over what this client does not want.
                StreamItem::Nothing => format!(": alive\nid: {}\n\n", subscription.position()),
            };
            if !text.is_empty() && !self.send(text).await {
                return Some(TOO_SLOW);
            }
        }
    }

    /// Asks whether the client still may; gives why it ends. Until somebody can say, nothing more is
    /// told.
    async fn check(&self) -> Option<Option<&'static str>> {
        loop {
            match self.shown.caller(&self.access).await {
                Ok(Some(caller)) if caller.may_as(&self.caller) => return None,
                // Whose rights have changed begins anew, with those they have now.
                Ok(_) => return Some(Some("the key is good no longer")),
                Err(_) => {}
            }
            let asleep = tokio::time::sleep(AGAIN);
            tokio::select! {
                () = asleep => {}
                () = self.sender.closed() => return Some(None),
            }
        }
    }

    /// False when the client has taken nothing for too long.
    async fn send(&self, text: String) -> bool {
        // Whether it has gone is found out where it is waited for.
        let patience = self.heartbeat * PATIENCE;
        tokio::time::timeout(patience, self.sender.send(text.into())).await.is_ok()
    }

    fn render(&self, changes: &[Change]) -> String {
        let mut text = String::new();
        let payload = self.caller.may(Scope::PayloadRead);
        let visible = |change: &&Change| {
            let own = self.caller.tenant();
            own.is_none_or(|own| change.tenant.as_deref() == Some(own))
        };
        for change in changes.iter().filter(visible).filter(|change| self.filter.wants(change)) {
            let line = Line {
                change: change.what.as_str(),
                at: change.at,
                source: &change.source,
                r#type: change.kind.as_deref(),
                event: change.event.to_string(),
                edited_from: change.edited_from.map(|from| from.to_string()),
                delivery: change.delivery,
                handler: change.handler.as_deref(),
                attempt: change.attempt,
                outcome: change.outcome.as_deref(),
                reason: change.reason.as_deref(),
                error: change.error.as_deref().filter(|_| payload),
                replay: change.replay,
                actor: change.actor.as_deref(),
            };
            // JSON of a line: line breaks in it are escaped.
            let data = serde_json::to_string(&line).unwrap_or_default();
            let (id, what) = (change.position.to_string(), change.what.as_str());
            text.extend(["id: ", &id, "\nevent: ", what, "\ndata: ", &data, "\n\n"]);
        }
        text
    }
}
