//! Finds the events of a selection, oldest first, a bounded number at a time.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{PersonalData, SelectBy, SubjectSelection};
use crate::admin::events::digests;
use crate::admin::{AdminError, Caller, Scope};
use crate::store::{EventId, EventScan, KeyDigest, ScannedEvents};

/// Some events of a selection.
#[derive(Debug, Clone)]
pub struct FoundToExport {
    pub events: Vec<EventId>,
    /// How many were read.
    pub read: u64,
    /// Where to continue; `None` at the end.
    pub next: Option<EventId>,
}

impl PersonalData {
    /// The next events of a selection after `after`, with edited copies of them.
    pub async fn find(
        &self,
        caller: &Caller,
        selection: &SubjectSelection,
        after: Option<EventId>,
    ) -> Result<FoundToExport, AdminError> {
        caller.needs(Scope::PayloadRead)?;
        let scan = self.scan(caller, selection)?;
        let ScannedEvents { events, read, next } = self.matching(selection, &scan, after).await?;
        let mut tx = self.store.begin().await?;
        let with_copies = tx.events_to_erase(&events).await?;
        let events: BTreeSet<EventId> = with_copies.into_iter().map(|event| event.id).collect();
        Ok(FoundToExport { events: events.into_iter().collect(), read, next })
    }

    /// What the database looks for.
    pub(super) fn scan(
        &self,
        caller: &Caller,
        selection: &SubjectSelection,
    ) -> Result<EventScan, AdminError> {
        let mut scan = EventScan {
            tenant: caller.tenant().map(str::to_owned),
            source: selection.source.clone(),
            ..EventScan::default()
        };
        match &selection.by {
            SelectBy::Event(_) => {}
            SelectBy::Key(key) => scan.keys = Some(self.keys(caller, selection, key)?),
            SelectBy::Lane(lane) => scan.lane = Some(lane.clone()),
            SelectBy::Field(_) => caller.needs(Scope::PayloadRead)?,
            SelectBy::Tenant(tenant) => {
                if caller.tenant().is_some_and(|own| own != tenant) {
                    return Err(AdminError::NotFound(format!("tenant `{tenant}`")));
                }
                scan.tenant = Some(tenant.clone());
            }
        }
        Ok(scan)
    }

    /// The digests of a key, which depend on tenant and source.
    fn keys(
        &self,
        caller: &Caller,
        selection: &SubjectSelection,
        key: &str,
    ) -> Result<Vec<KeyDigest>, AdminError> {
        let mut sources = self
            .sources
            .iter()
            .filter(|source| caller.tenant().is_none_or(|tenant| tenant == source.tenant))
            .filter(|source| selection.source.as_ref().is_none_or(|name| *name == source.name))
            .peekable();
        if sources.peek().is_none() {
            let none = "a key belongs to a configured source: select by --event-id or --pointer";
            return Err(AdminError::Invalid(none.to_owned()));
        }
        Ok(sources.flat_map(|source| digests(&source.tenant, &source.name, key)).collect())
    }

    /// The matching ones among the next events.
    pub(super) async fn matching(
        &self,
        selection: &SubjectSelection,
        scan: &EventScan,
        after: Option<EventId>,
    ) -> Result<ScannedEvents, AdminError> {
        let mut found = self.store.scan_events(scan, selection.range(), after).await?;
        if let SelectBy::Field(field) = &selection.by {
            let mut events = Vec::new();
            for id in found.events {
                let Some(event) = self.store.event(id).await? else { continue };
                // A payload that came in chunks has its fields in the envelope.
                let envelope = event.envelope.as_ref();
                if field.is_in(&event.body) || envelope.is_some_and(|json| field.is_in(json)) {
                    events.push(id);
                }
            }
            found.events = events;
        }
        Ok(found)
    }

    /// The incomplete transfers and the rejected requests of a selection: for one by field or by
    /// tenant, since nothing else is known of them.
    pub(super) async fn not_events(
        &self,
        caller: &Caller,
        selection: &SubjectSelection,
        scan: &EventScan,
    ) -> Result<(Vec<i64>, Vec<Uuid>), AdminError> {
        let field = match &selection.by {
            SelectBy::Tenant(_) => None,
            SelectBy::Field(field) => Some(field),
            _ => return Ok((Vec::new(), Vec::new())),
        };
        let range = selection.range();
        let transfers = self.store.open_transfers_in(scan, range).await?.into_iter();
        let transfers = transfers
            .filter(|transfer| field.is_none_or(|field| field.is_in(&transfer.envelope)))
            .map(|transfer| transfer.id)
            .collect();
        let mut requests = self.store.rejected_requests_in(scan, range).await?;
        if let Some(field) = field {
            let mut matching = Vec::new();
            for id in requests {
                let body = self.rejected_requests.body(caller, id).await?;
                if body.is_some_and(|body| field.is_in(&body)) {
                    matching.push(id);
                }
            }
            requests = matching;
        }
        Ok((transfers, requests))
    }
}
