//! Opens the database: connection pools, timeouts, version and durability checks, migrations.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;
use sqlx::migrate::{AppliedMigration, Migrate, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPool, PgPoolOptions};

use super::session::Session;
use super::{DiskLimits, OpenError, StoreError, pooler};
use crate::postgres::Endpoint;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The oldest supported major version of PostgreSQL.
const OLDEST_MAJOR: i32 = 13;
/// The timeout of the check of an idle connection.
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);
/// A connection idle for this long is checked before use.
pub(super) const IDLE_CHECK_AFTER: Duration = Duration::from_secs(1);
/// The name of the database in the managed cluster.
const MANAGED_DATABASE: &str = "sealpost";

/// The address of the database.
#[derive(Debug, Clone)]
pub struct Target(Arc<PgConnectOptions>);

/// Pool sizes and timeouts.
#[derive(Debug, Clone, Copy)]
pub struct PoolSettings {
    /// Connections for recording received events.
    pub ingest: u32,
    /// Connections for settlements; two more are for claims.
    pub dispatch: u32,
    /// Connections for the admin API and the console.
    pub admin: u32,
    /// The timeout for a free connection.
    pub acquire: Duration,
    /// The statement timeout while recording.
    pub statement: Duration,
    /// How little free space is too little.
    pub disk: DiskLimits,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            ingest: 10,
            dispatch: 5,
            admin: 3,
            acquire: Duration::from_secs(1),
            statement: Duration::from_secs(2),
            disk: DiskLimits::default(),
        }
    }
}

impl PoolSettings {
    /// For periodic work, which gives up slow statements sooner.
    pub(super) fn with_short_timeout(self) -> Self {
        Self { statement: self.statement.min(Duration::from_secs(1)), ..self }
    }
}

