//! The store: every SQL statement on the gateway's own tables.
//!
//! - An *event* is a received request. It is never changed, until it is *erased*.
//! - An *event key* is a deduplication key. It has a table of its own, so that duplicates are
//!   decided by a unique key, in the statement that inserts the event.
//! - A *delivery* is the work of one handler on an event: ready, leased, done or dead. A dead one is
//!   a *dead letter*. A replay is a new delivery.
//! - An *attempt* is one run of a delivery.
//! - A *transfer* is a payload that comes in chunks and is not complete yet.
//! - A *rejected request* failed verification and is kept, sealed, for inspection.
//! - A *handshake secret* is brought by its sender, in a window that an operator opened.
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
mod batch;
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
mod disk;
mod edits;
mod effects;
mod erasure;
mod error;
mod error_kind;
mod events;
mod expected_tokens;
mod expired_events;
mod group_writer;
mod groups;
mod handler_name;
mod handshake_secrets;
mod health;
mod id_range;
mod idempotency_keys;
mod ingest_retries;
mod insert;
mod insert_new;
mod jobs;
mod lanes;
mod load_events;
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
mod resend;
mod responses;
mod restored;
mod retention;
mod search;
mod session;
mod sessions;
mod settle_done;
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
pub use backlog::{Backlog, MAX_SCANNED};
pub use chunks::{
    ChunkAnswer, ChunkOutcome, ChunkQuota, ChunkRejected, NewChunk, OpenTransferLimit,
};
pub use claim::Claimed;
pub use class::{Class, UnknownClass};
pub use counters::{
    ACKNOWLEDGED_WITHIN, Counted, Counter, Counters, SecretUsage, SourceCounters, Span, TOO_LARGE,
    WRONG_PATH,
};
pub use credentials::Credential;
pub use dead_letters::{DeadLetterFilter, LockedDelivery, MANY_WAITING, Order, Page};
pub use deliveries::{Failed, FailureOutcome, Lease, PastAttempts};
pub use delivery::{AttemptResult, Delivery, DeliveryAttempt, DeliveryState, Resolution, Trigger};
pub use destinations::{
    DestinationBlock, DestinationFailure, DestinationHealth, DestinationRow, DestinationSwitch,
    FailureScope,
};
pub use disk::{DiskLevel, DiskLimits, DiskSpace, DiskState};
pub use edits::{EditMade, NewEdit};
pub use effects::{EffectError, Effects, Outcome, Write};
pub use erasure::{
    DerivedRows, ErasedCounts, Erasing, Erasure, EventScan, EventToErase, OpenDelivery, RowsErased,
    ScannedEvents, TransferToErase,
};
pub use error::{RefusedStatement, StoreError};
pub use error_kind::ErrorKind;
pub use events::{EventId, Origin, StoredEvent};
pub use expected_tokens::ExpectedTokens;
pub use expired_events::{DeletedEvents, EventRetention, RetentionRules};
pub use group_writer::{GroupWriter, LockWait};
pub use groups::{GroupFilter, GroupPosition, GroupRow, GroupUpdate, UngroupedDeadLetter};
pub use handler_name::HandlerName;
pub use handshake_secrets::{
    HandshakeSecret, HandshakeSecretRow, HandshakeWindow, MAX_HANDSHAKE_SECRETS, NewHandshakeSecret,
};
pub use id_range::IdRange;
pub use idempotency_keys::{IdempotencyClaim, IdempotentRequest};
pub use ingest_retries::IngestRetries;
pub use insert::{Inserted, KeyDigest, NewEvent, Plan, QUARANTINE};
pub use jobs::{JobAction, JobLease, JobOutcomes, JobProgress, JobRow, JobState, NewJob};
pub use lanes::{LaneCursor, QueueCursor};
pub use oidc::{NewFlow, OidcFlowRow};
pub use open_error::OpenError;
pub use outcomes::DeliveryOutcome;
pub use pauses::{Pause, PauseTarget};
pub use pool::{PoolSettings, Target};
pub use preview::{Edit, EventPreview, PastAction, PastActionKind};
pub use problems::{
    DatabaseState, ExpiringDeadLetters, FailingDestination, OpenDeadLetterCounts, OpenTransaction,
};
pub use queues::{Paused, Queue};
pub use reason::DeathReason;
pub use recovery::RecoveredLeases;
pub use rejected_requests::{
    NewRejectedRequest, RejectedRequest, RejectedRequestFilter, RejectedRequestLimits,
    RejectedRequestSelection, SealedRejectedRequest,
};
pub use related::{LANE_REACH, RelatedEvents, Slice};
pub use request_keys::{RequestKeyAnswer, RequestKeyClaim};
pub use resend::{
    EventDeliveries, LatestDelivery, NewResend, ResendFilter, ResendLimits, ResendPage,
};
pub use responses::{RecordedResponse, ResponseHour, ResponseLog};
pub use search::{DeliveryCounts, EventFilter, EventSummary, FoundEvents, SEARCHED_BYTES};
pub use session::SessionError;
pub use sessions::{NewSession, SessionOfUser, SessionRow, SignInAttempt};
pub use settle_done::Completed;
pub use stream::{BadPosition, Change, ChangeKind, Changes, Horizon, OperatorAction, Position};
pub use token::TokenDigest;
pub use transfers::{LateTransfers, TransferRow, TransferState};
pub use tx::{Committed, Tx};
pub use users::{NewLink, NewUser, SetupLinkRow, UserRow, folded};
pub use writable::Unwritable;

