//! A rejected request that is kept, and which ones a query is for.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::vault::{Label, Sealed};

/// A rejected request that is to be kept.
#[derive(Debug, Clone)]
pub struct NewRejectedRequest<'a> {
    /// Its id.
    pub id: Uuid,
    /// Its tenant.
    pub tenant: &'a str,
    /// The source that refused it.
    pub source: &'a str,
    /// What kind of sender the source is for.
    pub provider: &'a str,
    /// The closed word under which it was refused.
    pub reason: &'a str,
    /// The address that it came from.
    pub peer: Option<String>,
    /// The size of its body, in bytes.
    pub size: u64,
    /// Its head and body.
    pub sealed: &'a Sealed,
    /// When it arrived.
    pub received_at: OffsetDateTime,
    /// When it is removed.
    pub expires_at: OffsetDateTime,
}

/// How much one source may hold.
#[derive(Debug, Clone, Copy)]
pub struct RejectedRequestLimits {
    /// Requests.
    pub rows: i64,
    /// Bytes, as they are sealed.
    pub bytes: i64,
}

/// A rejected request, without what is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRequest {
    /// Its id.
    pub id: Uuid,
    /// To whom its source belongs.
    pub tenant: String,
    /// The source that refused it.
    pub source: String,
    /// What kind of sender the source is for.
    pub provider: String,
    /// The closed word under which it was refused.
    pub reason: String,
    /// The address that it came from.
    pub peer: Option<String>,
    /// The size of its body, in bytes.
    pub size_bytes: i64,
    /// When it arrived.
    pub received_at: OffsetDateTime,
    /// When it is removed.
    pub expires_at: OffsetDateTime,
    /// The event that it became when it was verified again.
    pub event_id: Option<Uuid>,
    /// When that was.
    pub verified_at: Option<OffsetDateTime>,
    /// Who had it verified again.
    pub verified_by: Option<String>,
}

/// A rejected request, as it is sealed.
#[derive(Debug, Clone)]
pub struct SealedRejectedRequest {
    /// Its id.
    pub id: Uuid,
    /// Under what it is sealed.
    pub label: Label,
    /// What is kept.
    pub sealed: Sealed,
}

/// Which rejected requests.
#[derive(Debug, Clone, Default)]
pub struct RejectedRequestFilter {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// Older than this one: the next page.
    pub before: Option<Uuid>,
}

/// Which rejected requests a job is about: those that are no events yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRequestSelection {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this source.
    pub source: Option<String>,
}

impl RejectedRequest {
    /// Under what a rejected request is sealed: nobody else's row opens in its place.
    pub fn label(tenant: &str, source: &str, id: Uuid) -> Label {
        let name = format!("held request {id}");
        Label { tenant: tenant.to_owned(), source: source.to_owned(), name }
    }
}
