//! The audit log: list and verify.

use actix_web::web;
use serde::Deserialize;
use utoipa::OpenApi;

use super::answer::{self, ListPage, Page, WithEtag};
use super::cursor::{self, AUDIT};
use super::query::{Limit, Name, Query, Text, Time};
use super::routes::{Endpoint, Routes};
use crate::admin::audit::{self, AuditRow, Verification};
use crate::store::{AuditFilter, Hash};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, verify))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/audit").get_with_query(list));
    routes.add(Endpoint::new("/api/v1/audit/verification").get_with_query(verify));
}

/// The query of the list; all given filters must match.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Filter by actor.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    actor: Option<Text>,
    /// Filter by action.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    action: Option<Text>,
    /// Filter by the tenant of the actor.
    #[param(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    tenant: Option<Name>,
    /// At or after this time.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Time>,
    /// Before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// Cursor: `next` of the previous page.
    #[param(pattern = "^AWF1[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$")]
    cursor: Option<String>,
    /// Maximum number of items.
    #[serde(default)]
    #[param(value_type = u32, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// The query of the verification.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Expected {
    /// A hash that one entry must have: that of the head, recorded earlier elsewhere.
    #[param(value_type = Option<String>, pattern = "^[0-9a-f]{64}$")]
    expected: Option<Digest>,
}

/// A SHA-256, in hexadecimal.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Digest(Hash);

/// List audit log entries
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", operation_id = "listAuditEntries", tag = "audit",
    params(AuditQuery), security(("bearer" = ["admin"])),
    responses((status = 200, description = "A page of entries", body = Page<AuditRow>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(query): Query<AuditQuery>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<AuditRow>, Denial> {
    let before = query.cursor.as_deref().map(|text| cursor::read(AUDIT, text)).transpose()?;
    let limit = query.limit;
    let filter = query.filter();
    let rows = audit::list(&admin.store, &caller, &filter, before, limit.and_one()).await?;
    Ok(ListPage(answer::page((rows, limit), AUDIT, |entry| entry.id)))
}

/// Verify the audit log
///
/// Checks the hash chain from its beginning. Entries deleted at the end are detected only with an
/// earlier head hash in `head`. Requires an API key for all tenants.
#[utoipa::path(
    get, path = "/api/v1/audit/verification", operation_id = "verifyAudit", tag = "audit",
    params(Expected), security(("bearer" = ["admin"])),
    responses((status = 200, description = "The result of the verification", body = Verification)),
)]
async fn verify(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    Query(query): Query<Expected>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Verification>, Denial> {
    let expected = query.expected.map(|Digest(hash)| hash);
    Ok(WithEtag(audit::verify(&admin.store, &caller, expected.as_ref(), |_| {}).await?))
}

impl AuditQuery {
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
            _ => Err("invalid hash: expected 64 hexadecimal digits in lower case"),
        }
    }
}
