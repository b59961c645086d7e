//! Groups of similar dead letters.

use actix_web::web;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};

use super::answer::{ListPage, Page, WithEtag};
use super::cursor::{self, List};
use super::deliveries::DeathReason;
use super::query::{Limit, Name, Query};
use super::routes::{Endpoint, Routes};
use super::words::word;
use crate::admin::{self, GroupCursor, GroupSelection};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

/// The list a cursor belongs to.
const LIST: List = *b"gr";

#[derive(OpenApi)]
#[openapi(paths(list, show))]
struct Document;

/// Adds the routes.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/groups").ask(list));
    routes.add(Endpoint::new("/api/v1/groups/{group}").get(show));
}

/// The query of the list; all given filters must match.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Filter by source.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Filter by handler; `gate` for events quarantined before any handler.
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

/// A group of dead letters with the same source, handler, reason and message, ignoring variable
/// parts of the message.
#[derive(Debug, Serialize, ToSchema)]
struct Group {
    id: i64,
    /// The tenant of its events; empty if they were deleted before it was recorded.
    tenant: String,
    source: String,
    /// The name of the handler.
    handler: String,
    class: Class,
    death_reason: DeathReason,
    /// The title: the latest message, or a description of the reason without a message or without
    /// the scope `payload:read`.
    title: String,
    /// The first line of the latest error; null without an error or without the scope
    /// `payload:read`.
    message: Option<String>,
    /// Whether its messages vary too much to be grouped further.
    is_various: bool,
    /// Number of open dead letters.
    open: u64,
    /// Total number of dead letters.
    total: u64,
    /// When the first was dead-lettered.
    #[serde(with = "time::serde::rfc3339")]
    first_at: OffsetDateTime,
    /// When the last was dead-lettered.
    #[serde(with = "time::serde::rfc3339")]
    last_at: OffsetDateTime,
    /// The latest delivery in it.
    sample: i64,
    /// Dead letters in each of the last 24 hours, the current hour last.
    trend: Vec<u64>,
}

/// The class of a failure.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = GroupClass)]
pub(super) enum Class {
    Handler,
    Destination,
    Content,
    Transfer,
    Internal,
}

/// List groups of dead letters
///
/// Most open dead letters first.
#[utoipa::path(
    get, path = "/api/v1/groups", operation_id = "listGroups", tag = "groups",
    params(Asked), security(("bearer" = ["events:read"])),
    responses((status = 200, description = "A page of groups", body = Page<Group>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(asked): Query<Asked>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Group>, Denial> {
    let after = asked.cursor.as_deref().map(|text| cursor::read(LIST, text)).transpose()?;
    let after = after.map(|(open, last_at, id)| GroupCursor::behind(open, last_at, id));
    let limit = asked.limit.exactly();
    let page = admin.groups.list(&caller, &asked.selection(), after, limit).await?;
    let next = page.next.map(|next| cursor::after(LIST, &next.parts()));
    let items = page.groups.into_iter().map(Group::new).collect::<Result<_, _>>()?;
    Ok(ListPage(Page::until(items, next)))
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
    Ok(WithEtag(Group::new(admin.groups.show(&caller, *group).await?)?))
}

impl Asked {
    fn selection(self) -> GroupSelection {
        GroupSelection {
            source: self.source.map(|Name(name)| name),
            handler: self.handler.map(|Name(name)| name),
            class: self.class.map(Class::meant),
            resolved: self.all,
        }
    }
}

impl Class {
    /// Converts the request.
    pub(super) fn meant(self) -> admin::Class {
        match self {
            Self::Handler => admin::Class::Handler,
            Self::Destination => admin::Class::Destination,
            Self::Content => admin::Class::Content,
            Self::Transfer => admin::Class::Transfer,
            Self::Internal => admin::Class::Internal,
        }
    }
}

impl Group {
    fn new(group: admin::Group) -> Result<Self, Denial> {
        Ok(Self {
            id: group.id,
            tenant: group.tenant,
            source: group.source,
            handler: group.handler,
            class: word(group.class.as_str())?,
            death_reason: word(&group.death_reason)?,
            title: group.title,
            message: group.message,
            is_various: group.is_various,
            open: group.open,
            total: group.total,
            first_at: group.first_at,
            last_at: group.last_at,
            sample: group.sample,
            trend: group.trend,
        })
    }
}
