//! Database sessions: every setting our statements rely on is set after connecting, and read back.
//! Not by start-up parameters, which a pooler may reject or silently ignore. So the defaults of
//! server, database and role do not matter.
//!
//! Read-only mode is left as it is: it was enabled on purpose.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use super::PoolSettings;

/// The lock timeout of a session, in milliseconds.
const LOCK_TIMEOUT: &str = "1000";
/// The lock timeout of a group commit: there must be time to retry without the blocked event.
pub(super) const WRITER_LOCK_TIMEOUT: &str = "500";
/// The lock timeout of a part of a group, to find the blocked event.
pub(super) const BRIEF_LOCK_TIMEOUT: &str = "50";
/// The lock timeout of readiness checks.
const HEALTH_LOCK_TIMEOUT: &str = "500";

/// The settings of every session.
const ALWAYS: &[(&str, &str)] = &[
    // Acknowledged events must be durable.
    ("synchronous_commit", "on"),
    // Semantics of statements.
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
    // Our sessions are idle in pools, and one only listens.
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    // With a backlog the planner would compile a claim for half a second, although it runs for less
    // than a millisecond.
    ("jit", "off"),
];

/// A session type.
#[derive(Debug, Clone)]
pub(super) struct Session {
    options: PgConnectOptions,
    settings: Vec<(&'static str, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("the session has {name} = {found}, requested {wanted}")]
    Setting { name: String, found: String, wanted: String },
    /// Triggers are off, and the audit log relies on one.
    #[error("the session has session_replication_role = replica: triggers are disabled")]
    Replica,
    #[error("no schema in the role's search_path exists")]
    NoSchema,
}

impl From<SessionError> for sqlx::Error {
    fn from(error: SessionError) -> Self {
        Self::Configuration(error.into())
    }
}

impl Session {
    /// A session without timeouts, for migrations and single commands.
    pub(super) fn without_timeouts(options: &PgConnectOptions) -> Self {
        let bounds = [
            ("statement_timeout", "0"),
            ("lock_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
        ];
        Self::with(options.clone(), bounds)
    }

    /// A session with timeouts.
    pub(super) fn with_timeouts(
        options: &PgConnectOptions,
        name: &str,
        pools: PoolSettings,
    ) -> Self {
        let statement = pools.statement.as_millis().to_string();
        let lock = match name {
            "health" => HEALTH_LOCK_TIMEOUT,
            "group_writer" => WRITER_LOCK_TIMEOUT,
            _ => LOCK_TIMEOUT,
        };
        let bounds = [
            ("statement_timeout", statement.as_str()),
            ("lock_timeout", lock),
            ("idle_in_transaction_session_timeout", "10000"),
        ];
        // The name visible on the server: writers belong to ingest.
        let visible_name = if name == "group_writer" { "ingest" } else { name };
        let options = options.clone().application_name(&format!("sealpost {visible_name}"));
        let mut session = Self::with(options, bounds);
        let planner: &[(&str, &str)] = match name {
            // Filters of users have optional parts: a generic plan for all cases would be a bad
            // one.
            "admin" => &[("plan_cache_mode", "force_custom_plan")],
            // Lookups here are by index, for any parameters: to plan a claim anew takes as long as
            // to execute it. A plan made while a table was empty must not scan the whole table,
            // ever more slowly.
            "group_writer" | "ingest" | "claim" | "dispatch" => &[
                ("plan_cache_mode", "force_generic_plan"),
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
        // sqlx would send a parameter that poolers reject. Numbers are transferred in binary form
        // anyway.
        Self { settings: settings.collect(), options: options.extra_float_digits(None) }
    }

    /// The connection options, without the settings.
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        self.apply(&mut connection).await?;
        Ok(connection)
    }

    /// Applies and checks the settings on a new connection.
    pub(super) async fn apply(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let names: Vec<&str> = self.settings.iter().map(|(name, _)| *name).collect();
        let values: Vec<&str> = self.settings.iter().map(|(_, value)| value.as_str()).collect();
        // Settings unknown to this server are skipped. A stricter `synchronous_commit` is kept. The
        // search path is limited to the schema of our tables: another one could contain tables of
        // the same name.
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

    /// Reads the settings back, by a separate statement, which a pooler may send elsewhere.
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
