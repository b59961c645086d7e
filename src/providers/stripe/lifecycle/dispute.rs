//! A dispute: from the bank's question to its verdict.

use time::OffsetDateTime;

use super::{Life, Place};

/// An inquiry (`warning_…`) may become a dispute, and a dispute is reviewed once evidence was
/// handed in.
const LIFE: Life = Life {
    steps: &["warning_needs_response", "warning_under_review", "needs_response", "under_review"],
    ends: &["warning_closed", "prevented", "lost", "won"],
};

/// A dispute of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) account: Option<String>,
    pub(crate) charge: String,
    pub(crate) intent: Option<String>,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) opened_at: OffsetDateTime,
    pub(crate) evidence_due_by: Option<OffsetDateTime>,
    pub(crate) closed_at: Option<OffsetDateTime>,
    pub(crate) place: Place,
}

impl Dispute {
    pub(crate) fn join(known: Option<Self>, told: Self) -> Self {
        match known {
            Some(known) if known.order() >= told.order() => known,
            _ => told,
        }
    }

    /// The rank within a second.
    pub(crate) fn rank(status: &str) -> i64 {
        LIFE.rank(status)
    }

    /// Whether it has come to its end.
    pub(crate) fn is_closed(status: &str) -> bool {
        LIFE.is_end(status)
    }

    /// Whether the bank only asks, with the money where it is.
    pub(crate) fn is_inquiry(&self) -> bool {
        self.status.starts_with("warning_")
    }

    /// Of the disputes of one payment, the one that it shows: the one opened last.
    pub(crate) fn shown(disputes: &[Self]) -> Option<&Self> {
        disputes.iter().max_by_key(|dispute| (dispute.opened_at, &dispute.id))
    }

    fn order(&self) -> (bool, &Place) {
        (LIFE.is_end(&self.status), &self.place)
    }
}
