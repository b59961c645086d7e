//! What a session must be like: every setting on which our statements rely is set once the
//! connection is there, and read back. Not by start-up parameters: a pooler may refuse them, or
//! pass over them in silence. What a server, a database or a role has for defaults does not matter
//! then.
//!
//! Read-only is left as it is: whoever switched that on meant it.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use super::PoolSettings;

/// How long a session waits for a lock, in milliseconds.
const LOCK_TIMEOUT: &str = "1000";
/// How long a group that is recorded does: there must be time to go on without the one that has to
/// wait.
pub(super) const RECORDER_LOCK_TIMEOUT: &str = "500";
/// The same, for a part of a group that looks for that one.
pub(super) const BRIEF_LOCK_TIMEOUT: &str = "50";
/// How long readiness waits for a lock.
const HEALTH_LOCK_TIMEOUT: &str = "500";

/// What every session has.
const ALWAYS: &[(&str, &str)] = &[
    // An acknowledgement is a promise.
    ("synchronous_commit", "on"),
    // What a statement means.
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("standard_conforming_strings", "on"),
    ("transform_null_equals", "off"),
    ("array_nulls", "on"),
    ("bytea_output", "hex"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("client_encoding", "UTF8"),
    ("row_security", "on"),
    // What a session may do unasked. Ours rest in pools, and one only listens.
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    // With a backlog the planner would compile a claim for half a second, to run it for less than
    // a millisecond.
    ("jit", "off"),
];

/// A kind of session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    options: PgConnectOptions,
    settings: Vec<(&'static str, String)>,
}

/// A session is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A setting is another one.
    #[error("the session has {name} = {found}, requested {wanted}")]
    Setting {
        /// The setting.
        name: String,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// Triggers are off, and with them the rules of our tables.
    #[error("the session has session_replication_role = replica: triggers are disabled")]
    Replica,
    /// Tables could be neither found nor made.
    #[error("no schema in the role's search_path exists")]
    NoSchema,
}

impl From<SessionError> for sqlx::Error {
    fn from(error: SessionError) -> Self {
        Self::Configuration(error.into())
    }
}

impl Session {
    /// A session that takes its time: for migrations and for a single command.
    pub(super) fn patient(options: &PgConnectOptions) -> Self {
        let bounds = [
            ("statement_timeout", "0"),
            ("lock_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
        ];
        Self::with(options.clone(), bounds)
    }

    /// A session with bounds on what it may wait for.
    pub(super) fn bounded(options: &PgConnectOptions, name: &str, pools: PoolSettings) -> Self {
        let statement = pools.statement.as_millis().to_string();
        let lock = match name {
            "health" => HEALTH_LOCK_TIMEOUT,
            "recorder" => RECORDER_LOCK_TIMEOUT,
            _ => LOCK_TIMEOUT,
        };
        let bounds = [
            ("statement_timeout", statement.as_str()),
            ("lock_timeout", lock),
            ("idle_in_transaction_session_timeout", "10000"),
        ];
        // What is seen at the server: those that record are one kind.
        let shown = if name == "recorder" { "ingest" } else { name };
        let options = options.clone().application_name(&format!("sealpost {shown}"));
        let mut session = Self::with(options, bounds);
        let planner: &[(&str, &str)] = match name {
            // What users look for is a filter whose parts may all be absent: one plan for every
            // case would be a bad one.
            "operator" => &[("plan_cache_mode", "force_custom_plan")],
            // What is looked up here is looked up by its key, however small a table seems to a
            // planner that knew it empty: a plan that is kept would read all of it, ever more
            // slowly.
            "recorder" => &[
                ("plan_cache_mode", "auto"),
                ("enable_seqscan", "off"),
                ("enable_bitmapscan", "off"),
            ],
            _ => &[("plan_cache_mode", "auto")],
        };
        session.settings.extend(planner.iter().map(|(name, value)| (*name, (*value).to_owned())));
        session
    }

    fn with<'v>(
        options: PgConnectOptions,
        bounds: impl IntoIterator<Item = (&'static str, &'v str)>,
    ) -> Self {
        let always = ALWAYS.iter().copied();
        let settings = always.chain(bounds).map(|(name, value)| (name, value.to_owned()));
        // sqlx would send a parameter that poolers refuse; numbers come in binary form anyway.
        Self { settings: settings.collect(), options: options.extra_float_digits(None) }
    }

    /// The way to the server, without the settings.
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Opens a session.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        self.establish(&mut connection).await?;
        Ok(connection)
    }

    /// Makes a new connection such a session, and checks that it is one.
    pub(super) async fn establish(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let names: Vec<&str> = self.settings.iter().map(|(name, _)| *name).collect();
        let values: Vec<&str> = self.settings.iter().map(|(_, value)| value.as_str()).collect();
        // What this server does not know (yet) cannot be in the way. A commit that waits for more
        // than ours has to is left alone. Names are looked up where our tables are, and nowhere
        // else: a search path could lead to others of the same name.
        let path = sqlx::query_scalar!(
            r#"
            WITH known AS MATERIALIZED (
                SELECT pg_catalog.set_config(name,
                    CASE WHEN name = 'synchronous_commit'
                          AND pg_catalog.current_setting(name) = 'remote_apply'
                         THEN 'remote_apply' ELSE value END, false)
                  FROM UNNEST($1::text[], $2::text[]) AS wanted (name, value)
                 WHERE pg_catalog.current_setting(name, true) IS NOT NULL
            ), home AS (
                SELECT pg_catalog.quote_ident(COALESCE(
                    (SELECT n.nspname FROM pg_catalog.pg_class c
                       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                      WHERE c.oid = pg_catalog.to_regclass('_sqlx_migrations')),
                    pg_catalog.current_schema())) AS path
            )
            -- Counted, so that every one of them is set.
            SELECT pg_catalog.set_config('search_path', home.path, false) AS path
              FROM home, (SELECT count(*) AS settings FROM known) AS done
             WHERE home.path IS NOT NULL AND done.settings > 0
            "#,
            &names as &[&str],
            &values as &[&str],
        )
        .fetch_optional(&mut *connection)
        .await?
        .flatten();
        let Some(path) = path else { return Err(SessionError::NoSchema.into()) };
        self.check(connection, &path).await
    }

    /// Reads back what was set: by another statement, which a pooler may have sent elsewhere.
    async fn check(&self, connection: &mut PgConnection, path: &str) -> Result<(), sqlx::Error> {
        let mut names: Vec<&str> = self.settings.iter().map(|(name, _)| *name).collect();
        names.extend(["search_path", "session_replication_role"]);
        let found = sqlx::query!(
            r#"SELECT name AS "name!", setting AS "setting!"
                 FROM pg_catalog.pg_settings WHERE name = ANY($1)"#,
            &names as &[&str],
        )
        .fetch_all(connection)
        .await?;
        for setting in found {
            let wanted = match setting.name.as_str() {
                "session_replication_role" if setting.setting == "replica" => {
                    return Err(SessionError::Replica.into());
                }
                "session_replication_role" => continue,
                "synchronous_commit" if setting.setting == "remote_apply" => continue,
                "search_path" => path,
                name => {
                    let mut settings = self.settings.iter();
                    settings.find(|(known, _)| *known == name).map_or("", |(_, value)| value)
                }
            };
            if setting.setting != wanted {
                let wanted = wanted.to_owned();
                let (name, found) = (setting.name, setting.setting);
                return Err(SessionError::Setting { name, found, wanted }.into());
            }
        }
        Ok(())
    }
}
