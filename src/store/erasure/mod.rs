//! Erased events: headers, claims, envelope and body are gone, and so is everything that was
//! derived from them; the rest stays, with who erased it and why.

mod derived;
mod erase;
mod scan;

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

pub use derived::{DerivedRows, RowsErased};
pub use erase::{ErasedCounts, Erasing, EventToErase, OpenDelivery};
pub use scan::{EventScan, ScannedEvents, TransferToErase};

/// The erasure of an event's payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EventErasure)]
pub struct Erasure {
    /// When it was erased.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who erased it.
    pub by: String,
    /// The reason given.
    pub reason: String,
    /// The SHA-256 of the erased body, in hexadecimal.
    pub body_sha256: String,
}

impl Erasure {
    /// The columns of an event; `None` if it is whole.
    pub(super) fn of(
        at: Option<OffsetDateTime>,
        by: Option<String>,
        reason: Option<String>,
        digest: Option<&[u8]>,
    ) -> Option<Self> {
        Some(Self {
            at: at?,
            by: by.unwrap_or_default(),
            reason: reason.unwrap_or_default(),
            body_sha256: digest.map(hex::encode).unwrap_or_default(),
        })
    }
}

impl fmt::Display for Erasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.format(&Rfc3339).unwrap_or_default();
        write!(f, "erased on {at} by {}: {}", self.by, self.reason)
    }
}
