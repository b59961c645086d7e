//! Dead letters, deliveries and groups.

use bytes::Bytes;
use serde_json::json;

use super::Backend;
use crate::admin::cursor::{self, DEAD_LETTERS, GROUPS};
use crate::admin::{
    Age, DeadLetterPage, Delivery, DeliveryDetail, EditPreview, Edited, Filter, Group, GroupCursor,
    GroupPage, GroupSelection, Page, Paging, Selection,
};
use crate::cli::remote::{ApiClient, ApiError, Query};

/// The largest page of the API.
const PAGE: u32 = 200;

impl Backend {
    pub(in crate::cli) async fn dead_letters(
        &self,
        filter: &Filter,
        paging: Paging,
    ) -> anyhow::Result<DeadLetterPage> {
        match self {
            Self::Database { admin, caller } => {
                let selection = Selection::Matching(filter.clone());
                Ok(admin.dead_letters.list(caller, &selection, paging).await?)
            }
            Self::Api(api) => {
                let query = query(filter);
                if let Some(after) = paging.after {
                    return Ok(newer(api, &query, after, paging.limit).await?);
                }
                let before = paging.before.map(|before| cursor::after(DEAD_LETTERS, &before));
                let page = api.list(&["dead-letters"], &query, before, paging.limit).await?;
                Ok(page_of(page))
            }
        }
    }

    pub(in crate::cli) async fn delivery(&self, id: i64) -> anyhow::Result<DeliveryDetail> {
        Ok(match self {
            Self::Database { admin, caller } => admin.dead_letters.show(caller, id).await?,
            Self::Api(api) => api.get(&["deliveries", &id.to_string()], &Query::default()).await?,
        })
    }

    pub(in crate::cli) async fn groups(
        &self,
        selection: &GroupSelection,
        after: Option<GroupCursor>,
        limit: u32,
    ) -> anyhow::Result<GroupPage> {
        match self {
            Self::Database { admin, caller } => {
                Ok(admin.groups.list(caller, selection, after, limit).await?)
            }
            Self::Api(api) => {
                let query = Query::default()
                    .with("source", selection.source.as_ref())
                    .with("handler", selection.handler.as_ref())
                    .with("class", selection.class)
                    .flag("all", selection.resolved);
                let after = after.map(|after| cursor::after(GROUPS, &after.parts()));
                let page: Page<Group> = api.list(&["groups"], &query, after, limit).await?;
                let next = page.next.and_then(|next| cursor::read(GROUPS, &next));
                let next = next.map(|(open, at, id)| GroupCursor::after(open, at, id));
                Ok(GroupPage { items: page.items, next })
            }
        }
    }

    pub(in crate::cli) async fn group(&self, id: i64) -> anyhow::Result<Group> {
        Ok(match self {
            Self::Database { admin, caller } => admin.groups.show(caller, id).await?,
            Self::Api(api) => api.get(&["groups", &id.to_string()], &Query::default()).await?,
        })
    }

    pub(in crate::cli) async fn preview_edit(
        &self,
        id: i64,
        body: &Bytes,
    ) -> anyhow::Result<EditPreview> {
        Ok(match self {
            Self::Database { admin, caller } => {
                admin.dead_letters.preview_edit(caller, id, body).await?
            }
            Self::Api(api) => {
                let draft = json!({ "body": text(body)? });
                let id = id.to_string();
                api.post(&["dead-letters", &id, "edit", "preview"], Some(&draft)).await?
            }
        })
    }

    pub(in crate::cli) async fn edit(
        &self,
        id: i64,
        body: &Bytes,
        reason: &str,
    ) -> anyhow::Result<Edited> {
        Ok(match self {
            Self::Database { admin, caller } => {
                admin.dead_letters.edit(caller, id, body, reason).await?
            }
            Self::Api(api) => {
                let edit = json!({ "body": text(body)?, "reason": reason });
                api.post(&["dead-letters", &id.to_string(), "edit"], Some(&edit)).await?
            }
        })
    }
}

/// A body for the API, which takes text.
fn text(body: &Bytes) -> Result<&str, ApiError> {
    std::str::from_utf8(body)
        .map_err(|_| ApiError::usage("over the API, the edited body must be UTF-8 text"))
}

fn query(filter: &Filter) -> Query {
    Query::default()
        .with("event", filter.event)
        .with("group", filter.group)
        .with("class", filter.class)
        .with("source", filter.source.as_ref())
        .with("handler", filter.handler.as_ref())
        .with("death_reason", filter.death_reason)
        .with("older_than_seconds", filter.older_than.map(Age::seconds))
        .with("newer_than_seconds", filter.newer_than.map(Age::seconds))
        .flag("all", filter.resolved)
}

/// The dead letters directly above an id, newest first: read upwards, page by page.
async fn newer(
    api: &ApiClient,
    query: &Query,
    mut after: i64,
    limit: u32,
) -> Result<DeadLetterPage, ApiError> {
    let mut pages: Vec<Vec<Delivery>> = Vec::new();
    let mut left = limit;
    while left > 0 {
        let asked = left.min(PAGE);
        let query = query.clone().with("after", Some(after)).with("limit", Some(asked));
        let page: Page<Delivery> = api.get(&["dead-letters"], &query).await?;
        let count = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
        after = page.items.first().map_or(after, |first| first.id);
        pages.push(page.items);
        left = if count < asked { 0 } else { left - asked };
    }
    let items: Vec<Delivery> = pages.into_iter().rev().flatten().collect();
    let older = items.last().map(|last| last.id);
    Ok(DeadLetterPage { items, older, newer: None })
}

fn page_of(page: Page<Delivery>) -> DeadLetterPage {
    let older = page.next.and_then(|next| cursor::read(DEAD_LETTERS, &next));
    DeadLetterPage { items: page.items, older, newer: None }
}
