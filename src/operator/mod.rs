//! What operators do about dead letters, and what they see of the rest; the command line, the
//! console and the API share it.
//!
//! - [`Access`] tells who may. A [`Caller`] is somebody who was recognised, with what they may do.
//! - [`Feed`] is the stream of changes.
//! - A *dead letter* is a delivery in state `dead`; it is *open* until it is replayed or
//!   discarded.
//! - A [`Selection`] says which: by id, or by what they have in common.
//! - [`DeadLetters::list`] and [`DeadLetters::show`] look.
//! - A [`Group`] is what looks alike: same source, handler, reason and message.
//! - A *replay* makes a new delivery of the same event. It does not go through intake: freshness
//!   was checked when the event arrived, and the duplicate check is about arrivals.
//! - To *discard* is to leave it as it is, knowingly. Either frees a lane that it blocked.
//! - Many at once are a [`Job`], which begins as a plan.

mod access;
mod caller;
mod dead_letters;
mod error;
mod feed;
mod groups;
mod jobs;

use std::collections::HashMap;
use std::sync::Arc;

pub use access::{Access, first_token, replace_token};
pub use caller::{Caller, Denied, Scope, Scopes, UnknownScope};
pub use dead_letters::{
    Action, Batch, DeadLetters, Dossier, Filter, LetterPage, PREVIEW, Paging, Refused, Selection,
};
pub use error::OperatorError;
pub use feed::{Feed, FeedSettings, Subscription, Told};
pub use groups::{
    Class, Group, GroupCursor, GroupPage, GroupSelection, Groups, UnknownClass, normalise,
};
pub use jobs::{BATCH, Job, JobDetail, JobState, Jobs, PLAN_LASTS, SAMPLE, Step, Wish, Worker};

/// Who acts, and why. Both are written to the audit log.
#[derive(Debug, Clone)]
pub struct Mandate {
    /// Who.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
}

/// Tells which handlers take events of a type.
pub type Takers = Arc<dyn Fn(&str) -> Vec<&'static str> + Send + Sync>;

/// The handlers that each source has now: where replays go.
#[derive(Clone, Default)]
pub struct Routing {
    sources: HashMap<String, Route>,
}

#[derive(Clone)]
struct Route {
    tenant: String,
    handlers: Vec<&'static str>,
    takers: Takers,
}

impl Routing {
    /// Adds a source: to whom it belongs, all its handlers, and which of them take events of a
    /// type.
    pub fn add(&mut self, source: &str, tenant: &str, handlers: Vec<&'static str>, takers: Takers) {
        let route = Route { tenant: tenant.to_owned(), handlers, takers };
        self.sources.insert(source.to_owned(), route);
    }
}
