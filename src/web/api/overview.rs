//! The overview: current problems and counts.

use actix_web::web;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::{OpenApi, ToSchema};

use super::alerts::Severity;
use super::answer::WithEtagIgnoringTime;
use super::deliveries::State;
use super::routes::{Endpoint, Routes};
use super::words::word;
use crate::admin;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(show))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/overview").get(show));
}

/// The overview. Counts are approximate: a few seconds old; the last hour begins at a multiple of
/// five minutes, the last 24 hours at a full hour.
#[derive(Debug, Serialize, ToSchema)]
struct Overview {
    /// The time of the request.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// The highest severity of the problems; null without problems.
    severity: Option<Severity>,
    /// Current problems, most severe first.
    alarms: Vec<Alarm>,
    /// Whether alerts are sent: false if no channel is configured.
    alerts_are_told: bool,
    /// All sources, in configured order.
    sources: Vec<SourceRow>,
    /// Requests to unknown paths in the last 24 hours; null for a key of one tenant.
    elsewhere: Option<Counts>,
    /// All sources, the last hour in steps of five minutes.
    hour: Series,
    /// All sources, the last 24 hours by hour.
    day: Series,
}

/// A problem.
#[derive(Debug, Serialize, ToSchema)]
struct Alarm {
    kind: AlarmKind,
    /// The source it is about, or null.
    source: Option<String>,
    /// The name of the destination or handler it is about; for an alert its kind.
    name: Option<String>,
    severity: Severity,
    /// A description, in a sentence.
    text: String,
    /// The number of affected deliveries, dead letters or requests.
    count: u64,
    /// Since when, if known.
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    look_at: Place,
}

/// The kind of a problem.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AlarmKind {
    /// The database cannot be written to.
    Database,
    /// The clocks of the gateway and the database differ.
    Clock,
    /// A long-running transaction in the database server.
    Transaction,
    /// Deliveries are overdue; or, with a name, a gateway cannot claim deliveries of a handler or
    /// store their results.
    Stuck,
    DestinationFailing,
    DestinationDisabled,
    /// The destination rejects more than a third of the events with 4xx.
    DestinationRejecting,
    /// Deliveries wait for a destination that is no longer configured.
    DestinationUnconfigured,
    /// Dead letters are open.
    DeadLetters,
    /// A source, handler or destination is paused.
    Paused,
    Silence,
    Refusals,
    /// Requests exceed the body limit of their source.
    Oversize,
    /// Signed requests arrive at unknown paths.
    WrongPath,
    TransfersExpired,
    TransfersLate,
    /// A proxy in front of the gateway is not in the trusted list.
    Proxy,
    /// An open alert raised by a provider or an operator.
    Alert,
}

/// A reference to the details.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlarmPlace)]
struct Place {
    what: Looked,
    /// The source to filter by.
    source: Option<String>,
    /// The delivery state to filter by.
    state: Option<State>,
}

/// The kind of page with the details.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AlarmPlaceWhat)]
enum Looked {
    Source,
    Events,
    DeadLetters,
    Destinations,
    Pauses,
    Alerts,
    Sources,
    Transfers,
    Settings,
}

/// The status of a source.
#[derive(Debug, Serialize, ToSchema)]
struct SourceRow {
    name: String,
    /// The provider.
    provider: String,
    tenant: String,
    /// Whether it is enabled.
    enabled: bool,
    /// When it was paused; null if it is not paused.
    #[serde(with = "time::serde::rfc3339::option")]
    paused_at: Option<OffsetDateTime>,
    /// The last hour.
    hour: Counts,
    /// The last 24 hours.
    day: Counts,
    /// Authentic requests in steps of five minutes, oldest first.
    hour_line: Vec<u64>,
    /// Authentic requests by hour.
    day_line: Vec<u64>,
    /// How long the oldest waiting delivery has been due.
    waiting_seconds: Option<f64>,
    /// The 95th percentile response time of authentic requests in the last hour.
    p95_seconds: Option<f64>,
    /// When the last authentic request was received.
    #[serde(with = "time::serde::rfc3339::option")]
    last_event_at: Option<OffsetDateTime>,
    /// The fingerprint of the secret used last.
    secret: Option<String>,
}

/// Counts by outcome in a period. Approximate.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counts {
    /// All requests.
    received: u64,
    /// Authentic requests.
    verified: u64,
    /// New events.
    accepted: u64,
    /// Duplicates.
    duplicates: u64,
    /// Quarantined requests: authentic but not processable.
    quarantined: u64,
    /// Chunks of incomplete payloads.
    chunks: u64,
    /// Requests that were rejected or could not be stored.
    refused: u64,
    /// Rejected requests by reason, most frequent first.
    reasons: Vec<ReasonCount>,
    /// Completed deliveries.
    handled: u64,
    /// Deliveries ignored by their handler.
    ignored: u64,
    /// Failed attempts that will be retried.
    retries: u64,
    /// Deliveries that became dead letters.
    dead: u64,
    /// Deliveries replayed by operators.
    replayed: u64,
    /// Expired transfers.
    expired: u64,
}

/// The number of rejected requests for one reason.
#[derive(Debug, Serialize, ToSchema)]
struct ReasonCount {
    /// The reason, such as `sig_mismatch`.
    reason: String,
    count: u64,
}

