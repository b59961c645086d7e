//! The audit log: what was done, and whether it is whole.

use actix_web::web;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{OpenApi, ToSchema};

use super::answer::{ListPage, Page, WithEtag};
use super::cursor::{self, List};
use super::query::{Limit, Name, Query, Text, Time};
use super::routes::{Endpoint, Routes};
use crate::admin::audit;
use crate::store::{AuditFilter, AuditRow, Hash};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

/// The list that cursors belong to.
const LIST: List = *b"au";

#[derive(OpenApi)]
#[openapi(paths(list, verify))]
struct Document;

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/audit").ask(list));
    routes.add(Endpoint::new("/api/v1/audit/verification").ask(verify));
}

/// Which entries. Every part that is there must hold.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Of this actor.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    actor: Option<Text>,
    /// Of this action.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    action: Option<Text>,
    /// Of actors that see only this tenant's things.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    tenant: Option<Name>,
    /// Not before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Time>,
    /// Before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// Where to go on: `next` of the page before.
    #[param(pattern = "^AWF1[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$")]
    cursor: Option<String>,
    /// How many, at most.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// Against what the log is held.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Expected {
    /// The hash that an entry must have: of the head as it was noted earlier, elsewhere.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{64}$")]
    expected: Option<Digest>,
}

/// A SHA-256, in hexadecimal.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Digest(Hash);

/// An entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct Entry {
    /// Its number, from 1.
    id: i64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// Who.
    actor: String,
    /// The only tenant whose things they see.
    tenant: Option<String>,
    /// The address that they asked from; null for the command line.
    address: Option<String>,
    /// What.
    action: String,
    /// To what.
    target: String,
    /// Why, in their words.
    reason: String,
    /// How many rows it touched.
    count: i64,
    /// The SHA-256 of what was there before.
    before: Option<String>,
    /// The SHA-256 of what is there after it.
    after: Option<String>,
    /// The hash of the entry before; zeros in the first one.
    prev_hash: String,
    /// Its own.
    hash: String,
}

/// What was found out about the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditVerification)]
struct Verification {
    /// Whether it is whole.
    intact: bool,
    /// How many entries hold.
    entries: u64,
    /// The last one that does; null where there is none.
    head: Option<Head>,
    /// The first thing that is wrong, in a sentence.
    broken: Option<String>,
}

/// An entry and its hash: what to note elsewhere.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditHead)]
struct Head {
    id: i64,
    hash: String,
}

/// List entries of the audit log
///
/// The newest come first.
#[utoipa::path(
    get, path = "/api/v1/audit", operation_id = "listAuditEntries", tag = "audit",
    params(Asked), security(("bearer" = ["admin"])),
    responses((status = 200, description = "A page of entries", body = Page<Entry>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(asked): Query<Asked>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Entry>, Denial> {
    let before = asked.cursor.as_deref().map(|text| cursor::read(LIST, text)).transpose()?;
    let limit = asked.limit;
    let filter = asked.filter();
    let rows = audit::list(&admin.store, &caller, &filter, before, limit.and_one()).await?;
    let place = |entry: &AuditRow| entry.id;
    Ok(ListPage(Page::of((rows, limit), LIST, place, |row| Ok(Entry::new(row)))?))
}

/// Verify the audit log
///
/// Walks the chain of hashes from its beginning. That its end was cut off shows only to whoever
/// gives the hash that its head had earlier. The chain is one, over all tenants: a key of one
/// tenant does not get it.
#[utoipa::path(
    get, path = "/api/v1/audit/verification", operation_id = "verifyAudit", tag = "audit",
    params(Expected), security(("bearer" = ["admin"])),
    responses((status = 200, description = "What was found out", body = Verification)),
)]
async fn verify(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(asked): Query<Expected>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Verification>, Denial> {
    let expected = asked.expected.map(|Digest(hash)| hash);
    let found = audit::verify(&admin.store, &caller, expected.as_ref(), |_| {}).await?;
    Ok(WithEtag(Verification {
        intact: found.broken.is_none(),
        entries: found.entries,
        head: found.head.map(|(id, hash)| Head { id, hash: hex::encode(hash) }),
        broken: found.broken.map(|broken| broken.to_string()),
    }))
}

impl Asked {
    fn filter(self) -> AuditFilter {
        let text = |Text(text)| text;
        let time = |Time(time)| time;
        AuditFilter {
            actor: self.actor.map(text),
            action: self.action.map(text),
            since: self.since.map(time),
            until: self.until.map(time),
            tenant: self.tenant.map(|Name(name)| name),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut hash = Hash::default();
        let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut hash) {
            Ok(()) if lower => Ok(Self(hash)),
            _ => Err("a hash has 64 hexadecimal digits, in lower case"),
        }
    }
}

impl Entry {
    fn new(entry: AuditRow) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            actor: entry.actor,
            tenant: entry.tenant,
            address: entry.address,
            action: entry.action,
            target: entry.target,
            reason: entry.reason,
            count: entry.count,
            before: entry.before.map(hex::encode),
            after: entry.after.map(hex::encode),
            prev_hash: hex::encode(entry.prev_hash),
            hash: hex::encode(entry.hash),
        }
    }
}
