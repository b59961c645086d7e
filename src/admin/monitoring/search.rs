//! Looking for events.

use time::OffsetDateTime;

use super::Monitoring;
use crate::admin::{AdminError, Caller, Scope};
use crate::store::{Counter, EventFilter, EventId, EventRow, IdRange, KeyDigest, Span};
use crate::verify::{EventKey, Quarantine, Strength};

/// The most rows of a page.
pub const MOST_EVENTS: u32 = 500;
/// The longest text that is looked for, in bytes.
const MOST_TEXT: usize = 1024;

/// Which events. Every part that is there must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Of this source.
    pub source: Option<String>,
    /// Of this kind of sender.
    pub provider: Option<String>,
    /// Of this type; `*` at the end stands for anything.
    pub kind: Option<String>,
    /// With a delivery in this state: `ready`, `leased`, `done` or `dead`.
    pub state: Option<String>,
    /// Received at this time or later. Of a payload in chunks the first one counts.
    pub from: Option<OffsetDateTime>,
    /// Received before this time.
    pub to: Option<OffsetDateTime>,
    /// With this id, or an id that begins so.
    pub id: Option<String>,
    /// With this key: the id that its sender gave it, or the SHA-256 of the body in hexadecimal.
    pub key: Option<String>,
    /// Of this strength.
    pub strength: Option<Strength>,
    /// With this text in the first 64 KiB of the body, byte for byte.
    pub text: Option<String>,
}

/// A page of events.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The events, newest first.
    pub events: Vec<EventRow>,
    /// Where to go on: give it as `before`. `None` where there is no more.
    pub next: Option<EventId>,
    /// Up to when this page has looked back. Where `next` is there and few events are, that many
    /// were found so far: there may be more further back.
    pub looked_back_to: Option<OffsetDateTime>,
    /// Whether everything that was asked for has been looked at, with this page and those before.
    pub complete: bool,
}

/// What there is to choose from. Approximate: a help for choosing, not a count.
#[derive(Debug, Clone)]
pub struct Facets {
    /// Sources, with how many events they sent in the last day by the counters.
    pub sources: Vec<(String, u64)>,
    /// Types, with how many there are of each among the newest events.
    pub kinds: Vec<(String, u64)>,
    /// How many of the newest events were looked at for the types.
    pub sample: u64,
}

impl Monitoring {
    /// Up to `limit` events that match, newest first, from the first one before `before`.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`], or for a text without
    /// [`Scope::PayloadRead`]; [`AdminError::Invalid`] for a state that is none, a beginning of
    /// an id that is none, or a text that is too long; [`AdminError::Store`].
    pub async fn events(
        &self,
        caller: &Caller,
        search: &Search,
        before: Option<EventId>,
        limit: u32,
    ) -> Result<EventPage, AdminError> {
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
        let limit = i64::from(limit.clamp(1, MOST_EVENTS));
        if let Some(key) = &search.key {
            return self.under_key(caller, key.trim(), &filter, range).await;
        }
        let found = self.store.search_events(&filter, range, limit).await?;
        Ok(EventPage {
            complete: found.reached.is_none(),
            looked_back_to: found.reached.map(EventId::made_at),
            next: found.reached,
            events: found.rows,
        })
    }

    /// What there is to choose from.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::Store`].
    pub async fn facets(&self, caller: &Caller) -> Result<Facets, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let now = self.clock.now();
        let from = Span::Coarse.last(24, now).first().copied().unwrap_or(now);
        let counted = self.store.counted(Span::Coarse, from, None).await?;
        let events = |source: &str| {
            let new = [Counter::Accepted, Counter::Quarantined];
            let of = counted.iter().filter(|one| one.source == source && new.contains(&one.what));
            of.map(|one| one.count).sum()
        };
        let sources = self.topology.seen_by(caller.tenant());
        let kinds = self.store.recent_kinds(caller.tenant()).await?;
        Ok(Facets {
            sources: sources.map(|source| (source.name.clone(), events(&source.name))).collect(),
            sample: kinds.iter().map(|(_, count)| count).sum(),
            kinds,
        })
    }

    /// The events that stand under this key of any source.
    async fn under_key(
        &self,
        caller: &Caller,
        key: &str,
        filter: &EventFilter,
        range: IdRange,
    ) -> Result<EventPage, AdminError> {
        let mut spaces = vec![EventKey::Signed(key.as_bytes().to_vec())];
        let mut digest = [0; 32];
        if hex::decode_to_slice(key, &mut digest).is_ok() {
            spaces.push(EventKey::BodyDigest(digest));
            spaces.push(EventKey::Signed(digest.to_vec()));
        }
        let sources: Vec<_> = self.topology.seen_by(caller.tenant()).collect();
        let mut digests: Vec<KeyDigest> = Vec::new();
        for source in &sources {
            let (tenant, name) = (&source.tenant, &source.name);
            digests.extend(spaces.iter().map(|space| KeyDigest::of(tenant, name, space)));
            if spaces.len() > 1 {
                let reasons = Quarantine::ALL.into_iter();
                digests.extend(
                    reasons.map(|reason| KeyDigest::of_quarantined(tenant, name, reason, &digest)),
                );
            }
        }
        let mut events = Vec::new();
        for event in self.store.events_under(&digests).await? {
            let only = range.and(IdRange::of(event));
            events.extend(self.store.search_events(filter, only, 1).await?.rows);
        }
        Ok(EventPage { events, next: None, looked_back_to: None, complete: true })
    }
}

fn filter(caller: &Caller, search: &Search) -> Result<EventFilter, AdminError> {
    let invalid = |text: String| Err(AdminError::Invalid(text));
    if let Some(state) = &search.state
        && !["ready", "leased", "done", "dead"].contains(&state.as_str())
    {
        return invalid(format!("unknown state `{state}`; expected ready, leased, done or dead"));
    }
    let text = search.text.as_ref().filter(|text| !text.is_empty());
    if let Some(text) = text {
        caller.needs(Scope::PayloadRead)?;
        if text.len() > MOST_TEXT {
            return invalid(format!("the search text must have at most {MOST_TEXT} bytes"));
        }
    }
    let kind = search.kind.as_deref().filter(|kind| !kind.is_empty());
    let prefix = kind.and_then(|kind| kind.strip_suffix('*'));
    Ok(EventFilter {
        tenant: caller.tenant().map(str::to_owned),
        source: search.source.clone(),
        provider: search.provider.clone(),
        kind: kind.filter(|_| prefix.is_none()).map(str::to_owned),
        kind_prefix: prefix.map(str::to_owned),
        strength: search.strength.map(|strength| strength.as_str().to_owned()),
        state: search.state.clone(),
        text: text.map(|text| text.as_bytes().to_vec()),
    })
}
