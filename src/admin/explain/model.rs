//! The explanation of a rejection, as users see it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::verify::RefusalReason;
use crate::verify::diagnose::{self, FindingKind};

/// The verification result of a request. It contains neither a signature nor a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The source it was checked against.
    pub source: String,
    /// Whether it is accepted.
    pub verifies: bool,
    /// The rejection reason, as in the log.
    pub reason: Option<RefusalReason>,
    /// The detailed finding.
    pub finding: FindingKind,
    /// The finding in a sentence or two.
    pub text: String,
    /// The suggested fix.
    pub hint: Option<String>,
    /// The fingerprint of the secret that produced the signature, if known.
    pub secret: Option<String>,
    /// The time of arrival used for the check.
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
}

impl Explanation {
    /// Describes a diagnosis of a request that arrived at `at`.
    pub(super) fn new(source: &str, found: &diagnose::Explanation, at: OffsetDateTime) -> Self {
        Self {
            source: source.to_owned(),
            verifies: found.verifies(),
            reason: found.reason,
            finding: found.kind(),
            text: found.text(),
            hint: found.hint(),
            secret: found.made.as_ref().map(|made| made.secret.to_string()),
            received_at: at,
        }
    }
}
