//! Rejected requests as they are stored, and filters for them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::EventId;
use crate::vault::{Label, Sealed};
use crate::verify::RefusalReason;

/// A rejected request to be kept.
#[derive(Debug, Clone)]
pub struct NewRejectedRequest<'a> {
    pub id: Uuid,
    pub tenant: &'a str,
    pub source: &'a str,
    pub provider: &'a str,
    pub reason: RefusalReason,
    pub peer: Option<String>,
    pub size: u64,
    /// Its head and body.
    pub sealed: &'a Sealed,
    pub received_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

/// How much one source may keep.
#[derive(Debug, Clone, Copy)]
pub struct RejectedRequestLimits {
    pub rows: i64,
    /// Sealed bytes.
    pub bytes: i64,
}

/// A rejected request, stored encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedRequest {
    /// The id.
    #[schema(value_type = String, format = Uuid)]
    pub id: Uuid,
    /// The tenant of the source.
    pub tenant: String,
    /// The source it was sent to.
    pub source: String,
    /// The provider of the source.
    pub provider: String,
    /// The rejection reason.
    pub reason: RefusalReason,
    /// The client address.
    pub peer: Option<String>,
    /// The size of its body in bytes.
    pub size_bytes: i64,
    /// When it arrived.
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
    /// When it is deleted.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// The event it became when it was reprocessed.
    pub event: Option<EventId>,
    /// When it was reprocessed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub verified_at: Option<OffsetDateTime>,
    /// Who reprocessed it.
    pub verified_by: Option<String>,
}

/// A rejected request, as it is sealed.
#[derive(Debug, Clone)]
pub struct SealedRejectedRequest {
    pub id: Uuid,
    /// The label it is sealed under.
    pub label: Label,
    /// Its head and body.
    pub sealed: Sealed,
}

/// A filter of the list.
#[derive(Debug, Clone, Default)]
pub struct RejectedRequestFilter {
    pub tenant: Option<String>,
    pub source: Option<String>,
    /// Pagination: only older ones.
    pub before: Option<Uuid>,
}

/// The rejected requests of a job: those that are not events yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRequestSelection {
    pub tenant: Option<String>,
    pub source: Option<String>,
}

impl RejectedRequest {
    /// The label a rejected request is sealed under: a row that was moved to another id, source or
    /// tenant does not open.
    pub fn label(tenant: &str, source: &str, id: Uuid) -> Label {
        let name = format!("rejected request {id}");
        Label { tenant: tenant.to_owned(), source: source.to_owned(), name }
    }
}
