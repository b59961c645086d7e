//! Transfers: payloads in chunks that are not whole yet, and what became of the others.

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

/// The list that cursors belong to.
const LIST: List = *b"tr";

#[derive(OpenApi)]
#[openapi(paths(list, show))]
struct Document;

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/transfers").ask(list));
    routes.add(Endpoint::new("/api/v1/transfers/{transfer}").get(show));
}

/// Which transfers.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Instead of those that are open the fifty that were closed last, on one page.
    #[serde(default)]
    #[param(inline)]
    closed: bool,
    /// Where to go on among those that are open: `next` of the page before.
    #[param(pattern = "^AXRy[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$")]
    cursor: Option<String>,
    /// How many open ones, at most.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// A transfer.
#[expect(clippy::struct_field_names, reason = "the sender's own word for it")]
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Transfer {
    id: i64,
    tenant: String,
    source: String,
    /// The event type of the whole.
    kind: String,
    /// The sender's id of the transfer.
    transfer_id: String,
    /// How many chunks have arrived.
    have: u32,
    /// Of how many.
    total: u32,
    /// The places of the chunks that are there, from 0. Of a closed transfer they are gone.
    there: Vec<u32>,
    /// Bytes of base64 text that have arrived.
    received_bytes: u64,
    /// When the first chunk arrived.
    #[serde(with = "time::serde::rfc3339")]
    opened_at: OffsetDateTime,
    /// When the last new chunk arrived.
    #[serde(with = "time::serde::rfc3339")]
    last_chunk_at: OffsetDateTime,
    state: State,
    /// The id that the whole event has, or will have.
    event: String,
    /// How long it waits for its next chunk before it is given up; null once it is closed.
    idle_left_seconds: Option<f64>,
    /// How long it may still take in all; null once it is closed.
    total_left_seconds: Option<f64>,
}

/// Everything about a transfer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferDetail)]
struct Detail {
    transfer: Transfer,
    /// What it is of, such as a path: any JSON that a stranger sent, never to be rendered. Null for
    /// who may not see payloads.
    envelope: Option<Value>,
    /// Other transfers of the same thing, the newest first, at most twenty. A newer one supersedes
    /// those that are open.
    others: Vec<Transfer>,
}

/// Whether a transfer is open, or how it was closed.
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
/// Those that are open, newest first; or those that were closed last.
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
/// Which of its chunks are there, how long it may still take, what it is of, and which others are
/// of the same.
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
