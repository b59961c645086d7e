//! A captured event, as the API and the console download it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A fixture: an event without secrets and personal data.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Fixture)]
pub struct CapturedFixture {
    /// The provider: the folder.
    pub provider: String,
    /// The file name, without `.json`.
    pub name: String,
    /// The file content: JSON for `sealpost fixtures run`.
    pub document: Value,
    /// The replaced values.
    pub scrubbed: Vec<Scrubbed>,
}

/// A replaced value in a fixture. The value itself is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FixtureScrubbed)]
pub struct Scrubbed {
    /// A JSON pointer into the body.
    pub place: String,
    /// Why it was replaced.
    pub rule: String,
}
