//! Disputes: from the bank's inquiry to its decision.

use time::OffsetDateTime;

use super::{Life, Place};

/// An inquiry (`warning_…`) may become a dispute, and a dispute is reviewed once evidence was
/// submitted.
const LIFE: Life = Life {
    steps: &["warning_needs_response", "warning_under_review", "needs_response", "under_review"],
    ends: &["warning_closed", "prevented", "lost", "won"],
};

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
    pub(crate) fn join(known: Option<Self>, update: Self) -> Self {
        match known {
            Some(known) if known.order() >= update.order() => known,
            _ => update,
        }
    }

    /// The rank within a second.
    pub(crate) fn rank(status: &str) -> i64 {
        LIFE.rank(status)
    }

    pub(crate) fn is_closed(status: &str) -> bool {
        LIFE.is_end(status)
    }

    /// Whether the bank only inquires and the money is not withdrawn yet.
    pub(crate) fn is_inquiry(&self) -> bool {
        self.status.starts_with("warning_")
    }

    /// The dispute that a payment displays: the one opened last.
    pub(crate) fn shown(disputes: &[Self]) -> Option<&Self> {
        disputes.iter().max_by_key(|dispute| (dispute.opened_at, &dispute.id))
    }

    fn order(&self) -> (bool, &Place) {
        (LIFE.is_end(&self.status), &self.place)
    }
}
