//! Transfers: payloads received in chunks.

use actix_web::web;
use serde::Deserialize;
use utoipa::OpenApi;

use super::answer::{ListPage, Page, WithEtag};
use super::cursor::{self, TRANSFERS};
use super::query::{Limit, Query};
use super::routes::{Endpoint, Routes};
use crate::admin::{Transfer, TransferDetail};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, show))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/transfers").get_with_query(list));
    routes.add(Endpoint::new("/api/v1/transfers/{transfer}").get(show));
}

/// The query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TransferQuery {
    /// List the fifty most recently closed transfers on one page, instead of the open ones.
    #[serde(default)]
    #[param(inline)]
    closed: bool,
    /// Cursor in the open transfers: `next` of the previous page.
    #[param(pattern = "^AXRy[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$")]
    cursor: Option<String>,
    /// Maximum number of open transfers.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// List transfers
///
/// Open transfers, newest first; or the most recently closed ones.
#[utoipa::path(
    get, path = "/api/v1/transfers", operation_id = "listTransfers", tag = "transfers",
    params(TransferQuery), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of transfers", body = Page<Transfer>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(query): Query<TransferQuery>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Transfer>, Denial> {
    let before = query.cursor.as_deref().map(|text| cursor::read(TRANSFERS, text)).transpose()?;
    let found = admin.monitoring.transfers(&caller, before, query.limit.exactly()).await?;
    if query.closed {
        return Ok(ListPage(Page::whole(found.closed)));
    }
    let next = found.next.map(|last| cursor::after(TRANSFERS, &last));
    Ok(ListPage(Page { items: found.open, next }))
}

/// Show a transfer
///
/// With its chunks, deadlines, envelope, and other transfers of the same payload.
#[utoipa::path(
    get, path = "/api/v1/transfers/{transfer}", operation_id = "showTransfer", tag = "transfers",
    params(("transfer" = i64, Path, description = "The transfer", minimum = 1)),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The transfer", body = TransferDetail)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    transfer: web::Path<i64>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<TransferDetail>, Denial> {
    Ok(WithEtag(admin.monitoring.transfer(&caller, *transfer).await?))
}
