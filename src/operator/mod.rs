//! What operators do about dead letters, and what they see of the rest; the command line, the
//! console and the API share it.
//!
//! - [`Access`] recognises callers, and manages people, sessions and API keys. A [`Caller`] is
//!   somebody who was recognised, with what they may do.
//! - [`audit`] is the log of what was done.
//! - [`Feed`] is the stream of changes.
//! - [`Insight`] is what is seen: whether anything is wrong, events, transfers, sources, settings.
//! - A *dead letter* is a delivery in state `dead`; it is *open* until it is replayed or
//!   discarded.
//! - A [`Selection`] says which: by id, or by what they have in common.
//! - [`DeadLetters::list`] and [`DeadLetters::show`] look.
//! - [`Destinations`] are held back and let go on; [`Alerts`] are looked at.
//! - [`Requests`] name themselves, so that what is asked for twice is done once.
//! - A [`Group`] is what looks alike: same source, handler, reason and message.
//! - A *replay* makes a new delivery of the same event. It does not go through intake: freshness
//!   was checked when the event arrived, and the duplicate check is about arrivals.
//! - To *discard* is to leave it as it is, knowingly. Either frees a lane that it blocked.
//! - Many at once are a [`Job`], which begins as a plan.
//! - An *edit* is a new event with another body; see [`DeadLetters::edit`].
//! - [`Holds`] are sources and handlers that are paused.
//! - [`explain`] says why a request is refused; [`HeldRequests`] are those that were kept for it.
//! - [`MasterKeys`] seal what is secret, and are changed.

mod access;
mod alerts;
pub mod audit;
mod caller;
mod capture;
mod dead_letters;
mod destinations;
mod edit;
mod error;
mod explain;
mod feed;
mod groups;
mod held;
mod holds;
mod insight;
mod jobs;
mod lanes;
mod master_keys;
mod pretty;
mod reads;
mod reason;
mod recorded;
mod requests;
mod timeline;

use std::collections::HashMap;
use std::sync::Arc;

use tracing::warn;

pub use access::{
    Access, ApiKey, Arrival, BegunSession, Client, CodeSecret, Credentials, Denial, Departure,
    Ended, Expiry, Invitation, Issuer, IssuerError, IssuerSettings, MadeKey, NewApiKey, NewPerson,
    OidcError, OwnSession, Person, Return, Session, SetupLink, ShownKey, ShownSession, SignInError,
};
pub use alerts::Alerts;
pub use caller::{Caller, Denied, Scope, Scopes, UnknownScope};
pub use capture::{Captured, Scrubbed, capture};
pub use dead_letters::{
    Action, Batch, DeadLetters, Dossier, Filter, LetterPage, PREVIEW, Paging, Refused, Selection,
};
pub use destinations::{
    Configured, Destination, DestinationDetail, Destinations, SendTest, Stands,
};
pub use edit::{Edited, MOST_EDITED, Rehearsal};
pub use error::OperatorError;
pub use explain::{Explained, Gates, explain};
pub use feed::{Feed, FeedSettings, NoSeat, Subscription, Told};
pub use groups::{
    Class, Group, GroupCursor, GroupPage, GroupSelection, Groups, UnknownClass, normalise,
};
pub use held::{
    HeldDossier, HeldRequests, Holding, NotReadmitted, Readmit, Readmitted, RefusedRequest,
    Verified,
};
pub use holds::{Holds, Standing};
pub use insight::{
    Alarm, AlarmKind, BodySlice, DispatchTrouble, DispatchTroubles, EventDetail, EventPage, Facets,
    Habit, Insight, Landscape, Link, Listener, MOST_EVENTS, MOST_TRANSFERS, Overview, PayloadView,
    Point, ProofView, Related, SLICE, Search, SecretView, Series, Setting, Setup, SourceFacts,
    SourceRow, SourceView, Totals, TransferDetail, TransferView, Transfers, UnlistedProxies,
    is_internal,
};
pub use jobs::{
    BATCH, HeldAction, HeldWish, Job, JobAction, JobDetail, JobState, Jobs, PLAN_LASTS, Rehearsed,
    SAMPLE, Step, Wish, Worker,
};
pub use master_keys::{MasterKeys, Rotated, Seals};
pub use pretty::{Pretty, pretty};
pub use reason::Reason;
pub use recorded::RecordedRequest;
pub use requests::{Act, Claimed, Request, Requests};
pub use timeline::Moment;

use crate::store::Store;

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

/// Lets gateways look at once for what was just committed. One that does not hear of it looks at
/// its next poll: the change stands, and its caller is told so.
async fn wake_gateways(store: &Store) {
    if let Err(error) = store.announce().await {
        warn!(error = &error as &dyn std::error::Error, "cannot announce a change");
    }
}
