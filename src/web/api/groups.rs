//! Groups of similar dead letters.

use actix_web::web;
use serde::Deserialize;
use utoipa::OpenApi;

use super::answer::{ListPage, Page, WithEtag};
use super::cursor::{self, GROUPS};
use super::query::{Limit, Name, Query};
use super::routes::{Endpoint, Routes};
use crate::admin::{Class, Group, GroupCursor, GroupSelection};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, show))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/groups").get_with_query(list));
    routes.add(Endpoint::new("/api/v1/groups/{group}").get(show));
}

/// The query of the list; all given filters must match.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GroupQuery {
    /// Filter by source.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Filter by handler; `quarantine` for events that reached no handler.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    handler: Option<Name>,
    /// Filter by class.
    #[param(inline)]
    class: Option<Class>,
    /// Include groups without open dead letters.
    #[serde(default)]
    #[param(inline)]
    all: bool,
    /// Cursor: `next` of the previous page.
    #[param(pattern = "^AWdy[A-Za-z0-9_-]{32}$")]
    cursor: Option<String>,
    /// Maximum number of items.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// List groups of dead letters
///
/// Most open dead letters first.
#[utoipa::path(
    get, path = "/api/v1/groups", operation_id = "listGroups", tag = "groups",
    params(GroupQuery), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of groups", body = Page<Group>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(query): Query<GroupQuery>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Group>, Denial> {
    let after = query.cursor.as_deref().map(|text| cursor::read(GROUPS, text)).transpose()?;
    let after = after.map(|(open, last_at, id)| GroupCursor::after(open, last_at, id));
    let limit = query.limit.exactly();
    let page = admin.groups.list(&caller, &query.selection(), after, limit).await?;
    let next = page.next.map(|next| cursor::after(GROUPS, &next.parts()));
    Ok(ListPage(Page { items: page.items, next }))
}

/// Show a group of dead letters
///
/// List its dead letters with the filter `group`.
#[utoipa::path(
    get, path = "/api/v1/groups/{group}", operation_id = "showGroup", tag = "groups",
    params(("group" = i64, Path, description = "The group", minimum = 1)),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The group", body = Group)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    group: web::Path<i64>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Group>, Denial> {
    Ok(WithEtag(admin.groups.show(&caller, *group).await?))
}

impl GroupQuery {
    fn selection(self) -> GroupSelection {
        GroupSelection {
            source: self.source.map(|Name(name)| name),
            handler: self.handler.map(|Name(name)| name),
            class: self.class,
            resolved: self.all,
        }
    }
}
