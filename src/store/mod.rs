//! The store: every SQL statement on the gateway's own tables.
//!
//! - An *event* is a received request. It is never changed.
//! - An *event key* is a deduplication key. It has a table of its own, so that duplicates are
//!   decided by a unique key, in the statement that inserts the event.
//! - A *delivery* is the work of one handler on an event: ready, leased, done or dead. A dead one is
//!   a *dead letter*. A replay is a new delivery.
//! - An *attempt* is one run of a delivery.
//! - A *transfer* is a payload that comes in chunks and is not complete yet.
//! - A *rejected request* failed verification and is kept, sealed, for inspection.
//! - An *alert* is a notification for users.
//! - A *counter* counts received events and outcomes.
//!
//! [`Committed`] is created only here, after a commit: a 2xx response requires it.
//!
//! Every wait has a bound: for a connection, for a statement, for a lock, and, while recording,
//! for the whole. Beyond it the call ends as [`StoreError::Unavailable`], and its connection is
//! thrown away, since its state is unknown.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tracing::warn;

mod alerts;
mod api_keys;
mod audit;
mod audit_throttle;
mod backlog;
mod breaker;
mod chunks;
mod claim;
mod claim_destinations;
mod class;
mod counters;
mod credentials;
mod dead_letters;
mod deliveries;
mod delivery;
mod destinations;
mod devices;
mod edits;
mod effects;
mod error;
mod error_kind;
mod events;
mod expected_tokens;
mod group_writer;
mod groups;
mod health;
mod id_range;
mod idempotency_keys;
mod insert;
mod insert_new;
mod jobs;
mod lanes;
mod oidc;
mod open_error;
mod outcomes;
mod pauses;
mod pool;
mod pooler;
mod preview;
mod problems;
mod queues;
mod reason;
mod recovery;
mod rejected_requests;
mod rejections;
mod related;
mod request_keys;
mod responses;
mod restored;
mod retention;
mod retry_until;
mod search;
mod session;
mod sessions;
mod stream;
mod token;
mod transfers;
mod tx;
mod users;
mod words;
mod writable;

pub use alerts::{
    Alert, AlertBatch, AlertFilter, AlertResolution, AlertRow, AlertState, DEAD_LETTER,
    Notification, OpenAlert, PendingAlert, Severity,
};
pub use api_keys::ApiKeyRow;
pub(crate) use audit::hexadecimal;
pub use audit::{AuditEntry, AuditFilter, AuditMore, AuditRow, Hash};
pub use backlog::{Backlog, LOOKED_AT};
pub use chunks::{ChunkAnswer, ChunkOutcome, ChunkQuota, ChunkRejected, NewChunk, Open};
pub use claim::Claimed;
pub use class::{Class, UnknownClass};
pub use counters::{
    ACKNOWLEDGED_WITHIN, Counted, Counter, Counters, SecretUsage, SourceCounters, Span, TOO_LARGE,
    WRONG_PATH,
};
pub use credentials::Credential;
pub use dead_letters::{DeadLetterFilter, LockedDelivery, MANY_WAITING, Order, Page};
pub use deliveries::{Failed, FailureOutcome, Lease, PastAttempts};
pub use delivery::{AttemptResult, Delivery, DeliveryAttempt, DeliveryState, Resolution};
pub use destinations::{
    DestinationBlock, DestinationFailure, DestinationHealth, DestinationState, DestinationSwitch,
    FailureScope, TO,
};
pub use edits::{EditMade, NewEdit};
pub use effects::{EffectError, Effects, Outcome, Write};
pub use error::{RefusedStatement, StoreError};
pub use error_kind::Trouble;
pub use events::{EventId, Origin, StoredEvent};
pub use expected_tokens::ExpectedTokens;
pub use group_writer::{GroupWriter, LockWait};
pub use groups::{GroupFilter, GroupPlace, GroupRow, GroupUpdate, UngroupedDeadLetter};
pub use id_range::IdRange;
pub use idempotency_keys::{IdempotencyClaim, IdempotentRequest};
pub use insert::{GATE, Inserted, KeyDigest, NewEvent, Plan};
pub use jobs::{JobAction, JobLease, JobOutcomes, JobProgress, JobRow, JobState, NewJob};
pub use lanes::{LanePlace, QueuePlace};
pub use oidc::{NewFlow, OidcFlowRow};
pub use open_error::OpenError;
pub use outcomes::DeliveryOutcome;
pub use pauses::{Pause, PauseTarget};
pub use pool::{PoolSettings, Target};
pub use preview::{Edit, EventPreview, PastAction, PastActionKind};
pub use problems::{DatabaseState, FailingDestination, OpenDeadLetterCounts, OpenTransaction};
pub use queues::{Paused, Queue};
pub use reason::DeathReason;
pub use recovery::RecoveredLeases;
pub use rejected_requests::{
    NewRejectedRequest, RejectedRequest, RejectedRequestFilter, RejectedRequestLimits,
    RejectedRequestSelection, SealedRejectedRequest,
};
pub use related::{LANE_REACH, RelatedEvents, Slice};
pub use request_keys::{RequestKeyAnswer, RequestKeyClaim};
pub use responses::{DestinationResponse, ResponseHour, ResponseLog};
pub use retry_until::RetryUntil;
pub use search::{DeliveryCounts, EventFilter, EventSummary, FoundEvents, SEARCHED_BYTES};
pub use session::SessionError;
pub use sessions::{Attempt, NewSession, SessionOfUser, SessionRow};
pub use stream::{BadPosition, Change, ChangeKind, Changes, Horizon, OperatorAction, Position};
pub use token::TokenDigest;
pub use transfers::{LateTransfers, TransferRow, TransferState};
pub use tx::{Committed, Tx};
pub use users::{NewLink, NewUser, SetupLinkRow, UserRow, folded};
pub use writable::Unwritable;

