//! Alerts.

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
/// The list a cursor belongs to.
const LIST: List = *b"al";

#[derive(OpenApi)]
#[openapi(paths(list))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new(PATH).ask(list));
}

/// The query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Include closed alerts that were sent.
    #[serde(default)]
    #[param(inline)]
    all: bool,
    /// Cursor: `next` of the previous page.
    #[param(pattern = "^AWFs[A-Za-z0-9_-]{21}[AQgw]$")]
    cursor: Option<String>,
    /// Maximum number of items.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// An alert.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alert {
    id: i64,
    severity: Severity,
    /// The source it is about.
    source: String,
    /// The kind, such as `dead_letter`.
    kind: String,
    /// The subject; null without the scope `payload:read`.
    key: Option<String>,
    /// How often it was raised.
    count: i64,
    #[serde(with = "time::serde::rfc3339")]
    first_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_at: OffsetDateTime,
    state: State,
    /// When it was closed; null while it is open.
    #[serde(with = "time::serde::rfc3339::option")]
    over_at: Option<OffsetDateTime>,
    told: Telling,
    /// When it was last sent.
    #[serde(with = "time::serde::rfc3339::option")]
    sent_at: Option<OffsetDateTime>,
    /// The latest text; null without the scope `payload:read`. It may quote untrusted data.
    text: Option<String>,
}

/// The severity of an alert.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AlertSeverity)]
pub(super) enum Severity {
    Info,
    Warning,
    Critical,
}

/// The state of an alert; `recovery` reports that another alert was closed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AlertState)]
enum State {
    Open,
    Over,
    Recovery,
}

/// The notification state of an alert.
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
/// Most recently raised first.
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
