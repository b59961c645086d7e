//! Erases a selection, batch by batch: each is one transaction, with its audit entry. An erasure
//! that was interrupted is continued by running it again, since erased events no longer match.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{ErasureProgress, ErasureRequest, ErasureResult, PersonalData, SelectBy};
use crate::admin::change::{Audited, AuditedChange};
use crate::admin::{AdminError, Caller, Scope};
use crate::store::{Erasing, EventId, EventToErase, OpenDelivery, RowsErased, StoreError};

/// How many events are erased by one transaction.
const BATCH: usize = 100;
/// What the events of a dry run would get.
const DRY_RUN: &str = "dry run";

/// The caller, the request, and what was erased so far.
struct Erase<'a> {
    data: &'a PersonalData,
    caller: &'a Caller,
    request: ErasureRequest<'a>,
    result: ErasureResult,
}

impl PersonalData {
    /// Erases a selection, or finds out what that would erase. `progress` is called after each
    /// step.
    ///
    /// # Errors
    /// What was erased before an error stays erased.
    pub async fn erase(
        &self,
        caller: &Caller,
        request: ErasureRequest<'_>,
        mut progress: impl FnMut(ErasureProgress) + Send,
    ) -> Result<ErasureResult, AdminError> {
        caller.needs(Scope::EventsErase)?;
        let selection = request.selection;
        let scan = self.scan(caller, selection)?;
        let result = ErasureResult { dry_run: request.reason.is_none(), ..Default::default() };
        let mut erase = Erase { data: self, caller, request, result };
        // First, since a transfer that is completed meanwhile is found as an event.
        let (transfers, requests) = self.not_events(caller, selection, &scan).await?;
        erase.not_events(&transfers, &requests).await?;
        let (mut after, mut read) = (None, 0);
        loop {
            let found = self.matching(selection, &scan, after).await?;
            for events in found.events.chunks(BATCH) {
                erase.events(events).await?;
            }
            read += found.read;
            after = found.next;
            progress(ErasureProgress { read, erased: erase.result.events, last: after });
            if after.is_none() {
                break;
            }
        }
        if let SelectBy::Tenant(tenant) = &selection.by
            && (selection.from, selection.until) == (None, None)
        {
            erase.sources_of(tenant).await?;
        }
        Ok(erase.result)
    }
}

impl<'a> Erase<'a> {
    async fn begin(&self) -> Result<AuditedChange<'a>, StoreError> {
        AuditedChange::begin(&self.data.store, &self.data.clock, self.caller).await
    }

    /// Commits a change and its audit entry; rolls it back in a dry run.
    async fn end(&self, change: AuditedChange<'_>, count: u64) -> Result<(), StoreError> {
        let (Some(reason), 1..) = (self.request.reason, count) else { return Ok(()) };
        let target = self.request.selection.audited();
        change.commit(Audited { action: "erase", target: &target, reason, count }).await
    }

    async fn not_events(&mut self, transfers: &[i64], requests: &[Uuid]) -> Result<(), AdminError> {
        let mut change = self.begin().await?;
        let transfers = change.tx.erase_transfers(transfers).await?;
        let requests = change.tx.erase_rejected(requests).await?;
        self.end(change, transfers + requests).await?;
        self.result.transfers += transfers;
        self.result.rejected_requests += requests;
        Ok(())
    }

    async fn events(&mut self, asked: &[EventId]) -> Result<(), AdminError> {
        let mut change = self.begin().await?;
        let (events, open) = locked(&mut change, asked).await?;
        let (mut events, refused) =
            if self.request.discard_unfinished { (events, 0) } else { unrefused(events, &open) };
        // One that is a copy of several is there several times.
        events.dedup_by_key(|event| event.id);
        let at = change.at;
        let reason = self.request.reason.map_or(DRY_RUN, |reason| reason);
        let erasing = Erasing { at, by: self.caller.actor(), reason };
        if self.request.discard_unfinished {
            change.tx.discard_open_deliveries(&open, erasing).await?;
            self.result.discarded += open.len() as u64;
        } else {
            self.result.add_refused(refused, &open);
        }
        let mut ids = Vec::new();
        for EventToErase { id, provider, .. } in events {
            if let Some(derived) = (self.data.derived)(&provider)
                && let Some(event) = self.data.store.event(id).await?
            {
                self.result.add_derived(derived.erase_event(&mut change.tx, &event, at).await?);
            }
            ids.push(id);
        }
        let counts = change.tx.erase_events(&ids, erasing).await?;
        self.end(change, counts.events).await?;
        self.result.add_events(&ids, counts);
        Ok(())
    }

    /// Erases what is known of the sources of a tenant because of events that no longer exist.
    async fn sources_of(&mut self, tenant: &str) -> Result<(), AdminError> {
        let only = self.request.selection.source.as_deref();
        let configured = &self.data.sources;
        let mut sources: BTreeSet<(String, String)> = configured
            .iter()
            .filter(|source| source.tenant == tenant)
            .map(|source| (source.name.clone(), source.provider.clone()))
            .collect();
        // A source that another tenant has now is theirs.
        let past = self.data.store.sources_of_tenant(tenant).await?.into_iter();
        sources
            .extend(past.filter(|(name, _)| !configured.iter().any(|source| source.name == *name)));
        for (source, provider) in sources {
            if only.is_some_and(|only| only != source) {
                continue;
            }
            let mut change = self.begin().await?;
            change.tx.erase_texts_of_source(&source).await?;
            let at = change.at;
            let erased = match (self.data.derived)(&provider) {
                Some(derived) => derived.erase_source(&mut change.tx, &source, at).await?,
                None => RowsErased::default(),
            };
            // Also without rows: the texts of the source are erased.
            self.end(change, erased.rows.max(1)).await?;
            self.result.add_derived(erased);
        }
        Ok(())
    }
}

