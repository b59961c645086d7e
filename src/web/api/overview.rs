//! Whether anything is wrong.

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

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/overview").get(show));
}

/// How everything stands. Counts are approximate: a few seconds old, and the last hour begins at a
/// multiple of five minutes, the last day at a full hour.
#[derive(Debug, Serialize, ToSchema)]
struct Overview {
    /// When it was asked.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// How much what is wrong matters, at most; null where nothing is wrong.
    severity: Option<Severity>,
    /// What is wrong, what matters most first.
    alarms: Vec<Alarm>,
    /// Whether alerts are told to anybody: false where no channel is configured.
    alerts_are_told: bool,
    /// Every source, in configured order.
    sources: Vec<SourceRow>,
    /// Requests to paths that are no source's, in the last day; null for a key of one tenant.
    elsewhere: Option<Counts>,
    /// All sources together, the last hour by five minutes.
    hour: Series,
    /// All sources together, the last day by hours.
    day: Series,
}

/// Something that is wrong.
#[derive(Debug, Serialize, ToSchema)]
struct Alarm {
    kind: AlarmKind,
    /// The source that it is about; null where it is not about one.
    source: Option<String>,
    /// The stored name of the destination or handler that it is about; for an alert its kind.
    name: Option<String>,
    severity: Severity,
    /// What it is, in a sentence.
    text: String,
    /// How much there is of it: deliveries, dead letters, requests.
    count: u64,
    /// Since when, where that is known.
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    look_at: Place,
}

/// What can be wrong.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AlarmKind {
    /// The database cannot be written to.
    Database,
    /// This machine's clock and the database's differ.
    Clock,
    /// A transaction stays open in the database server.
    Transaction,
    /// Deliveries are overdue; or, where it has a name, a gateway cannot claim those of a handler,
    /// or write what it comes to.
    Stuck,
    DestinationFailing,
    DestinationDisabled,
    /// It answers more than a third of the events with 4xx.
    DestinationRejecting,
    /// Deliveries wait for a destination that is not configured any more.
    DestinationUnconfigured,
    /// Dead letters are open.
    DeadLetters,
    /// A source, handler or destination is paused.
    Paused,
    Silence,
    Refusals,
    /// Requests are larger than their source may send.
    Oversize,
    /// Signed requests came to paths that are no source's.
    WrongPath,
    TransfersExpired,
    TransfersLate,
    /// A proxy is in front of a gateway that is not trusted.
    Proxy,
    /// An alert goes on that a provider or an operator has raised.
    Alert,
}

/// Where to look.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlarmPlace)]
struct Place {
    what: Looked,
    /// Of this source.
    source: Option<String>,
    /// With deliveries in this state.
    state: Option<State>,
}

/// What to look at.
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

/// How one source stands.
#[derive(Debug, Serialize, ToSchema)]
struct SourceRow {
    name: String,
    /// What kind of sender it is.
    provider: String,
    tenant: String,
    /// Whether it lets anything in.
    enabled: bool,
    /// Since when it is paused; null where it is not.
    #[serde(with = "time::serde::rfc3339::option")]
    paused_at: Option<OffsetDateTime>,
    /// The last hour.
    hour: Counts,
    /// The last day.
    day: Counts,
    /// Requests that were authentic, by five minutes, oldest first.
    hour_line: Vec<u64>,
    /// The same by hours.
    day_line: Vec<u64>,
    /// How long the delivery that waits longest has been due.
    waiting_seconds: Option<f64>,
    /// Within what time 95 of 100 authentic requests were answered in the last hour.
    p95_seconds: Option<f64>,
    /// When something authentic last came.
    #[serde(with = "time::serde::rfc3339::option")]
    last_event_at: Option<OffsetDateTime>,
    /// The fingerprint of the secret that was used last.
    secret: Option<String>,
}

/// What came in and what became of it, in some time. Approximate.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counts {
    /// All requests.
    received: u64,
    /// Requests that were authentic.
    verified: u64,
    /// New events.
    accepted: u64,
    /// Requests that had come before.
    duplicates: u64,
    /// Requests that are authentic, and no use.
    quarantined: u64,
    /// Chunks of payloads that were not whole yet.
    chunks: u64,
    /// Requests that were not let in or could not be kept.
    refused: u64,
    /// The same by reason, the most frequent first.
    reasons: Vec<ReasonCount>,
    /// Deliveries that ended well.
    handled: u64,
    /// Deliveries that their handler had no use for.
    ignored: u64,
    /// Attempts that failed; there will be another.
    retries: u64,
    /// Deliveries that became dead letters.
    dead: u64,
    /// Deliveries that operators made of others.
    replayed: u64,
    /// Transfers that were given up.
    expired: u64,
}

/// How many requests were refused for a reason.
#[derive(Debug, Serialize, ToSchema)]
struct ReasonCount {
    /// A word of the program, such as `sig_mismatch`.
    reason: String,
    count: u64,
}

/// A chart: the last spans of one length, oldest first; the last one is not over.
#[derive(Debug, Serialize, ToSchema)]
struct Series {
    /// The length of a span.
    step_seconds: i64,
    points: Vec<Point>,
}

/// One span of a chart.
#[derive(Debug, Serialize, ToSchema)]
struct Point {
    /// When it begins.
    #[serde(with = "time::serde::rfc3339")]
    begin: OffsetDateTime,
    /// Requests that were authentic.
    verified: u64,
    /// Requests that were not let in or could not be kept.
    refused: u64,
    /// Deliveries that ended well.
    handled: u64,
    /// Deliveries that became dead letters.
    dead: u64,
    /// Within what time half of the authentic requests were answered.
    p50_seconds: Option<f64>,
    /// Within what time 95 of 100 were.
    p95_seconds: Option<f64>,
}

/// Show whether anything is wrong
///
/// What is wrong, a row for every source, and charts of the last hour and day. It reads counts,
/// never events: however much is stored, it costs the same.
#[utoipa::path(
    get, path = "/api/v1/overview", operation_id = "showOverview", tag = "overview",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "How everything stands", body = Overview)),
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
