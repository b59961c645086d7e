//! Groups: dead letters that look alike.

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

/// The list that cursors belong to.
const LIST: List = *b"gr";

#[derive(OpenApi)]
#[openapi(paths(list, show))]
struct Document;

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/groups").ask(list));
    routes.add(Endpoint::new("/api/v1/groups/{group}").get(show));
}

/// Which groups. Every part that is there must hold.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Of this source.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Of this handler; `gate` for what no handler has seen.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    handler: Option<Name>,
    /// Of this class.
    #[param(inline)]
    class: Option<Class>,
    /// Those too of which none is open.
    #[serde(default)]
    #[param(inline)]
    all: bool,
    /// Where to go on: `next` of the page before.
    #[param(pattern = "^AWdy[A-Za-z0-9_-]{32}$")]
    cursor: Option<String>,
    /// How many, at most.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// A group of dead letters: the same source, handler, reason and message, but for what varies in
/// it.
#[derive(Debug, Serialize, ToSchema)]
struct Group {
    id: i64,
    /// To whom its events belong; empty where they were gone before that was known.
    tenant: String,
    source: String,
    /// The handler's stored name.
    handler: String,
    class: Class,
    death_reason: DeathReason,
    /// What it is called: the newest message, or what the reason means where there is none, or the
    /// caller lacks `payload:read`.
    title: String,
    /// The first line of the newest one's error; null where it has none, and for callers without
    /// `payload:read`.
    message: Option<String>,
    /// Whether its messages are too various to be told apart.
    is_various: bool,
    /// How many are neither replayed nor discarded.
    open: u64,
    /// How many there have been.
    total: u64,
    /// When the first died.
    #[serde(with = "time::serde::rfc3339")]
    first_at: OffsetDateTime,
    /// When the last died.
    #[serde(with = "time::serde::rfc3339")]
    last_at: OffsetDateTime,
    /// The newest of them: a delivery.
    sample: i64,
    /// How many died in each of the last 24 hours, the present one last.
    trend: Vec<u64>,
}

/// What kind of failure a dead letter is: whom it asks to do something.
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
/// Those with most open dead letters come first.
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
/// Its dead letters are those that a job of its `group` selects.
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
    /// As it is asked for.
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
