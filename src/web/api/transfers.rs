//! Transfers: payloads received in chunks.

use actix_web::web;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use utoipa::{OpenApi, ToSchema};

use super::answer::{ListPage, Page, WithEtag};
use super::cursor::{self, List};
use super::deliveries::embedded;
use super::query::{Limit, Query};
use super::routes::{Endpoint, Routes};
use super::words::word;
use crate::admin::TransferView;
use crate::store::TransferState;
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

/// The list a cursor belongs to.
const LIST: List = *b"tr";

#[derive(OpenApi)]
#[openapi(paths(list, show))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/transfers").ask(list));
    routes.add(Endpoint::new("/api/v1/transfers/{transfer}").get(show));
}

/// The query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
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

/// A transfer.
#[expect(clippy::struct_field_names, reason = "the field name used by the sender")]
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Transfer {
    id: i64,
    tenant: String,
    source: String,
    /// The event type of the whole.
    kind: String,
    /// The sender's id of the transfer.
    transfer_id: String,
    /// Number of chunks received.
    have: u32,
    /// Total number of chunks.
    total: u32,
    /// The indexes of the received chunks, from 0; empty for a closed transfer.
    there: Vec<u32>,
    /// Bytes of base64 text received.
    received_bytes: u64,
    /// When the first chunk arrived.
    #[serde(with = "time::serde::rfc3339")]
    opened_at: OffsetDateTime,
    /// When the last new chunk arrived.
    #[serde(with = "time::serde::rfc3339")]
    last_chunk_at: OffsetDateTime,
    state: State,
    /// The id of the complete event, assigned in advance.
    event: String,
    /// Seconds until it expires without another chunk; null once it is closed.
    idle_left_seconds: Option<f64>,
    /// Seconds until it expires in any case; null once it is closed.
    total_left_seconds: Option<f64>,
}

/// A transfer with its envelope.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferDetail)]
struct Detail {
    transfer: Transfer,
    /// The envelope of the sender, with the path for example: any untrusted JSON, never render it.
    /// Null without the scope `payload:read`.
    envelope: Option<Value>,
    /// Other transfers of the same payload, newest first, at most twenty. A newer transfer
    /// supersedes open ones.
    others: Vec<Transfer>,
}

/// The state of a transfer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = TransferState)]
enum State {
    Open,
    Whole,
    Quarantined,
    Superseded,
    Expired,
}

/// List transfers
///
/// Open transfers, newest first; or the most recently closed ones.
#[utoipa::path(
    get, path = "/api/v1/transfers", operation_id = "listTransfers", tag = "transfers",
    params(Asked), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of transfers", body = Page<Transfer>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(asked): Query<Asked>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Transfer>, Denial> {
    let before = asked.cursor.as_deref().map(|text| cursor::read(LIST, text)).transpose()?;
    let found = admin.monitoring.transfers(&caller, before, asked.limit.exactly()).await?;
    if asked.closed {
        let closed = found.closed.into_iter();
        let closed = closed.map(|state| Transfer::of(state, Vec::new(), (None, None)));
        return Ok(ListPage(Page::whole(closed.collect::<Result<_, _>>()?)));
    }
    let next = found.next.map(|last| cursor::after(LIST, &last));
    let items = found.open.into_iter().map(Transfer::new).collect::<Result<_, _>>()?;
    Ok(ListPage(Page::until(items, next)))
}

/// Show a transfer
///
/// With its chunks, deadlines, envelope, and other transfers of the same payload.
#[utoipa::path(
    get, path = "/api/v1/transfers/{transfer}", operation_id = "showTransfer", tag = "transfers",
    params(("transfer" = i64, Path, description = "The transfer", minimum = 1)),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The transfer", body = Detail)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    transfer: web::Path<i64>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Detail>, Denial> {
    let detail = admin.monitoring.transfer(&caller, *transfer).await?;
    let others = detail.others.into_iter();
    let others = others.map(|state| Transfer::of(state, Vec::new(), (None, None)));
    Ok(WithEtag(Detail {
        transfer: Transfer::new(detail.view)?,
        envelope: detail.envelope.as_ref().map(embedded),
        others: others.collect::<Result<_, _>>()?,
    }))
}

impl Transfer {
    pub(super) fn new(view: TransferView) -> Result<Self, Denial> {
        Self::of(view.transfer, view.there, (view.idle_left, view.total_left))
    }

    fn of(
        state: TransferState,
        there: Vec<u32>,
        (idle, total): (Option<Duration>, Option<Duration>),
    ) -> Result<Self, Denial> {
        Ok(Self {
            id: state.id,
            tenant: state.tenant,
            source: state.source,
            kind: state.kind,
            transfer_id: state.transfer_id,
            have: state.have,
            total: state.total,
            there,
            received_bytes: state.received,
            opened_at: state.opened_at,
            last_chunk_at: state.last_chunk_at,
            state: word(&state.state)?,
            event: state.event.to_string(),
            idle_left_seconds: idle.map(Duration::as_seconds_f64),
            total_left_seconds: total.map(Duration::as_seconds_f64),
        })
    }
}
