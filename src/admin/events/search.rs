use time::OffsetDateTime;

use super::keys::digests;
use crate::admin::{AdminError, Caller, EventPage, EventSummary, Monitoring, Scope};
use crate::store::{Counter, DeliveryState, EventFilter, EventId, IdRange, KeyDigest, Span};
use crate::verify::Strength;

/// The maximum number of events per page.
pub const MAX_EVENTS: u32 = 500;
const MAX_TEXT: usize = 1024;

/// A search. All given parts must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    pub source: Option<String>,
    pub provider: Option<String>,
    /// The event type; a trailing `*` is a wildcard.
    pub event_type: Option<String>,
    /// The state of a delivery of the event.
    pub state: Option<DeliveryState>,
    /// Received at or after this time. For a chunked payload the first chunk counts.
    pub from: Option<OffsetDateTime>,
    /// Received before this time.
    pub to: Option<OffsetDateTime>,
    /// The id, or the beginning of one.
    pub id: Option<String>,
    /// The deduplication key: the sender's event id, or the SHA-256 of the body in hexadecimal.
    pub key: Option<String>,
    pub strength: Option<Strength>,
    /// A text in the first 64 KiB of the body, byte for byte.
    pub text: Option<String>,
}

/// The events on one page of a search.
#[derive(Debug, Clone)]
pub struct EventMatches {
    pub events: Vec<EventSummary>,
    /// The `before` of the next page; `None` on the last page.
    pub next: Option<EventId>,
    /// How far back this page has searched. A page may contain few events and still have a next
    /// one, because the search per page is bounded.
    pub looked_back_to: Option<OffsetDateTime>,
    /// Whether the search is complete, with this page and those before.
    pub complete: bool,
}

/// Values to filter by. The numbers are approximate.
#[derive(Debug, Clone)]
pub struct EventFacets {
    /// The sources, each with the number of events it sent in the last day.
    pub sources: Vec<(String, u64)>,
    /// The types of the newest events, each with its number of events.
    pub event_types: Vec<(String, u64)>,
    /// How many of the newest events were counted for the types.
    pub sample: u64,
}

impl EventMatches {
    /// The page, with a cursor made of the id after which the next page begins.
    pub fn into_page(self, cursor: impl FnOnce(EventId) -> String) -> EventPage {
        EventPage {
            items: self.events,
            next: self.next.map(cursor),
            looked_back_to: self.looked_back_to,
            complete: self.complete,
        }
    }
}

impl Monitoring {
    /// Up to `limit` matching events, newest first, before the event `before`.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] for a malformed id or a text that is too long.
    pub async fn events(
        &self,
        caller: &Caller,
        search: &Search,
        before: Option<EventId>,
        limit: u32,
    ) -> Result<EventMatches, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let filter = filter(caller, search)?;
        let mut range = IdRange::between(search.from, search.to);
        if let Some(id) = &search.id {
            let begins = IdRange::beginning_with(id.trim());
            let begins =
                begins.ok_or_else(|| AdminError::Invalid(format!("no id begins with `{id}`")))?;
            range = range.and(begins);
        }
        if let Some(EventId(before)) = before {
            range.below = range.below.min(before);
        }
        let limit = i64::from(limit.clamp(1, MAX_EVENTS));
        if let Some(key) = &search.key {
            return self.with_key(caller, key.trim(), &filter, range).await;
        }
        let found = self.store.search_events(&filter, range, limit).await?;
        Ok(EventMatches {
            complete: found.reached.is_none(),
            looked_back_to: found.reached.map(EventId::assigned_at),
            next: found.reached,
            events: found.events,
        })
    }

    /// Values to filter by.
    pub async fn facets(&self, caller: &Caller) -> Result<EventFacets, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let now = self.clock.now();
        let from = Span::Coarse.last(24, now).first().copied().unwrap_or(now);
        let counted = self.store.counted(Span::Coarse, from, None).await?;
        let events = |source: &str| {
            let new = [Counter::Accepted, Counter::Quarantined];
            let of = counted.iter().filter(|one| one.source == source && new.contains(&one.what));
            of.map(|one| one.count).sum()
        };
        let sources = self.topology.visible_to(caller.tenant());
        let event_types = self.store.recent_types(caller.tenant()).await?;
        Ok(EventFacets {
            sources: sources.map(|source| (source.name.clone(), events(&source.name))).collect(),
            sample: event_types.iter().map(|(_, count)| count).sum(),
            event_types,
        })
    }

    /// The events of any source that have this deduplication key.
    async fn with_key(
        &self,
        caller: &Caller,
        key: &str,
        filter: &EventFilter,
        range: IdRange,
    ) -> Result<EventMatches, AdminError> {
        let sources = self.topology.visible_to(caller.tenant());
        let digests: Vec<KeyDigest> =
            sources.flat_map(|source| digests(&source.tenant, &source.name, key)).collect();
        let mut events = Vec::new();
        for event in self.store.events_with_keys(&digests).await? {
            let only = range.and(IdRange::of(event));
            events.extend(self.store.search_events(filter, only, 1).await?.events);
        }
        Ok(EventMatches { events, next: None, looked_back_to: None, complete: true })
    }
}

fn filter(caller: &Caller, search: &Search) -> Result<EventFilter, AdminError> {
    let text = search.text.as_ref().filter(|text| !text.is_empty());
    if let Some(text) = text {
        caller.needs(Scope::PayloadRead)?;
        if text.len() > MAX_TEXT {
            return Err(AdminError::Invalid(format!(
                "the search text must have at most {MAX_TEXT} bytes"
            )));
        }
    }
    let event_type = search.event_type.as_deref().filter(|event_type| !event_type.is_empty());
    let prefix = event_type.and_then(|event_type| event_type.strip_suffix('*'));
    Ok(EventFilter {
        tenant: caller.tenant().map(str::to_owned),
        source: search.source.clone(),
        provider: search.provider.clone(),
        event_type: event_type.filter(|_| prefix.is_none()).map(str::to_owned),
        event_type_prefix: prefix.map(str::to_owned),
        strength: search.strength,
        state: search.state,
        text: text.map(|text| text.as_bytes().to_vec()),
    })
}
