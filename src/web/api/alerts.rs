//! Alerts: what people were told, or are to be told.

use actix_web::web;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};

use super::answer::{ListPage, Page};
use super::cursor::{self, List};
use super::query::{Limit, Query};
use super::routes::{Endpoint, Routes};
use super::words::word;
use crate::store::AlertRow;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

/// The path.
const PATH: &str = "/api/v1/alerts";
/// The list that cursors belong to.
const LIST: List = *b"al";

#[derive(OpenApi)]
#[openapi(paths(list))]
struct Document;

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new(PATH).ask(list));
}

/// Which alerts.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Those that are over and told, too.
    #[serde(default)]
    #[param(inline)]
    all: bool,
    /// Where to go on: `next` of the page before.
    #[param(pattern = "^AWFs[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// How many, at most.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// An alert.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alert {
    id: i64,
    severity: Severity,
    /// The source that it is about.
    source: String,
    /// What happened: a word of the program, such as `dead_letter`.
    kind: String,
    /// What it happened to; null for callers without `payload:read`.
    key: Option<String>,
    /// How often it was raised.
    count: i64,
    #[serde(with = "time::serde::rfc3339")]
    first_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_at: OffsetDateTime,
    state: State,
    /// When it ended; null while it goes on.
    #[serde(with = "time::serde::rfc3339::option")]
    over_at: Option<OffsetDateTime>,
    told: Telling,
    /// When it was told last.
    #[serde(with = "time::serde::rfc3339::option")]
    sent_at: Option<OffsetDateTime>,
    /// The newest text; null for callers without `payload:read`. It may quote what strangers sent.
    text: Option<String>,
}

/// How much an alert matters.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AlertSeverity)]
pub(super) enum Severity {
    Info,
    Warning,
    Critical,
}

/// How an alert stands; `recovery` says that another is over.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AlertState)]
enum State {
    Open,
    Over,
    AlertResolution,
}

/// Whether people know of an alert.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AlertTold)]
enum Telling {
    #[serde(rename = "pending")]
    Pending,
    #[serde(rename = "told")]
    Done,
    #[serde(rename = "not told")]
    GivenUp,
}

/// List alerts
///
/// Those that were raised last come first.
#[utoipa::path(
    get, path = "/api/v1/alerts", operation_id = "listAlerts", tag = "alerts",
    params(Asked), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of alerts", body = Page<Alert>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(asked): Query<Asked>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Alert>, Denial> {
    let after = asked.cursor.map(|text| cursor::read(LIST, &text)).transpose()?;
    let limit = asked.limit;
    let rows = admin.alerts.list(&caller, asked.all, after, limit.and_one()).await?;
    let place = |row: &AlertRow| (row.last_at, row.id);
    Ok(ListPage(Page::of((rows, limit), LIST, place, Alert::new)?))
}

impl Alert {
    fn new(row: AlertRow) -> Result<Self, Denial> {
        let seen = |text: String| (!text.is_empty()).then_some(text);
        Ok(Self {
            id: row.id,
            severity: word(row.severity.as_str())?,
            state: word(row.state())?,
            told: word(row.told())?,
            source: row.source,
            kind: row.kind,
            key: seen(row.key),
            count: row.count,
            first_at: row.first_at,
            last_at: row.last_at,
            over_at: row.over_at,
            sent_at: row.sent_at,
            text: seen(row.text),
        })
    }
}
