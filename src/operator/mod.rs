//! What operators do about dead letters, and what they see of the rest; the command line, the
//! console and the API share it.
//!
//! - [`Access`] tells who may, and says who else does. A [`Caller`] is somebody who was recognised,
//!   with what they may do.
//! - [`audit`] is the log of what was done.
//! - [`Feed`] is the stream of changes.
//! - [`Insight`] is what is seen: whether anything is wrong, events, transfers, sources, settings.
//! - A *dead letter* is a delivery in state `dead`; it is *open* until it is replayed or
//!   discarded.
//! - A [`Selection`] says which: by id, or by what they have in common.
//! - [`DeadLetters::list`] and [`DeadLetters::show`] look.
//! - [`Destinations`] are held back and let go on; [`Alerts`] are looked at.
//! - [`Requests`] name themselves, so that what is asked for twice is done once.
//! - A *replay* makes a new delivery of the same event. It does not go through intake: freshness
//!   was checked when the event arrived, and the duplicate check is about arrivals.
//! - To *discard* is to leave it as it is, knowingly. Either frees a lane that it blocked.
//! - [`explain`] says why a request is refused; [`HeldRequests`] are those that were kept for it.
//!
//! Both act in batches, see [`Run`]: each is one transaction with its own line in the audit log,
//! which names who did it and why. When the process dies between two batches, what was done is
//! resolved and no longer matches, and the rest still does; when it dies within one, that batch
//! has not happened.

mod access;
mod alerts;
pub mod audit;
mod caller;
mod capture;
mod decide;
mod destinations;
mod error;
mod explain;
mod feed;
mod held;
mod insight;
mod inspect;
mod recorded;
mod requests;
mod run;
mod selection;

use std::collections::HashMap;
use std::sync::Arc;

pub use access::{
    Access, ApiKey, BegunSession, CodeSecret, Credentials, Expiry, Invitation, MadeKey, NewApiKey,
    NewPerson, Person, Session, SetupLink, ShownKey, ShownSession, SignInError,
};
pub use alerts::Alerts;
pub use caller::{Caller, Denied, Scope, Scopes, UnknownScope};
pub use capture::{Captured, Scrubbed, capture};
pub use decide::{Action, Refused};
pub use destinations::{Configured, Destination, Destinations, Stands};
pub use error::OperatorError;
pub use explain::{Explained, Gates, explain};
pub use feed::{Feed, FeedSettings, Subscription, Told};
pub use held::{
    HeldDossier, HeldRequests, Holding, NotReadmitted, Readmit, Readmitted, RefusedRequest,
    Verified,
};
pub use insight::{
    Alarm, AlarmKind, BodySlice, EventDetail, EventPage, Facets, Habit, Insight, Landscape, Link,
    MOST_EVENTS, MOST_TRANSFERS, Moment, Overview, PayloadView, Point, ProofView, Related, SLICE,
    Search, SecretView, Series, Setting, Setup, SourceFacts, SourceRow, SourceView, Totals,
    TransferView, Transfers,
};
pub use inspect::{Dossier, PREVIEW};
pub use recorded::RecordedRequest;
pub use requests::{Act, Claimed, Request, Requests};
pub use run::{BATCH, Batch, Run};
pub use selection::{Filter, Selection};

use crate::clock::SharedClock;
use crate::store::{DeadLetter, Page, Store, StoreError};

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
    handlers: Vec<&'static str>,
    takers: Takers,
}

impl Routing {
    /// Adds a source: all its handlers, and which of them take events of a type.
    pub fn add(&mut self, source: &str, handlers: Vec<&'static str>, takers: Takers) {
        self.sources.insert(source.to_owned(), Route { handlers, takers });
    }
}

/// The dead letters, for those who do something about them.
#[derive(Clone)]
pub struct DeadLetters {
    store: Store,
    clock: SharedClock,
    routing: Routing,
}

impl DeadLetters {
    /// The dead letters of `store`, replayed to the handlers that `routing` names.
    pub fn new(store: Store, clock: SharedClock, routing: Routing) -> Self {
        Self { store, clock, routing }
    }

    /// How many match.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn count(&self, selection: &Selection) -> Result<u64, StoreError> {
        let filter = selection.at(self.clock.now());
        let (count, _) = self.store.count_dead_letters(&filter).await?;
        Ok(count.unsigned_abs())
    }

    /// Up to `limit` of those that match, by id, from the first id after `after`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list(
        &self,
        selection: &Selection,
        after: i64,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let page = Page { after, up_to: i64::MAX, limit: i64::from(limit) };
        self.store.dead_letters(&selection.at(self.clock.now()), page).await
    }

    /// Everything about a delivery, dead or not; `None` when there is none of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn show(&self, id: i64) -> Result<Option<Dossier>, StoreError> {
        inspect::show(&self.store, id).await
    }

    /// Begins to act on what matches now; [`Run::next`] does it, batch by batch. `force` replays
    /// also what is done or resolved: only where it is selected by id, since a run that is
    /// repeated by force repeats everything.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn run(
        &self,
        action: Action,
        selection: &Selection,
        mandate: Mandate,
        force: bool,
    ) -> Result<Run<'_>, StoreError> {
        let filter = selection.at(self.clock.now());
        let (_, highest) = self.store.count_dead_letters(&filter).await?;
        let force = force && matches!(selection, Selection::Ids(_));
        let target = selection.to_string();
        Ok(Run { desk: self, action, filter, target, mandate, force, after: 0, up_to: highest })
    }
}
