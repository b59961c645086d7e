//! Erasure and export of personal data.

mod program;
mod selections;
mod traces;
mod unfinished;

use sealpost::admin::{
    AdminError, Caller, ErasureRequest, ErasureResult, SelectBy, SubjectSelection,
};
use sealpost::store::EventId;
use serde_json::Value;

use crate::harness::{Gateway, because};

const REASON: &str = "the person asked for it";

fn dora() -> Caller {
    Caller::local("dora")
}

fn by(by: SelectBy) -> SubjectSelection {
    SubjectSelection { by, source: None, from: None, until: None }
}

fn field(text: &str) -> SubjectSelection {
    by(SelectBy::Field(text.parse().unwrap()))
}

fn event(id: &str) -> SubjectSelection {
    by(SelectBy::Event(EventId(id.parse().unwrap())))
}

/// Erases a selection; events that are not finished are left.
async fn erase(gateway: &Gateway, selection: &SubjectSelection) -> ErasureResult {
    try_erase(gateway, &dora(), selection, false).await.unwrap()
}

async fn try_erase(
    gateway: &Gateway,
    caller: &Caller,
    selection: &SubjectSelection,
    discard_unfinished: bool,
) -> Result<ErasureResult, AdminError> {
    let reason = because(REASON);
    let request = ErasureRequest { selection, reason: Some(&reason), discard_unfinished };
    gateway.admin().personal_data.erase(caller, request, |_| ()).await
}

async fn dry_run(gateway: &Gateway, selection: &SubjectSelection) -> ErasureResult {
    let request = ErasureRequest { selection, reason: None, discard_unfinished: true };
    gateway.admin().personal_data.erase(&dora(), request, |_| ()).await.unwrap()
}

/// All tables.
async fn tables(gateway: &Gateway) -> Vec<String> {
    let tables = gateway
        .query(
            "SELECT table_name::text AS name FROM information_schema.tables
              WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
                AND table_name <> '_sqlx_migrations' ORDER BY 1",
        )
        .await;
    tables.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

/// The tables with a text in any column, also in bytes.
async fn tables_with(gateway: &Gateway, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for table in tables(gateway).await {
        let rows = format!(
            "SELECT count(*) FROM {table} t
              WHERE position('{text}' IN t::text) > 0
                 OR position('{}' IN t::text) > 0",
            hex::encode(text)
        );
        if gateway.count(&rows).await > 0 {
            found.push(table);
        }
    }
    found
}

/// Every row of every table.
async fn everything(gateway: &Gateway) -> Vec<Value> {
    let mut all = Vec::new();
    for table in tables(gateway).await {
        all.extend(gateway.query(&format!("SELECT * FROM {table} t ORDER BY t::text")).await);
    }
    all
}
