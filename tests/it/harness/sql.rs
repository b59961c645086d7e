//! Queries of tests, past the gateway.

#![allow(clippy::disallowed_methods, reason = "tests run queries that the gateway does not have")]

use sealpost::store::Target;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use super::database::trusted;

pub(crate) async fn connect(target: &Target) -> PgConnection {
    target.connect().await.expect("a connection")
}

pub(crate) async fn execute(target: &Target, statement: &str) -> u64 {
    let mut connection = connect(target).await;
    let done = sqlx::query(trusted(statement)).execute(&mut connection).await;
    let done = done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    connection.close().await.expect("a clean end");
    done.rows_affected()
}

/// Runs several statements.
pub(crate) async fn script(target: &Target, statements: &str) {
    let mut connection = connect(target).await;
    let done = sqlx::raw_sql(trusted(statements)).execute(&mut connection).await;
    done.unwrap_or_else(|error| panic!("{statements}: {error}"));
    connection.close().await.expect("a clean end");
}

/// Runs a statement on an open connection.
pub(crate) async fn run(connection: &mut PgConnection, statement: &str) {
    let done = sqlx::query(trusted(statement)).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

pub(crate) async fn texts(target: &Target, query: &str) -> Vec<String> {
    let mut connection = connect(target).await;
    let texts = sqlx::query_scalar(trusted(query)).fetch_all(&mut connection).await;
    let texts = texts.unwrap_or_else(|error| panic!("{query}: {error}"));
    connection.close().await.expect("a clean end");
    texts
}

/// Rows of a query, as JSON.
pub(crate) async fn rows(target: &Target, query: &str) -> Vec<Value> {
    let wrapped = format!("SELECT to_jsonb(t)::text FROM ({query}) t");
    let texts = texts(target, &wrapped).await;
    texts.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect()
}

pub(crate) async fn number(target: &Target, query: &str) -> i64 {
    let mut connection = connect(target).await;
    let number = sqlx::query_scalar(trusted(query)).fetch_one(&mut connection).await;
    connection.close().await.expect("a clean end");
    number.unwrap_or_else(|error| panic!("{query}: {error}"))
}
