//! The result of an action: for the API, `--format json`, flash messages and texts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::{DestinationResponse, Ended, Explanation, Invitation, RevealedSecret};
use crate::store::EventId;

/// The result of an action on one item.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ActionResult {
    /// The kind of item, as in the path.
    pub noun: String,
    /// The item.
    pub id: String,
    /// The action, as in the path.
    pub action: String,
    /// False if nothing changed, for example because the item already had the requested state.
    pub changed: bool,
    /// How many deliveries or items were affected; null for actions that affect only the item.
    pub count: Option<u64>,
    /// The new deliveries of a replay.
    pub created: Vec<i64>,
    /// The event of a reprocessed request; null if it was rejected again.
    pub event: Option<EventId>,
    /// Why a reprocessed request was rejected again.
    pub explanation: Option<Explanation>,
    /// The response of a destination to a test event.
    pub response: Option<DestinationResponse>,
    /// The set-up link of a user who was reset; returned only here.
    pub invitation: Option<Invitation>,
    /// The secret that was read; returned only here.
    pub secret: Option<RevealedSecret>,
    /// The sessions and API keys that were revoked.
    pub ended: Option<Ended>,
    /// The result in words.
    pub message: String,
}
