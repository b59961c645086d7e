//! Defaults of a server, database or role do not affect the gateway.

use sealpost::store::Target;

use super::{name_of, pay};
use crate::cli::Program;
use crate::harness::{Gateway, database, sql};

/// Defaults that would change the meaning of statements or the limits of sessions.
const HOSTILE: &[&str] = &[
    "synchronous_commit = off",
    "statement_timeout = 0",
    "lock_timeout = 0",
    "idle_in_transaction_session_timeout = 0",
    "idle_session_timeout = '1s'",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "standard_conforming_strings = off",
    "bytea_output = 'escape'",
    "\"DateStyle\" = 'German, DMY'",
    "\"IntervalStyle\" = 'sql_standard'",
    "\"TimeZone\" = 'Asia/Tokyo'",
    "transform_null_equals = on",
    "array_nulls = off",
    "jit = on",
    "search_path = other, public, pg_catalog",
];

/// The required settings of an ingest session.
const REQUIRED: &[(&str, &str)] = &[
    ("synchronous_commit", "on"),
    ("statement_timeout", "2s"),
    ("lock_timeout", "500ms"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("idle_session_timeout", "0"),
    ("default_transaction_isolation", "read committed"),
    ("transaction_isolation", "read committed"),
    ("standard_conforming_strings", "on"),
    ("bytea_output", "hex"),
    ("DateStyle", "ISO, MDY"),
    ("TimeZone", "UTC"),
    ("jit", "off"),
    ("search_path", "public"),
];

/// Records the settings of every session that stores an event.
pub(super) async fn record_settings(target: &Target) {
    for statement in [
        "CREATE TABLE public.noted (name text, value text)",
        "CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO public.noted SELECT name, current_setting(name)
              FROM pg_catalog.pg_settings; RETURN NULL; END $$",
        "CREATE TRIGGER note AFTER INSERT ON public.events
         FOR EACH STATEMENT EXECUTE FUNCTION public.note()",
    ] {
        sql::execute(target, statement).await;
    }
}

/// Asserts that all recorded settings are as required.
pub(super) async fn assert_settings(target: &Target) {
    for (name, required) in REQUIRED {
        let query = format!("SELECT DISTINCT value FROM public.noted WHERE name = '{name}'");
        assert_eq!(sql::texts(target, &query).await, [*required], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_settings_override_hostile_defaults() {
    let target = database::fresh().await;
    record_settings(&target).await;
    // Tables of the same names, earlier in the search path.
    for statement in [
        "CREATE SCHEMA other",
        "CREATE TABLE other.events (LIKE public.events INCLUDING ALL)",
        "CREATE TABLE other.event_keys (LIKE public.event_keys INCLUDING ALL)",
        "CREATE TABLE other.deliveries (LIKE public.deliveries INCLUDING ALL)",
    ] {
        sql::execute(&target, statement).await;
    }
    let (admin_database, name) = (target.with_database("postgres"), name_of(&target).await);
    for setting in HOSTILE {
        sql::execute(&admin_database, &format!("ALTER DATABASE {name} SET {setting}")).await;
    }
    let gateway = Gateway::builder().on(target.clone()).start().await;
    for number in 0..4 {
        assert_eq!(pay(&gateway, number).await, 202);
        assert_eq!(pay(&gateway, number).await, 200);
    }
    gateway.run_until_idle().await;
    gateway.run_maintenance().await;
    assert_eq!(gateway.operator("/readyz").await.status, 200);
    let done = "SELECT count(*) FROM public.deliveries WHERE state = 'done'";
    assert_eq!(sql::number(&target, done).await, 4);
    assert_eq!(sql::number(&target, "SELECT count(*) FROM other.events").await, 0);
    assert_settings(&target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stricter_synchronous_commit_is_kept() {
    let target = database::fresh().await;
    record_settings(&target).await;
    let (admin_database, name) = (target.with_database("postgres"), name_of(&target).await);
    let more = format!("ALTER DATABASE {name} SET synchronous_commit = 'remote_apply'");
    sql::execute(&admin_database, &more).await;
    let gateway = Gateway::builder().on(target.clone()).allow_unfinished().start().await;
    assert_eq!(pay(&gateway, 1).await, 202);
    let query = "SELECT DISTINCT value FROM noted WHERE name = 'synchronous_commit'";
    assert_eq!(sql::texts(&target, query).await, ["remote_apply"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unsupported_database_settings_are_rejected_at_start() {
    let target = database::fresh().await;
    let (admin_database, name) = (target.with_database("postgres"), name_of(&target).await);
    let mut program = Program::new("");
    program.set("DATABASE_URL", &database::url(&target).await);
    let off = format!("ALTER DATABASE {name} SET session_replication_role = 'replica'");
    sql::execute(&admin_database, &off).await;
    let run = program.run(&["migrate"]);
    assert_eq!(run.code, 69, "{}", run.stderr);
    assert!(run.stderr.contains("triggers are disabled"), "{}", run.stderr);
    let on = format!("ALTER DATABASE {name} RESET session_replication_role");
    sql::execute(&admin_database, &on).await;
    assert_eq!(program.run(&["migrate"]).code, 0);
    let nowhere = format!("ALTER DATABASE {name} SET search_path = ''");
    sql::execute(&admin_database, &nowhere).await;
    let run = program.run(&["migrate"]);
    assert_eq!(run.code, 69, "{}", run.stderr);
    assert!(run.stderr.contains("search_path"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn non_utf8_database_is_rejected_at_start() {
    let target = database::fresh().await;
    let name = format!("{}_latin", name_of(&target).await);
    let create = format!(
        "CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    );
    sql::execute(&target.with_database("postgres"), &create).await;
    let mut program = Program::new("");
    program.set("DATABASE_URL", &database::url(&target.with_database(&name)).await);
    let run = program.run(&["migrate"]);
    assert_eq!(run.code, 69, "{}", run.stderr);
    assert!(run.stderr.contains("UTF8 is required"), "{}", run.stderr);
}
