//! Opening the database: pools with bounds on every wait, the version, durability, migrations.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;
use sqlx::migrate::{AppliedMigration, Migrate, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPool, PgPoolOptions};

use super::session::Session;
use super::{OpenError, StoreError, pooler};
use crate::postgres::Endpoint;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The oldest PostgreSQL that is supported.
const OLDEST_MAJOR: i32 = 13;
/// How long a connection may take to answer that it is there.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);
/// A connection that was not used for so long is asked before it is.
pub(super) const RESTED: Duration = Duration::from_secs(1);
/// The name of the database in the managed cluster.
const MANAGED_DATABASE: &str = "sealpost";

/// Where the database is.
#[derive(Debug, Clone)]
pub struct Target(Arc<PgConnectOptions>);

/// How large the pools are, and how long anything may wait for the database.
#[derive(Debug, Clone, Copy)]
pub struct PoolSettings {
    /// Connections that record what comes in.
    pub ingest: u32,
    /// Connections that settle, besides two that claim.
    pub dispatch: u32,
    /// Connections for operators and health.
    pub operator: u32,
    /// The longest wait for a free connection.
    pub acquire: Duration,
    /// The longest statement while recording.
    pub statement: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            ingest: 10,
            dispatch: 5,
            operator: 3,
            acquire: Duration::from_secs(1),
            statement: Duration::from_secs(2),
        }
    }
}

impl PoolSettings {
    /// For what is done again soon: a statement that takes long is given up sooner.
    pub(super) fn briefly(self) -> Self {
        Self { statement: self.statement.min(Duration::from_secs(1)), ..self }
    }
}

impl Target {
    /// A database by its URL.
    ///
    /// # Errors
    /// [`OpenError::Url`].
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

    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        Self(Arc::new(PgConnectOptions::clone(&self.0).database(name)))
    }

    /// Creates the target database where it is missing.
    ///
    /// # Errors
    /// [`OpenError::Connect`].
    pub async fn create_if_missing(&self) -> Result<(), OpenError> {
        match Session::patient(&self.0).connect().await {
            // Where it is there, no other has to be: poolers and hosted servers hide them.
            Ok(connection) => return connection.close().await.map_err(OpenError::connect),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("3D000") => {}
            Err(error) => return Err(OpenError::connect(error)),
        }
        let name = self.0.get_database().unwrap_or(MANAGED_DATABASE);
        let mut connection = self.with_database("postgres").connect().await?;
        let quoted = name.replace('"', "\"\"");
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{quoted}\""));
        let created = sqlx::raw_sql(create).execute(&mut connection).await;
        // Another process may have been quicker.
        if let Err(error) = created
            && !matches!(&error, sqlx::Error::Database(e) if matches!(e.code().as_deref(), Some("42P04" | "23505")))
        {
            return Err(OpenError::connect(error));
        }
        connection.close().await.map_err(OpenError::connect)
    }

    /// Drops the target database, whoever is still connected to it.
    ///
    /// # Errors
    /// [`OpenError::Connect`].
    pub async fn drop_if_there(&self) -> Result<(), OpenError> {
        let name = self.0.get_database().unwrap_or(MANAGED_DATABASE).replace('"', "\"\"");
        let mut connection = self.with_database("postgres").connect().await?;
        let drop = sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"));
        sqlx::raw_sql(drop).execute(&mut connection).await.map_err(OpenError::connect)?;
        connection.close().await.map_err(OpenError::connect)
    }

    /// Applies what is pending, under sqlx's lock: of several processes one migrates.
    ///
    /// # Errors
    /// [`OpenError::Connect`] or [`OpenError::Migrate`].
    pub async fn migrate(&self) -> Result<(), OpenError> {
        let mut connection = self.connect().await?;
        // Where nothing is pending nothing is written: a role that may make no tables, and a
        // server that only reads, are no reason not to start.
        if !is_current(&mut connection).await? {
            MIGRATIONS.run(&mut connection).await.map_err(OpenError::migrate)?;
        }
        connection.close().await.map_err(OpenError::connect)
    }

    /// Checks that nothing is pending.
    ///
    /// # Errors
    /// [`OpenError::Pending`] says how many are.
    pub async fn check_migrated(&self) -> Result<(), OpenError> {
        let applied = applied(&mut self.connect().await?).await?;
        let pending = MIGRATIONS
            .iter()
            .filter(|migration| !applied.iter().any(|done| done.version == migration.version))
            .count();
        if pending == 0 { Ok(()) } else { Err(OpenError::Pending(pending)) }
    }

    /// Checks that the server can be relied on: that sessions are ours alone and are what was
    /// asked for, its version, its encoding, and that a commit is on disk before it returns.
    ///
    /// # Errors
    /// [`OpenError`] says what is not so.
    pub async fn check_server(&self) -> Result<(), OpenError> {
        pooler::check(&self.0).await?;
        let group_writer = self.session("recorder", PoolSettings::default());
        let mut connection = group_writer.connect().await.map_err(OpenError::connect)?;
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

    /// A kind of session with bounds on what it may wait for.
    pub(super) fn session(&self, name: &str, settings: PoolSettings) -> Session {
        Session::bounded(&self.0, name, settings)
    }

    pub(super) fn pool(&self, size: u32, name: &str, settings: PoolSettings) -> PgPool {
        let session = Arc::new(self.session(name, settings));
        let options = session.options().clone();
        PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(settings.acquire)
            .after_connect(move |connection, _| {
                let session = Arc::clone(&session);
                Box::pin(async move { session.establish(connection).await })
            })
            // A server that is gone without a word resets nothing: its connections would each
            // cost a request its deadline. Those in steady use are not asked first: the statement
            // itself finds out, and asking would cost a round trip each time.
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                let rested = known.idle_for > RESTED;
                Box::pin(async move { if rested { is_usable(connection).await } else { Ok(true) } })
            })
            // sqlx itself asks a connection that comes back, but without a bound: it would keep
            // its place in the pool for as long as TCP waits.
            .after_release(|connection, _| Box::pin(is_usable(connection)))
            .connect_lazy_with(options)
    }

    pub(super) async fn listen(&self, channel: &str) -> Result<PgListener, StoreError> {
        let pool = self.pool(1, "listen", PoolSettings::default());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// Opens one connection of its own, outside every pool.
    ///
    /// # Errors
    /// [`OpenError::Connect`].
    pub async fn connect(&self) -> Result<PgConnection, OpenError> {
        Session::patient(&self.0).connect().await.map_err(OpenError::connect)
    }
}

/// The migrations that were applied.
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

/// Whether every migration was applied as this program knows it, and no other was.
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

/// Whether a connection answers, and is one to a server that writes: one that was opened before a
/// switch-over stays with the old server. An error makes the pool drop it and open another, as
/// `false` does.
pub(super) async fn is_usable(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let asking = sqlx::query_scalar!(
        r#"SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
               AS "writes!""#
    );
    let answered = tokio::time::timeout(SIGN_OF_LIFE, asking.fetch_one(connection)).await;
    answered.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
