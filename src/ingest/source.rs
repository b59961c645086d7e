//! A source: one configured sender.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Rate;
use crate::store::{ChunkQuota, ExpectedTokens};
use crate::verify::Verifier;

/// Tells which handlers take events of a type.
pub type HandlersFor = Arc<dyn Fn(&str) -> Vec<&'static str> + Send + Sync>;

/// One sender's way in.
pub struct Source {
    /// Its name, as in `/hooks/{name}`.
    pub name: Arc<str>,
    /// To whom it belongs.
    pub tenant: String,
    /// How it lets requests in.
    pub gate: Verifier,
    /// Which handlers take its events.
    pub takers: HandlersFor,
    /// What its provider still awaits: asked about requests whose token is past its time.
    pub registry: Option<Arc<dyn ExpectedTokens>>,
    /// The largest body, in bytes.
    pub max_body: usize,
    /// How long a body may take to arrive.
    pub body_deadline: Duration,
    /// Whether a dead head holds its lane.
    pub lane_blocks: bool,
    /// How much may wait in open transfers.
    pub chunk_quota: ChunkQuota,
    /// How many authentic requests it may send.
    pub rate: Rate,
    /// For how long rejected requests are kept; `None` where they are not.
    pub hold: Option<Duration>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("provider", &self.gate.provider.name())
            .finish_non_exhaustive()
    }
}
