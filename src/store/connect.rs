//! Opening the database: pools with bounds on every wait, the version, durability, migrations.

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

use super::StoreError;
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
    /// Connections that claim and settle.
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

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is not one of a PostgreSQL database.
    #[error("the database URL is not valid")]
    Url(#[source] sqlx::Error),
    /// No connection.
    #[error("the database cannot be reached")]
    Connect(#[source] sqlx::Error),
    /// It is too old.
    #[error("PostgreSQL {found} is too old: {OLDEST_MAJOR} or newer is needed")]
    TooOld {
        /// The server's version.
        found: String,
    },
    /// What is answered 2xx could be lost.
    #[error("{settings} at the database: an acknowledged event could be lost")]
    NotDurable {
        /// The settings, such as `fsync = off`.
        settings: String,
    },
    /// The schema could not be brought up to date.
    #[error("the migrations failed")]
    Migrate(#[source] MigrateError),
    /// The schema is not up to date, and must not be changed now.
    #[error("{0} migrations are pending: run `sealpost migrate`")]
    Pending(usize),
}

impl Target {
    /// A database by its URL.
    ///
    /// # Errors
    /// [`OpenError::Url`].
    pub fn from_url(url: &str) -> Result<Self, OpenError> {
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
        let name = self.0.get_database().unwrap_or(MANAGED_DATABASE);
        let mut connection = self.with_database("postgres").connect().await?;
        let exists = sqlx::query_scalar!("SELECT 1 FROM pg_database WHERE datname = $1", name)
            .fetch_optional(&mut connection)
            .await
            .map_err(OpenError::Connect)?;
        if exists.is_none() {
            let quoted = name.replace('"', "\"\"");
            let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{quoted}\""));
            let created = sqlx::raw_sql(create).execute(&mut connection).await;
            // Another process may have been quicker.
            if let Err(error) = created
                && !matches!(&error, sqlx::Error::Database(e) if matches!(e.code().as_deref(), Some("42P04" | "23505")))
            {
                return Err(OpenError::Connect(error));
            }
        }
        connection.close().await.map_err(OpenError::Connect)
    }

    /// Drops the target database, whoever is still connected to it.
    ///
    /// # Errors
    /// [`OpenError::Connect`].
    pub async fn drop_if_there(&self) -> Result<(), OpenError> {
        let name = self.0.get_database().unwrap_or(MANAGED_DATABASE).replace('"', "\"\"");
        let mut connection = self.with_database("postgres").connect().await?;
        let drop = sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"));
        sqlx::raw_sql(drop).execute(&mut connection).await.map_err(OpenError::Connect)?;
        connection.close().await.map_err(OpenError::Connect)
    }

    /// Applies what is pending, under sqlx's lock: of several processes one migrates.
    ///
    /// # Errors
    /// [`OpenError::Connect`] or [`OpenError::Migrate`].
    pub async fn migrate(&self) -> Result<(), OpenError> {
        let mut connection = self.connect().await?;
        MIGRATIONS.run(&mut connection).await.map_err(OpenError::Migrate)?;
        connection.close().await.map_err(OpenError::Connect)
    }

    /// Checks that nothing is pending.
    ///
    /// # Errors
    /// [`OpenError::Pending`] says how many are.
    pub async fn check_migrated(&self) -> Result<(), OpenError> {
        let mut connection = self.connect().await?;
        let table = sqlx::query_scalar!(
            r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "there!""#
        )
        .fetch_one(&mut connection)
        .await
        .map_err(OpenError::Connect)?;
        let applied = if table {
            connection
                .list_applied_migrations("_sqlx_migrations")
                .await
                .map_err(OpenError::Migrate)?
        } else {
            Vec::new()
        };
        let pending = MIGRATIONS
            .iter()
            .filter(|migration| !applied.iter().any(|done| done.version == migration.version))
            .count();
        if pending == 0 { Ok(()) } else { Err(OpenError::Pending(pending)) }
    }

    /// Checks the server's version, and that a commit there is on disk before it returns.
    ///
    /// # Errors
    /// [`OpenError::TooOld`] or [`OpenError::NotDurable`].
    pub async fn check_server(&self) -> Result<(), OpenError> {
        let mut connection = self.connect().await?;
        let row = sqlx::query!(
            r#"SELECT current_setting('server_version') AS "version!",
                      current_setting('server_version_num')::int / 10000 AS "major!",
                      current_setting('fsync') AS "fsync!",
                      current_setting('full_page_writes') AS "full_page_writes!""#
        )
        .fetch_one(&mut connection)
        .await
        .map_err(OpenError::Connect)?;
        if row.major < OLDEST_MAJOR {
            return Err(OpenError::TooOld { found: row.version });
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

    /// The same, with bounds on what a session may wait for.
    pub(super) fn bounded(&self, name: &str, settings: PoolSettings) -> PgConnectOptions {
        PgConnectOptions::clone(&self.0).application_name(&format!("sealpost {name}")).options([
            // The role's or the database's default may be `off`: an acknowledgement needs it.
            ("synchronous_commit", "on".to_owned()),
            ("statement_timeout", format!("{}ms", settings.statement.as_millis())),
            ("lock_timeout", "1s".to_owned()),
            ("idle_in_transaction_session_timeout", "10s".to_owned()),
            // With a backlog the planner would compile a claim for half a second, to run it for
            // less than a millisecond.
            ("jit", "off".to_owned()),
            // What people look for is a filter whose parts may all be absent: one plan for every
            // case would be a bad one.
            (
                "plan_cache_mode",
                if name == "operator" { "force_custom_plan" } else { "auto" }.to_owned(),
            ),
        ])
    }

    pub(super) fn pool(&self, size: u32, name: &str, settings: PoolSettings) -> PgPool {
        PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(settings.acquire)
            // A server that is gone without a word resets nothing: its connections would each
            // cost a request its deadline. Those in steady use are not asked first: the statement
            // itself finds out, and asking would cost a round trip each time.
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                let rested = known.idle_for > RESTED;
                Box::pin(async move { if rested { alive(connection).await } else { Ok(true) } })
            })
            // sqlx itself asks a connection that comes back, but without a bound: it would keep
            // its place in the pool for as long as TCP waits.
            .after_release(|connection, _| Box::pin(alive(connection)))
            .connect_lazy_with(self.bounded(name, settings))
    }

    pub(super) async fn listen(&self, channel: &str) -> Result<PgListener, StoreError> {
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(
            PgConnectOptions::clone(&self.0).application_name("sealpost listen"),
        );
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// Opens one connection of its own, outside every pool.
    ///
    /// # Errors
    /// [`OpenError::Connect`].
    pub async fn connect(&self) -> Result<PgConnection, OpenError> {
        self.0.connect().await.map_err(OpenError::Connect)
    }
}

/// Whether the server answers. An error makes the pool drop the connection and open another.
pub(super) async fn alive(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let answered = tokio::time::timeout(SIGN_OF_LIFE, connection.ping()).await;
    answered.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
}
