//! The view of the audit log.

use serde::Deserialize;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};

use super::super::pages::audit::{Row, View};
use super::super::parts::{Pager, count, link_path};
use crate::admin::{AdminError, Caller, audit};
use crate::store::{AuditFilter, AuditRow, Hash, Store};

/// Entries of a page.
const ROWS: u32 = 50;

/// The query of the list.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(in crate::web::console) struct AuditQuery {
    actor: String,
    action: String,
    since: String,
    until: String,
    before: i64,
}

/// The list.
pub(in crate::web::console) async fn audit(
    store: &Store,
    caller: &Caller,
    query: &AuditQuery,
) -> Result<View, AdminError> {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let filter = AuditFilter {
        actor: given(&query.actor),
        action: given(&query.action),
        since: day(&query.since)?,
        until: day(&query.until)?.map(|day| day.saturating_add(Duration::DAY)),
        tenant: None,
    };
    let before = Some(query.before).filter(|before| *before > 0);
    let mut entries = audit::list(store, caller, &filter, before, ROWS + 1).await?;
    let more = entries.len() > ROWS as usize;
    entries.truncate(ROWS as usize);
    let last = entries.last().map(|entry| entry.id).filter(|_| more);
    let shown = count(entries.len() as u64, "entry", "entries");
    Ok(View {
        actor: query.actor.clone(),
        action: query.action.clone(),
        since: query.since.clone(),
        until: query.until.clone(),
        pager: Pager {
            shown: format!("{shown} on this page, newest first"),
            first: before.map(|_| query.address(None)),
            next: last.map(|last| query.address(Some(last))),
        },
        rows: entries.into_iter().map(row).collect(),
        whole: caller.tenant().is_none(),
        chain: None,
    })
}

/// The result of the verification, in a sentence; `head` is an expected hash, if any.
pub(in crate::web::console) async fn chain(
    store: &Store,
    caller: &Caller,
    head: &str,
) -> Result<(bool, String), AdminError> {
    let expected = Some(head.trim()).filter(|head| !head.is_empty()).map(hash).transpose()?;
    let verified = audit::verify(store, caller, expected.as_ref(), |_| ()).await?;
    let holding = count(verified.entries, "entry valid", "entries valid");
    let head = match verified.head {
        Some((id, hash)) => format!("the head is entry {id}, hash {}", hex::encode(hash)),
        None => "the log is empty".to_owned(),
    };
    Ok(match verified.broken {
        Some(broken) => (false, format!("{broken}. Before that: {holding}; {head}.")),
        None => (true, format!("{holding}; {head}.")),
    })
}

impl AuditQuery {
    fn address(&self, before: Option<i64>) -> String {
        let named = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let named = named.into_iter().filter(|(_, value)| !value.is_empty());
        let named = named.map(|(name, value)| format!("{name}={}", link_path(value)));
        let before = before.map(|before| format!("before={before}"));
        format!("/audit?{}", named.chain(before).collect::<Vec<_>>().join("&"))
    }
}

fn row(entry: AuditRow) -> Row {
    Row {
        id: entry.id,
        at: entry.at,
        actor: entry.actor,
        address: entry.address,
        action: entry.action,
        target: entry.target,
        reason: entry.reason,
        count: entry.count.unsigned_abs(),
        hash: hex::encode(entry.hash),
    }
}

/// Parses a day and returns its beginning.
fn day(text: &str) -> Result<Option<OffsetDateTime>, AdminError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let day = Date::parse(text, format_description!("[year]-[month]-[day]"));
    let day = day
        .map_err(|_| AdminError::Invalid("invalid day; expected the form 2026-11-20".to_owned()))?;
    Ok(Some(day.midnight().assume_utc()))
}

fn hash(text: &str) -> Result<Hash, AdminError> {
    let wrong = || AdminError::Invalid("invalid hash; expected 64 hexadecimal digits".to_owned());
    let bytes = hex::decode(text).map_err(|_| wrong())?;
    bytes.try_into().map_err(|_| wrong())
}