use health::{Commits, LastCommit};

/// The channel on which gateways tell each other that there is work.
const CHANNEL: &str = "sealpost_deliveries";
/// Connections that claim.
const CLAIMING: u32 = 2;
/// The longest error text that is stored, in bytes.
const MAX_ERROR: usize = 8 * 1024;

/// The open database. Recording, dispatch and operators have connections of their own, so that
/// none can starve the others.
#[derive(Debug, Clone)]
pub struct Store {
    target: Target,
    ingest: PgPool,
    dispatch: PgPool,
    /// What claims is not kept waiting by what settles.
    claim: PgPool,
    operator: PgPool,
    /// One connection, for the sign of life alone.
    health: PgPool,
    pools: PoolSettings,
    commit_deadline: Duration,
    /// What became of every writer's last commit.
    commits: Commits,
    /// The same for what is recorded one by one: chunks, and requests with an idempotency key.
    one_by_one: Arc<LastCommit>,
    key_retention: time::Duration,
    counters: Counters,
    often: audit_throttle::AuditThrottle,
    answers: ResponseLog,
}

impl Store {
    /// Opens the pools. Connections are made when they are needed: a database that is away does
    /// not keep the gateway from starting, or from coming back.
    ///
    /// `key_retention` is how long a key is remembered.
    pub fn open(target: Target, settings: PoolSettings, key_retention: Duration) -> Self {
        let commits = Commits::default();
        Self {
            one_by_one: commits.writer(),
            commits,
            ingest: target.pool(settings.ingest, "ingest", settings),
            dispatch: target.pool(settings.dispatch, "dispatch", settings),
            claim: target.pool(CLAIMING, "claim", settings.briefly()),
            operator: target.pool(settings.operator, "operator", settings),
            // Two: one that will never answer keeps its place until it is given up.
            health: target.pool(2, "health", settings),
            target,
            pools: settings,
            commit_deadline: settings.statement + Duration::from_millis(500),
            key_retention: key_retention.try_into().unwrap_or(time::Duration::MAX),
            counters: Counters::default(),
            often: audit_throttle::AuditThrottle::default(),
            answers: ResponseLog::default(),
        }
    }

    /// What this process counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Begins a transaction for an operator or for preparing data.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn begin(&self) -> Result<Tx<'static>, StoreError> {
        Tx::begin(&self.operator).await
    }

    /// Begins a transaction for a request that is being received.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn begin_ingest(&self) -> Result<Tx<'static>, StoreError> {
        Tx::begin(&self.ingest).await
    }

    /// Asks the database for a sign of life; it gives the time by its clock. However much operators
    /// ask, this does not wait behind it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping(&self) -> Result<time::OffsetDateTime, StoreError> {
        let asking = async {
            sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
                .fetch_one(&self.health)
                .await
        };
        match tokio::time::timeout(Duration::from_secs(2), asking).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(StoreError::timed_out()),
        }
    }

    /// Listens for work that other gateways announce.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn listen(&self) -> Result<PgListener, StoreError> {
        self.target.listen(CHANNEL).await
    }

    /// Announces work to other gateways. It takes a lock on the whole database at commit, so it
    /// is called now and then, never per event.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn announce(&self) -> Result<(), StoreError> {
        sqlx::query!("SELECT pg_notify($1, '')", CHANNEL).execute(&self.claim).await?;
        Ok(())
    }

    /// How many connections there are for settling.
    pub fn settling(&self) -> u32 {
        self.pools.dispatch
    }

    /// Closes every pool and waits for the connections to end.
    pub async fn close(&self) {
        if let Err(error) = self.end_audit_throttle().await {
            warn!(
                error = &error as &dyn std::error::Error,
                "cannot write pending audit log entries, entries lost"
            );
        }
        for pool in [&self.ingest, &self.dispatch, &self.claim, &self.operator, &self.health] {
            pool.close().await;
        }
    }
}

/// Cuts an error text to what is stored, and takes out what PostgreSQL cannot hold.
fn bounded(text: &str) -> String {
    let cut =
        |text: &str| text.get(..text.floor_char_boundary(MAX_ERROR)).unwrap_or_default().to_owned();
    // Before, so that a huge text is not copied; and after, since what replaces a NUL is longer.
    cut(&cut(text).replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_text_is_cut_at_a_character_and_holds_no_nul() {
        let text = format!("a\0é{}", "\0é".repeat(MAX_ERROR));
        let bounded = bounded(&text);
        assert!(bounded.len() <= MAX_ERROR);
        assert!(bounded.starts_with("a\u{fffd}é"));
    }
}
