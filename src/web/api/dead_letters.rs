use std::time::Duration;

use actix_web::web;
use serde::Deserialize;
use utoipa::OpenApi;
use uuid::Uuid;

use super::answer::{self, ListPage, Page};
use super::cursor::{self, DEAD_LETTERS};
use super::query::{Limit, Name, Number, Query, Seconds};
use super::routes::{Endpoint, Routes};
use crate::admin::{Class, Delivery, Filter, Paging, Selection};
use crate::store::{DeathReason, EventId};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/dead-letters").get_with_query(list));
}

/// The query of the list; all given filters must match.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeadLetterQuery {
    /// Filter by event.
    #[param(value_type = Option<String>, format = Uuid)]
    event: Option<Uuid>,
    /// Filter by group.
    #[param(value_type = Option<i64>, minimum = 1)]
    group: Option<Number>,
    /// Filter by class.
    #[param(inline)]
    class: Option<Class>,
    /// Filter by source.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Filter by handler; `quarantine` for events that reached no handler.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    handler: Option<Name>,
    /// Filter by reason.
    #[param(inline)]
    death_reason: Option<DeathReason>,
    /// Minimum age in seconds.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 3_155_760_000_u64)]
    older_than_seconds: Option<Seconds>,
    /// Maximum age in seconds.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 3_155_760_000_u64)]
    newer_than_seconds: Option<Seconds>,
    /// Include resolved dead letters.
    #[serde(default)]
    all: bool,
    /// List only dead letters above this id: the previous page. `cursor` takes precedence.
    #[param(value_type = Option<i64>, minimum = 1)]
    after: Option<Number>,
    /// Cursor: `next` of the previous page.
    #[param(pattern = "^AWRs[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$")]
    cursor: Option<String>,
    /// Maximum number of items.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// List dead letters
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", operation_id = "listDeadLetters", tag = "dead letters",
    params(DeadLetterQuery), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of dead letters", body = Page<Delivery>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(query): Query<DeadLetterQuery>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Delivery>, Denial> {
    let before =
        query.cursor.as_deref().map(|text| cursor::read(DEAD_LETTERS, text)).transpose()?;
    let (limit, after) = (query.limit, query.after.map(|Number(id)| id));
    let selection = Selection::Matching(query.filter());
    if after.is_some() && before.is_none() {
        let paging = Paging { after, ..Paging::first(limit.exactly()) };
        let page = admin.dead_letters.list(&caller, &selection, paging).await?;
        let next = page.older.map(|last| cursor::after(DEAD_LETTERS, &last));
        return Ok(ListPage(Page { items: page.items, next }));
    }
    let paging = Paging { before, ..Paging::first(limit.and_one()) };
    let rows = admin.dead_letters.list(&caller, &selection, paging).await?.items;
    Ok(ListPage(answer::page((rows, limit), DEAD_LETTERS, |row: &Delivery| row.id)))
}

impl DeadLetterQuery {
    fn filter(self) -> Filter {
        let age = |Seconds(seconds)| Duration::from_secs(seconds);
        Filter {
            event: self.event.map(EventId),
            group: self.group.map(|Number(id)| id),
            class: self.class,
            source: self.source.map(|Name(name)| name),
            handler: self.handler.map(|Name(name)| name),
            death_reason: self.death_reason,
            older_than: self.older_than_seconds.map(age),
            newer_than: self.newer_than_seconds.map(age),
            resolved: self.all,
        }
    }
}