/// The events to erase and their open deliveries, with all deliveries locked.
async fn locked(
    change: &mut AuditedChange<'_>,
    asked: &[EventId],
) -> Result<(Vec<EventToErase>, Vec<OpenDelivery>), StoreError> {
    let mut events = change.tx.events_to_erase(asked).await?;
    loop {
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let open = change.tx.lock_open_deliveries(&ids).await?;
        // Somebody may have edited one of them before its deliveries were locked.
        let again = change.tx.events_to_erase(asked).await?;
        if again == events {
            return Ok((events, open));
        }
        events = again;
    }
}

/// The events without open deliveries, also of their copies and originals, and the number of the
/// others.
fn unrefused(events: Vec<EventToErase>, open: &[OpenDelivery]) -> (Vec<EventToErase>, u64) {
    let is_open = |event: &EventToErase| open.iter().any(|delivery| delivery.event == event.id);
    let roots: BTreeSet<EventId> =
        events.iter().filter(|event| is_open(event)).map(|event| event.root).collect();
    let of_roots = events.iter().filter(|event| roots.contains(&event.root));
    let refused: BTreeSet<EventId> = of_roots.map(|event| event.id).collect();
    let rest = events.into_iter().filter(|event| !refused.contains(&event.id)).collect();
    (rest, refused.len() as u64)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::DeliveryState;

    fn id(number: u128) -> EventId {
        EventId(Uuid::from_u128(number))
    }

    #[test]
    fn event_is_refused_with_its_copies_and_its_original() {
        let event = |number, root| EventToErase {
            id: id(number),
            root: id(root),
            provider: "stripe".into(),
        };
        // 2 is a copy of 1, and 4 of 3; 4 was asked for too.
        let events =
            vec![event(1, 1), event(2, 1), event(3, 3), event(4, 3), event(4, 4), event(5, 5)];
        let open = |event| OpenDelivery {
            id: 7,
            event: id(event),
            source: "billing".into(),
            handler: "stripe".into(),
            state: DeliveryState::Ready,
        };
        let rest = |open: &[OpenDelivery]| {
            let (rest, refused) = unrefused(events.clone(), open);
            (rest.iter().map(|event| event.id).collect::<Vec<_>>(), refused)
        };
        assert_eq!(rest(&[open(2), open(3)]), (vec![id(5)], 4));
        assert_eq!(rest(&[]).1, 0);
    }
}