impl Target {
    pub fn from_url(url: &str) -> Result<Self, OpenError> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            let why = "the URL must begin with postgres://";
            return Err(OpenError::Url(sqlx::Error::Configuration(why.into())));
        }
        url.parse().map(|options| Self(Arc::new(options))).map_err(OpenError::Url)
    }

    /// The gateway's database in a managed cluster.
    pub fn in_cluster(endpoint: &Endpoint) -> Self {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&endpoint.socket_dir)
            .port(endpoint.port)
            .username(&endpoint.user)
            .database(MANAGED_DATABASE);
        Self(Arc::new(options))
    }

    /// Whether its address is one of this machine.
    pub(super) fn is_local(&self) -> bool {
        let host = self.0.get_host();
        let is_loopback = host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        self.0.get_socket().is_some() || host == "localhost" || host.starts_with('/') || is_loopback
    }

    /// Another database of the same server.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        Self(Arc::new(PgConnectOptions::clone(&self.0).database(name)))
    }

    /// Creates the target database if it is missing.
    pub async fn create_if_missing(&self) -> Result<(), OpenError> {
        match Session::without_timeouts(&self.0).connect().await {
            // If it exists, no other database has to: poolers and hosted servers hide them.
            Ok(connection) => return connection.close().await.map_err(OpenError::connect),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("3D000") => {}
            Err(error) => return Err(OpenError::connect(error)),
        }
        let name = self.0.get_database().unwrap_or(MANAGED_DATABASE);
        let mut connection = self.with_database("postgres").connect().await?;
        let quoted = name.replace('"', "\"\"");
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{quoted}\""));
        let created = sqlx::raw_sql(create).execute(&mut connection).await;
        // Another process may have created it meanwhile.
        if let Err(error) = created
            && !matches!(&error, sqlx::Error::Database(e) if matches!(e.code().as_deref(), Some("42P04" | "23505")))
        {
            return Err(OpenError::connect(error));
        }
        connection.close().await.map_err(OpenError::connect)
    }

    /// Drops the target database, even if others are connected to it.
    pub async fn drop_if_exists(&self) -> Result<(), OpenError> {
        let name = self.0.get_database().unwrap_or(MANAGED_DATABASE).replace('"', "\"\"");
        let mut connection = self.with_database("postgres").connect().await?;
        let drop = sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"));
        sqlx::raw_sql(drop).execute(&mut connection).await.map_err(OpenError::connect)?;
        connection.close().await.map_err(OpenError::connect)
    }

    /// Applies pending migrations, under sqlx's lock: of several processes, one migrates.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        let mut connection = self.connect().await?;
        // If nothing is pending, nothing is written: then neither a role that may not create tables
        // nor a read-only server prevents the start.
        if !is_current(&mut connection).await? {
            MIGRATIONS.run(&mut connection).await.map_err(OpenError::migrate)?;
        }
        connection.close().await.map_err(OpenError::connect)
    }

    /// Checks that no migration is pending.
    ///
    /// # Errors
    /// [`OpenError::Pending`] with their number.
    pub async fn check_migrated(&self) -> Result<(), OpenError> {
        let applied = applied(&mut self.connect().await?).await?;
        let pending = MIGRATIONS
            .iter()
            .filter(|migration| !applied.iter().any(|done| done.version == migration.version))
            .count();
        if pending == 0 { Ok(()) } else { Err(OpenError::Pending(pending)) }
    }

    /// Checks the server: sessions are not shared and have the requested settings, version,
    /// encoding, and that a commit is on disk before it returns.
    pub async fn check_server(&self) -> Result<(), OpenError> {
        pooler::check(&self.0).await?;
        let session = self.session("group_writer", PoolSettings::default());
        let mut connection = session.connect().await.map_err(OpenError::connect)?;
        let row = sqlx::query!(
            r#"SELECT current_setting('server_version') AS "version!",
                      current_setting('server_version_num')::int / 10000 AS "major!",
                      current_setting('server_encoding') AS "encoding!",
                      current_setting('fsync') AS "fsync!",
                      current_setting('full_page_writes') AS "full_page_writes!""#
        )
        .fetch_one(&mut connection)
        .await
        .map_err(OpenError::connect)?;
        connection.close().await.map_err(OpenError::connect)?;
        if row.major < OLDEST_MAJOR {
            return Err(OpenError::TooOld { found: row.version, oldest: OLDEST_MAJOR });
        }
        if row.encoding != "UTF8" {
            return Err(OpenError::Encoding(row.encoding));
        }
        let unsafe_settings: Vec<_> =
            [("fsync", row.fsync), ("full_page_writes", row.full_page_writes)]
                .into_iter()
                .filter(|(_, value)| value == "off")
                .map(|(name, value)| format!("{name} = {value}"))
                .collect();
        if unsafe_settings.is_empty() {
            return Ok(());
        }
        Err(OpenError::NotDurable { settings: unsafe_settings.join(", ") })
    }

    /// A session type with timeouts.
    pub(super) fn session(&self, name: &str, settings: PoolSettings) -> Session {
        Session::with_timeouts(&self.0, name, settings)
    }

    pub(super) fn pool(&self, size: u32, name: &str, settings: PoolSettings) -> PgPool {
        let session = Arc::new(self.session(name, settings));
        let options = session.options().clone();
        PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(settings.acquire)
            .after_connect(move |connection, _| {
                let session = Arc::clone(&session);
                Box::pin(async move { session.apply(connection).await })
            })
            // A server that vanished resets no connections: each would cost a request its deadline.
            // Busy connections are not checked first: the statement itself finds out, and a check
            // would cost a round trip each time.
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                let was_idle = known.idle_for > IDLE_CHECK_AFTER;
                Box::pin(
                    async move { if was_idle { is_usable(connection).await } else { Ok(true) } },
                )
            })
            // sqlx itself checks a returned connection, but without a timeout: a broken one would
            // occupy the pool for as long as TCP waits.
            .after_release(|connection, _| Box::pin(is_usable(connection)))
            .connect_lazy_with(options)
    }

    pub(super) async fn listen(&self, channel: &str) -> Result<PgListener, StoreError> {
        let pool = self.pool(1, "listen", PoolSettings::default());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// Opens one connection outside every pool.
    pub async fn connect(&self) -> Result<PgConnection, OpenError> {
        Session::without_timeouts(&self.0).connect().await.map_err(OpenError::connect)
    }
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<AppliedMigration>, OpenError> {
    let there =
        sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "there!""#)
            .fetch_one(&mut *connection)
            .await
            .map_err(OpenError::connect)?;
    if !there {
        return Ok(Vec::new());
    }
    connection.list_applied_migrations("_sqlx_migrations").await.map_err(OpenError::migrate)
}

/// Whether exactly the migrations of this program are applied.
async fn is_current(connection: &mut PgConnection) -> Result<bool, OpenError> {
    let applied = applied(connection).await?;
    if applied.len() != MIGRATIONS.iter().count() {
        return Ok(false);
    }
    let dirty = connection.dirty_version("_sqlx_migrations").await.map_err(OpenError::migrate)?;
    let same = MIGRATIONS.iter().all(|migration| {
        applied.iter().any(|applied| {
            applied.version == migration.version && applied.checksum == migration.checksum
        })
    });
    Ok(same && dirty.is_none())
}

/// Whether a connection responds, and to a server that accepts writes: one opened before a failover
/// stays connected to the old server. On an error the pool drops it and opens another, as on
/// `false`.
pub(super) async fn is_usable(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let check = sqlx::query_scalar!(
        r#"SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
               AS "writes!""#
    );
    let answered = tokio::time::timeout(CHECK_TIMEOUT, check.fetch_one(connection)).await;
    answered.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
