use actix_web::web;
use serde::Deserialize;
use utoipa::OpenApi;

use super::answer::{self, ListPage, Page};
use super::cursor::{self, ALERTS};
use super::query::{Limit, Query};
use super::routes::{Endpoint, Routes};
use crate::admin::AlertRow;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

const PATH: &str = "/api/v1/alerts";

#[derive(OpenApi)]
#[openapi(paths(list))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new(PATH).get_with_query(list));
}

/// The query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AlertQuery {
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

/// List alerts
///
/// Most recently raised first.
#[utoipa::path(
    get, path = "/api/v1/alerts", operation_id = "listAlerts", tag = "alerts",
    params(AlertQuery), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of alerts", body = Page<AlertRow>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(query): Query<AlertQuery>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<AlertRow>, Denial> {
    let after = query.cursor.map(|text| cursor::read(ALERTS, &text)).transpose()?;
    let limit = query.limit;
    let rows = admin.alerts.list(&caller, query.all, after, limit.and_one()).await?;
    Ok(ListPage(answer::page((rows, limit), ALERTS, |alert| (alert.last_at, alert.id))))
}
