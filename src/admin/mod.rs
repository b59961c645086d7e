//! The admin core: operations on dead letters, destinations, users and jobs, and monitoring. The
//! command line, the console and the API share it.
//!
//! - [`Admin`] holds all services. [`actions`] is the catalogue of the changes to one item.
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
//! - *Discarding* a dead letter resolves it without a replay. Either unblocks its lane.
//! - Bulk operations are a [`Job`], which is planned, then started.
//! - An *edit* is a new event with another body; see [`DeadLetters::edit`].
//! - [`Handshakes`] of senders bring secrets, while an operator lets them.
//! - [`PersonalData`] is erased and exported.
//! - [`Pauses`] are sources and handlers that are paused.
//! - [`Providers`] are what is known about each kind of sender.
//! - [`explain`] diagnoses why a request is rejected; [`RejectedRequests`] are the kept ones.
//! - [`MasterKeys`] seal secrets, and can be rotated.

mod access;
pub mod actions;
mod alerts;
pub mod audit;
mod caller;
mod capture;
mod change;
mod change_stream;
pub mod cursor;
mod dead_letters;
mod destinations;
mod edit;
mod error;
mod events;
mod explain;
mod groups;
mod handshakes;
mod idempotency;
mod input;
mod jobs;
mod lanes;
mod master_keys;
mod monitoring;
mod page;
mod pauses;
mod payload_reads;
mod personal_data;
mod pretty;
mod providers;
mod reason;
mod recorded_request;
mod rejected_requests;
mod retry;
mod services;
mod timeline;
mod transfers;
mod unreadable;

use std::collections::{BTreeMap, HashMap};

use tracing::warn;

pub use access::{
    Access, ApiKey, ApiKeyState, BegunSession, Client, CodeSecret, Credentials, Denial,
    DisabledUser, Ended, Expiry, Identity, Invitation, Issuer, IssuerError, IssuerSettings,
    MadeKey, NewApiKey, NewUser, OidcCallback, OidcError, OidcRedirect, OidcSignIn, OwnSession,
    RevokedKey, Session, SetupLink, ShownKey, ShownSession, SignInError, User, UserSession,
    UserState,
};
pub use alerts::{AlertRow, AlertState, Alerts, Notification, Severity};
pub use caller::{Caller, Denied, Scope, Scopes, UnknownScope};
pub use capture::{CapturedFixture, Scrubbed, capture};
pub use change_stream::{
    Change, ChangeKind, ChangeStream, ChangeStreamSettings, StreamItem, Subscription,
    TooManySubscribers,
};
pub use dead_letters::{
    Attempt, AttemptResult, BatchResult, DeadLetterAction, DeadLetterPage, DeadLetters, Delivery,
    DeliveryDetail, DeliveryState, Edit, Encoding, Erasure, Event, Filter, PREVIEW, Paging,
    Payload, Preview, Proof, Refused, Resolution, ResolvedBy, Seen, Selection, Trigger,
};
pub use destinations::{
    ConfiguredDestination, Destination, DestinationDetail, DestinationHour, DestinationPause,
    DestinationResponse, DestinationResponseHeader, DestinationState, Destinations, SendTest,
};
pub use edit::{EditPreview, Edited, MAX_EDITED};
pub use error::AdminError;
pub use events::{
    BodySlice, DeliveryCounts, EditMade, EventDetail, EventFacets, EventMatches, EventPage,
    EventPayload, EventProof, EventSummary, MAX_EVENTS, RelatedEvents, SLICE, Search,
};
pub use explain::{Explanation, Verifiers, explain};
pub use groups::{
    Class, Group, GroupCursor, GroupPage, GroupSelection, Groups, UnknownClass, normalize,
};
pub use handshakes::{Handshakes, RevealedSecret};
pub use idempotency::{ClaimedKey, IdempotencyKeys, IdempotencyState, Repeat};
pub use input::{Age, Count, Id, Name, Whole};
pub use jobs::{
    BATCH, BulkPreview, BulkRequest, EventSelection, Job, JobAction, JobDetail, JobOutcomes,
    JobState, Jobs, PLAN_LASTS, RejectedAction, RejectedBulkRequest, ResendAction, ResendRequest,
    ResendState, SAMPLE, SkippedItem, Step, Worker,
};
pub use master_keys::{MasterKeys, Rotated, Seals};
pub use monitoring::{
    Alarm, AlarmKind, Baseline, Counts, DispatchProblems, Link, Listener, Monitoring, Overview,
    Point, ReasonCount, Series, Setting, Source, SourceFacts, SourceHandshake, SourceRow,
    SourceSecret, SourceSetup, Topology, UnlistedProxies, is_internal,
};
pub use page::Page;
pub use pauses::{Pause, PauseStatus, PauseTarget, Pauses};
pub use personal_data::{
    DerivedBy, ErasureProgress, ErasureRequest, ErasureResult, ExportedBody, ExportedEvent,
    FieldValue, FoundToExport, PersonalData, SelectBy, SubjectSelection, Unfinished,
};
pub use pretty::{Pretty, pretty};
pub use providers::{
    Fact, FactGroup, Provider, ProviderFilter, ProviderLevel, ProviderOption, ProviderProof,
    ProviderSender, ProviderSummary, Providers, ReplayProtection,
};
pub use reason::Reason;
pub use recorded_request::RecordedRequest;
pub use rejected_requests::{
    NewlyRejected, RejectedRequest, RejectedRequestDetail, RejectedRequestHeader,
    RejectedRequestPayload, RejectedRequestWriter, RejectedRequests, Reprocess, ReprocessError,
    Reprocessed, Reprocessing,
};
pub use services::{Admin, AdminParts, Need};
pub use timeline::{TimelineEntry, TimelineKind};
pub use transfers::{MAX_TRANSFERS, Transfer, TransferDetail, TransferState, Transfers};

use crate::store::Store;
use crate::verify::HandlersFor;

/// The handlers of each source, for replays.
#[derive(Clone, Default)]
pub struct Routing {
    sources: HashMap<String, Route>,
}

#[derive(Clone)]
struct Route {
    tenant: String,
    handlers: Vec<&'static str>,
    /// Whether a dead letter blocks its lane.
    lane_blocks: bool,
    handlers_for: HandlersFor,
}

impl Routing {
    /// Adds a source with its tenant, all its handlers, whether a dead letter blocks its lane, and
    /// the handlers that accept events of a type.
    pub fn add(
        &mut self,
        source: &str,
        tenant: &str,
        handlers: Vec<&'static str>,
        lane_blocks: bool,
        handlers_for: HandlersFor,
    ) {
        let route = Route { tenant: tenant.to_owned(), handlers, lane_blocks, handlers_for };
        self.sources.insert(source.to_owned(), route);
    }

    /// The sources of this tenant, or all, in the order of their names.
    fn visible_to(&self, tenant: Option<&str>) -> BTreeMap<&str, &Route> {
        let visible =
            self.sources.iter().filter(|(_, route)| tenant.is_none_or(|t| t == route.tenant));
        visible.map(|(name, route)| (name.as_str(), route)).collect()
    }
}

/// Wakes the gateways for what was just committed. If the notification fails, they see the change
/// at their next poll, so the caller still gets a success.
async fn wake_gateways(store: &Store) {
    if let Err(error) = store.announce().await {
        warn!(error = &error as &dyn std::error::Error, "cannot announce a change");
    }
}
