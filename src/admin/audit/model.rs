//! What the API, `--format json` and the console show of the audit log.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::store::AuditRow;

use crate::store::{Hash, hexadecimal};

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditVerification)]
pub struct Verification {
    /// Whether the chain is intact.
    pub intact: bool,
    /// Number of valid entries.
    pub entries: u64,
    /// The last valid entry; null if there is none.
    pub head: Option<Head>,
    /// The first error, in a sentence.
    pub broken: Option<String>,
}

/// An entry and its hash, to be recorded elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditHead)]
pub struct Head {
    /// The number of the entry.
    pub id: i64,
    /// Its hash.
    #[serde(with = "hexadecimal")]
    #[schema(value_type = String)]
    pub hash: Hash,
}