use health::{Commits, LastCommit};

/// The channel on which gateways notify each other of work.
const CHANNEL: &str = "sealpost_deliveries";
/// Connections for claims.
const CLAIM_CONNECTIONS: u32 = 2;
/// The maximum length of a stored error text, in bytes.
const MAX_ERROR: usize = 8 * 1024;

/// The open database. Ingest, dispatch and the requests of users have separate connection pools, so
/// that none can starve the others.
#[derive(Debug, Clone)]
pub struct Store {
    target: Target,
    ingest: PgPool,
    dispatch: PgPool,
    /// Separate from `dispatch`, so that claims do not wait for settlements.
    claim: PgPool,
    /// For the requests of users.
    admin: PgPool,
    /// For [`Store::ping`] and readiness only.
    health: PgPool,
    pools: PoolSettings,
    commit_deadline: Duration,
    /// The last commit of every writer.
    commits: Commits,
    /// The last commit of chunks and of requests with an idempotency key, which are in no group.
    one_by_one: Arc<LastCommit>,
    key_retention: time::Duration,
    counters: Counters,
    audit_throttle: audit_throttle::AuditThrottle,
    responses: ResponseLog,
    disk: disk::DiskGuard,
}

impl Store {
    /// Opens the pools. Connections are made on demand, so the gateway starts and recovers without
    /// the database.
    ///
    /// `key_retention` is how long deduplication keys are stored.
    pub fn open(target: Target, settings: PoolSettings, key_retention: Duration) -> Self {
        let commits = Commits::default();
        Self {
            one_by_one: commits.writer(),
            commits,
            ingest: target.pool(settings.ingest, "ingest", settings),
            dispatch: target.pool(settings.dispatch, "dispatch", settings),
            claim: target.pool(CLAIM_CONNECTIONS, "claim", settings.with_short_timeout()),
            admin: target.pool(settings.admin, "admin", settings),
            // Two, since a connection without a response keeps its slot until the timeout.
            health: target.pool(2, "health", settings),
            target,
            pools: settings,
            commit_deadline: settings.statement + Duration::from_millis(500),
            key_retention: key_retention.try_into().unwrap_or(time::Duration::MAX),
            counters: Counters::default(),
            audit_throttle: audit_throttle::AuditThrottle::default(),
            responses: ResponseLog::default(),
            disk: disk::DiskGuard::default(),
        }
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Begins a transaction for a request of a user or for preparing data.
    pub async fn begin(&self) -> Result<Tx<'static>, StoreError> {
        Tx::begin(&self.admin).await
    }

    /// Begins a transaction for a request that is being received.
    pub async fn begin_ingest(&self) -> Result<Tx<'static>, StoreError> {
        Tx::begin(&self.ingest).await
    }

    /// Checks that the database responds, and returns its time. It has a pool of its own, so it
    /// does not wait for requests of users.
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

    /// Listens for notifications of work from other gateways.
    pub async fn listen(&self) -> Result<PgListener, StoreError> {
        self.target.listen(CHANNEL).await
    }

    /// Notifies other gateways of work. It locks the whole database at commit, so it is called
    /// periodically, never per event.
    pub async fn announce(&self) -> Result<(), StoreError> {
        sqlx::query!("SELECT pg_notify($1, '')", CHANNEL).execute(&self.claim).await?;
        Ok(())
    }

    /// The number of connections for settlements.
    pub fn settle_connections(&self) -> u32 {
        self.pools.dispatch
    }

    /// Closes every pool and waits for the connections to end.
    pub async fn close(&self) {
        if let Err(error) = self.flush_all_audit_throttle().await {
            warn!(
                error = &error as &dyn std::error::Error,
                "cannot write pending audit log entries, entries lost"
            );
        }
        for pool in [&self.ingest, &self.dispatch, &self.claim, &self.admin, &self.health] {
            pool.close().await;
        }
    }
}

/// Truncates an error text, and removes what PostgreSQL cannot store.
fn bounded(text: &str) -> String {
    let cut =
        |text: &str| text.get(..text.floor_char_boundary(MAX_ERROR)).unwrap_or_default().to_owned();
    // Before, so that a huge text is not copied; and after, since the replacement of NUL is longer.
    cut(&cut(text).replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_text_ends_at_a_character_and_has_no_nul() {
        let text = format!("a\0é{}", "\0é".repeat(MAX_ERROR));
        let bounded = bounded(&text);
        assert!(bounded.len() <= MAX_ERROR);
        assert!(bounded.starts_with("a\u{fffd}é"));
    }
}
