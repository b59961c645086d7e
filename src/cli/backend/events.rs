//! Events and transfers.

use futures_util::TryStreamExt as _;

use super::Backend;
use crate::admin::cursor::{self, EVENTS, TRANSFERS};
use crate::admin::{
    CapturedFixture, EventDetail, EventMatches, EventPage, Page, Search, Transfer, TransferDetail,
    Transfers, capture,
};
use crate::cli::remote::{ApiError, Query};
use crate::store::EventId;

/// The largest page of the API.
const PAGE: u32 = 200;

impl Backend {
    pub(in crate::cli) async fn events(
        &self,
        search: &Search,
        before: Option<EventId>,
        limit: u32,
    ) -> anyhow::Result<EventMatches> {
        let api = match self {
            Self::Database { admin, caller } => {
                return Ok(admin.monitoring.events(caller, search, before, limit).await?);
            }
            Self::Api(api) => api,
        };
        let query = query(search);
        let mut before = before.map(|EventId(before)| cursor::after(EVENTS, &before));
        let (mut events, mut left) = (Vec::new(), limit);
        loop {
            let asked = left.min(PAGE);
            let query = query.clone().with("cursor", before.take()).with("limit", Some(asked));
            let page: EventPage = api.get(&["events"], &query).await?;
            let count = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
            events.extend(page.items);
            left = left.saturating_sub(count);
            // A page with room left is where this search ends, or is continued on demand.
            if left == 0 || count < asked || page.next.is_none() {
                let next = page.next.and_then(|next| cursor::read(EVENTS, &next)).map(EventId);
                let (looked_back_to, complete) = (page.looked_back_to, page.complete);
                return Ok(EventMatches { events, next, looked_back_to, complete });
            }
            before = page.next;
        }
    }

    pub(in crate::cli) async fn event(&self, id: EventId) -> anyhow::Result<EventDetail> {
        Ok(match self {
            Self::Database { admin, caller } => admin.monitoring.event(caller, id).await?,
            Self::Api(api) => api.get(&["events", &id.to_string()], &Query::default()).await?,
        })
    }

    /// Hands the body of an event over piece by piece, until `write` returns false.
    pub(in crate::cli) async fn event_body(
        &self,
        id: EventId,
        mut write: impl FnMut(&[u8]) -> std::io::Result<bool>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Database { admin, caller } => {
                let (_, slices) = admin.monitoring.download(caller, id).await?;
                let mut slices = std::pin::pin!(slices);
                while let Some(slice) = slices.try_next().await? {
                    if !write(&slice)? {
                        break;
                    }
                }
            }
            Self::Api(api) => {
                let mut response = api.download(&["events", &id.to_string(), "body"]).await?;
                while let Some(piece) = api.next_chunk(&mut response).await? {
                    if !write(&piece)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// An event as a fixture. The fields in `keep` are not scrubbed.
    pub(in crate::cli) async fn fixture(
        &self,
        id: EventId,
        keep: &[String],
    ) -> anyhow::Result<CapturedFixture> {
        Ok(match self {
            Self::Database { admin, caller } => {
                let requested = (id, admin.clock.now());
                capture(caller, &admin.store, &admin.verifiers, requested, keep).await?
            }
            Self::Api(_) if !keep.is_empty() => {
                return Err(ApiError::usage("--keep works on the database only").into());
            }
            Self::Api(api) => {
                api.get(&["events", &id.to_string(), "fixture"], &Query::default()).await?
            }
        })
    }

    pub(in crate::cli) async fn transfers(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> anyhow::Result<Transfers> {
        match self {
            Self::Database { admin, caller } => {
                Ok(admin.monitoring.transfers(caller, before, limit).await?)
            }
            Self::Api(api) => {
                let (path, query) = (["transfers"], Query::default());
                let before = before.map(|before| cursor::after(TRANSFERS, &before));
                let open: Page<Transfer> = api.list(&path, &query, before, limit).await?;
                let closed: Page<Transfer> = api.get(&path, &query.flag("closed", true)).await?;
                let next = open.next.and_then(|next| cursor::read(TRANSFERS, &next));
                Ok(Transfers { open: open.items, next, closed: closed.items })
            }
        }
    }

    pub(in crate::cli) async fn transfer(&self, id: i64) -> anyhow::Result<TransferDetail> {
        Ok(match self {
            Self::Database { admin, caller } => admin.monitoring.transfer(caller, id).await?,
            Self::Api(api) => api.get(&["transfers", &id.to_string()], &Query::default()).await?,
        })
    }
}

fn query(search: &Search) -> Query {
    Query::default()
        .with("source", search.source.as_ref())
        .with("provider", search.provider.as_ref())
        .with("type", search.event_type.as_ref())
        .with("state", search.state)
        .at("from", search.from)
        .at("to", search.to)
        .with("id", search.id.as_ref())
        .with("key", search.key.as_ref())
        .with("strength", search.strength)
        .with("text", search.text.as_ref())
}
