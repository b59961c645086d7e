use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Rate;
use crate::sender_client::SenderClient;
use crate::store::{ChunkQuota, ExpectedTokens};
use crate::stored_secrets::StoredSecrets;
use crate::verify::{HandlersFor, Verifier};

/// One configured sender.
pub struct Source {
    /// As in `/hooks/{name}`.
    pub name: Arc<str>,
    pub tenant: String,
    pub verifier: Verifier,
    /// Fetches published keys and confirms subscriptions.
    pub sender_client: Option<SenderClient>,
    /// Stores the secrets that its sender brings; `None` if it brings none.
    pub stored_secrets: Option<StoredSecrets>,
    pub handlers_for: HandlersFor,
    /// Decides about requests whose token has expired.
    pub expected_tokens: Option<Arc<dyn ExpectedTokens>>,
    /// The maximum body size, in bytes.
    pub max_body: usize,
    /// The timeout for receiving a body.
    pub body_deadline: Duration,
    /// Whether a dead letter blocks its lane.
    pub lane_blocks: bool,
    /// The limits on open transfers.
    pub chunk_quota: ChunkQuota,
    /// Limits authentic requests.
    pub rate: Rate,
    /// How long rejected requests are kept; `None` to keep none.
    pub keep_rejected: Option<Duration>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("provider", &self.verifier.provider.name())
            .finish_non_exhaustive()
    }
}