/// A time series of equal spans, oldest first; the last span is not complete.
#[derive(Debug, Serialize, ToSchema)]
struct Series {
    /// The length of a span, in seconds.
    step_seconds: i64,
    points: Vec<Point>,
}

/// A span of a time series.
#[derive(Debug, Serialize, ToSchema)]
struct Point {
    /// The beginning of the span.
    #[serde(with = "time::serde::rfc3339")]
    begin: OffsetDateTime,
    /// Authentic requests.
    verified: u64,
    /// Requests that were rejected or could not be stored.
    refused: u64,
    /// Completed deliveries.
    handled: u64,
    /// Deliveries that became dead letters.
    dead: u64,
    /// The median response time of authentic requests.
    p50_seconds: Option<f64>,
    /// The 95th percentile response time of authentic requests.
    p95_seconds: Option<f64>,
}

/// Show the overview
///
/// Current problems, a row for every source, and time series of the last hour and 24 hours. It
/// reads counters only, so its cost does not depend on the number of events.
#[utoipa::path(
    get, path = "/api/v1/overview", operation_id = "showOverview", tag = "overview",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The overview", body = Overview)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<WithEtagIgnoringTime<Overview>, Denial> {
    let overview = admin.monitoring.overview(&caller).await?;
    Ok(WithEtagIgnoringTime(Overview::new(overview)?))
}

impl Overview {
    fn new(overview: admin::Overview) -> Result<Self, Denial> {
        let severity = overview.severity().map(|severity| word(severity.as_str())).transpose()?;
        let alarms = overview.alarms.into_iter();
        Ok(Self {
            at: overview.at,
            severity,
            alerts_are_told: overview.alerts_are_told,
            alarms: alarms.map(Alarm::new).collect::<Result<_, _>>()?,
            sources: overview.sources.into_iter().map(SourceRow::new).collect(),
            elsewhere: overview.elsewhere.as_ref().map(Counts::new),
            hour: Series::new(&overview.hour),
            day: Series::new(&overview.day),
        })
    }
}

impl Alarm {
    fn new(alarm: admin::Alarm) -> Result<Self, Denial> {
        Ok(Self {
            kind: word(alarm.kind.as_str())?,
            source: alarm.source,
            name: alarm.name,
            count: alarm.count,
            severity: word(alarm.severity.as_str())?,
            text: alarm.text,
            since: alarm.since,
            look_at: Place::new(alarm.link)?,
        })
    }
}

impl Place {
    fn new(link: admin::Link) -> Result<Self, Denial> {
        let (what, source, state) = match link {
            admin::Link::Source(source) => (Looked::Source, Some(source), None),
            admin::Link::Events { source, state } => {
                (Looked::Events, Some(source), Some(word(state)?))
            }
            admin::Link::DeadLetters => (Looked::DeadLetters, None, None),
            admin::Link::Destinations => (Looked::Destinations, None, None),
            admin::Link::Pauses => (Looked::Pauses, None, None),
            admin::Link::Alerts => (Looked::Alerts, None, None),
            admin::Link::Sources => (Looked::Sources, None, None),
            admin::Link::Transfers => (Looked::Transfers, None, None),
            admin::Link::Settings => (Looked::Settings, None, None),
        };
        Ok(Self { what, source, state })
    }
}

impl SourceRow {
    fn new(row: admin::SourceRow) -> Self {
        Self {
            hour: Counts::new(&row.hour),
            day: Counts::new(&row.day),
            name: row.name,
            provider: row.provider,
            tenant: row.tenant,
            enabled: row.enabled,
            paused_at: row.paused_at,
            hour_line: row.hour_line,
            day_line: row.day_line,
            waiting_seconds: row.waiting.map(Duration::as_seconds_f64),
            p95_seconds: row.p95.map(Duration::as_seconds_f64),
            last_event_at: row.last_event,
            secret: row.secret,
        }
    }
}

impl Counts {
    pub(super) fn new(totals: &admin::Totals) -> Self {
        let reasons = totals.reasons.iter();
        let count =
            |(reason, count): &(String, u64)| ReasonCount { reason: reason.clone(), count: *count };
        Self {
            received: totals.received(),
            verified: totals.verified(),
            accepted: totals.accepted,
            duplicates: totals.duplicates,
            quarantined: totals.quarantined,
            chunks: totals.chunks,
            refused: totals.refused,
            reasons: reasons.map(count).collect(),
            handled: totals.handled,
            ignored: totals.ignored,
            retries: totals.retries,
            dead: totals.dead,
            replayed: totals.replayed,
            expired: totals.expired,
        }
    }
}

impl Series {
    fn new(series: &admin::Series) -> Self {
        let point = |point: &admin::Point| Point {
            begin: point.begin,
            verified: point.verified,
            refused: point.refused,
            handled: point.handled,
            dead: point.dead,
            p50_seconds: point.p50.map(Duration::as_seconds_f64),
            p95_seconds: point.p95.map(Duration::as_seconds_f64),
        };
        let points = series.points.iter().map(point).collect();
        Self { step_seconds: series.step.whole_seconds(), points }
    }
}
