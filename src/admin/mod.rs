//! The admin core: operations on dead letters, destinations, users and jobs, and monitoring. The
//! command line, the console and the API share it.
//!
//! - [`Access`] recognises callers, and manages users, sessions and API keys. A [`Caller`] is
//!   an authenticated user or API key, with its scopes.
//! - [`audit`] is the audit log.
//! - [`ChangeStream`] is the stream of changes.
//! - [`Monitoring`] reads alarms, events, transfers, sources and settings.
//! - A *dead letter* is a delivery in state `dead`; it is *open* until it is replayed or
//!   discarded.
//! - A [`Selection`] selects dead letters by id or by filter.
//! - [`DeadLetters::list`] and [`DeadLetters::show`] read them.
//! - [`Destinations`] are paused and resumed; [`Alerts`] are listed.
//! - [`IdempotencyKeys`] make requests to the admin API idempotent.
//! - A [`Group`] is a set of dead letters with the same source, handler, reason and message.
//! - A *replay* makes a new delivery of the same event. It does not go through ingest: freshness
//!   was checked when the event arrived, and the duplicate check is about arrivals.
//! - To *discard* a dead letter resolves it without a replay. Either unblocks its lane.
//! - Bulk operations are a [`Job`], which is planned, then started.
//! - An *edit* is a new event with another body; see [`DeadLetters::edit`].
//! - [`Pauses`] are sources and handlers that are paused.
//! - [`explain`] diagnoses why a request is rejected; [`RejectedRequests`] are the kept ones.
//! - [`MasterKeys`] seal secrets, and can be rotated.

mod access;
mod alerts;
pub mod audit;
mod caller;
mod capture;
mod change_stream;
mod dead_letters;
mod destinations;
mod edit;
mod error;
mod explain;
mod groups;
mod idempotency;
mod jobs;
mod lanes;
mod master_keys;
mod monitoring;
mod pauses;
mod payload_reads;
mod pretty;
mod reason;
mod recorded_request;
mod rejected_requests;
mod timeline;

use std::collections::HashMap;
use std::sync::Arc;

use tracing::warn;

pub use access::{
    Access, ApiKey, BegunSession, Client, CodeSecret, Credentials, Denial, Ended, Expiry,
    Invitation, Issuer, IssuerError, IssuerSettings, MadeKey, NewApiKey, NewUser, OidcCallback,
    OidcError, OidcRedirect, OidcSignIn, OwnSession, Session, SetupLink, ShownKey, ShownSession,
    SignInError, User,
};
pub use alerts::Alerts;
pub use caller::{Caller, Denied, Scope, Scopes, UnknownScope};
pub use capture::{Captured, Scrubbed, capture};
pub use change_stream::{
    ChangeStream, ChangeStreamSettings, StreamItem, Subscription, TooManySubscribers,
};
pub use dead_letters::{
    Action, ActionResult, DeadLetters, DeliveryDetail, Filter, LetterPage, PREVIEW, Paging,
    Refused, Selection,
};
pub use destinations::{
    ConfiguredDestination, Destination, DestinationDetail, DestinationStatus, Destinations,
    SendTest,
};
pub use edit::{EditPreview, Edited, MOST_EDITED};
pub use error::AdminError;
pub use explain::{Explained, Verifiers, explain};
pub use groups::{
    Class, Group, GroupCursor, GroupPage, GroupSelection, Groups, UnknownClass, normalize,
};
pub use idempotency::{ClaimedKey, IdempotencyKeys, IdempotencyState, Repeat};
pub use jobs::{
    BATCH, BulkPreview, BulkRequest, Job, JobAction, JobDetail, JobState, Jobs, PLAN_LASTS,
    RejectedAction, RejectedBulkRequest, SAMPLE, Step, Worker,
};
pub use master_keys::{MasterKeys, Rotated, Seals};
pub use monitoring::{
    Alarm, AlarmKind, Baseline, BodySlice, DispatchTroubles, EventDetail, EventPage, Facets, Link,
    Listener, MOST_EVENTS, MOST_TRANSFERS, Monitoring, Overview, PayloadView, Point, ProofView,
    Related, SLICE, Search, SecretView, Series, Setting, Setup, SourceFacts, SourceRow, SourceView,
    Topology, Totals, TransferDetail, TransferView, Transfers, UnlistedProxies, is_internal,
};
pub use pauses::{PauseStatus, Pauses};
pub use pretty::{Pretty, pretty};
pub use reason::Reason;
pub use recorded_request::RecordedRequest;
pub use rejected_requests::{
    NewlyRejected, RejectedRequestDetail, RejectedRequestWriter, RejectedRequests, Reprocess,
    ReprocessError, Reprocessed, Verified,
};
pub use timeline::TimelineEntry;

use crate::store::Store;

/// Tells which handlers take events of a type.
pub type HandlersFor = Arc<dyn Fn(&str) -> Vec<&'static str> + Send + Sync>;

/// The handlers that each source has now: where replays go.
#[derive(Clone, Default)]
pub struct Routing {
    sources: HashMap<String, Route>,
}

#[derive(Clone)]
struct Route {
    tenant: String,
    handlers: Vec<&'static str>,
    takers: HandlersFor,
}

impl Routing {
    /// Adds a source: to whom it belongs, all its handlers, and which of them take events of a
    /// type.
    pub fn add(
        &mut self,
        source: &str,
        tenant: &str,
        handlers: Vec<&'static str>,
        takers: HandlersFor,
    ) {
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
