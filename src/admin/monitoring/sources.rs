//! Sources: their configuration, and the use of their secrets.

use time::{Duration, OffsetDateTime};

use super::Monitoring;
use super::model::{Counts, Setting, Source, SourceHandshake, SourceSecret, SourceSetup};
use super::topology::SourceFacts;
use super::totals::Totals;
use crate::admin::{AdminError, Caller, Scope};
use crate::store::{
    Counted, HandshakeSecretRow, HandshakeWindow, Pause, PauseTarget, SecretUsage, Span, StoreError,
};

/// A secret replaced this long ago can be removed: no sender retries for longer.
const UNUSED_FOR: Duration = Duration::days(7);

impl Monitoring {
    /// The sources visible to the caller, in configured order.
    pub async fn sources(&self, caller: &Caller) -> Result<Vec<Source>, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let visible = self.topology.visible_to(caller.tenant()).collect();
        self.source_views(visible).await
    }

    pub async fn source(&self, caller: &Caller, name: &str) -> Result<Source, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let not_found = || self.topology.source_not_found(name, caller.tenant());
        let source = self.topology.source(name, caller.tenant()).ok_or_else(not_found)?;
        self.source_views(vec![source]).await?.pop().ok_or_else(not_found)
    }

    /// The effective configuration, key by key, without secrets. It covers all tenants, so a caller
    /// limited to one must not see it.
    ///
    /// # Errors
    /// [`AdminError::AllTenants`].
    pub fn settings(&self, caller: &Caller) -> Result<&[Setting], AdminError> {
        caller.needs_over_all(Scope::Admin)?;
        Ok(&self.topology.settings)
    }

    async fn paused_sources(&self) -> Result<Vec<Pause>, StoreError> {
        let mut pauses = self.store.pauses().await?;
        pauses.retain(|pause| pause.target == PauseTarget::Source);
        Ok(pauses)
    }

    async fn source_views(&self, sources: Vec<&SourceFacts>) -> Result<Vec<Source>, AdminError> {
        let now = self.clock.now();
        let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
        let counted = async |span: Span, count| {
            let from = span.last(count, now).first().copied().unwrap_or(now);
            self.store.counted(span, from, Some(&names)).await
        };
        let (hour, day) = (counted(Span::Fine, 12).await?, counted(Span::Coarse, 24).await?);
        let usage = self.store.secret_usage().await?;
        let pauses = self.paused_sources().await?;
        let (stored, windows) = self.store.handshake_secret_rows(now).await?;
        let base = &self.topology.base_url;
        let counts = |counted: &[Counted], source: &SourceFacts| {
            Totals::of(counted.iter().filter(|one| one.source == source.name)).counts
        };
        let view = |source: &SourceFacts| {
            let usage: Vec<&SecretUsage> =
                usage.iter().filter(|usage| usage.source == source.name).collect();
            let day = counts(&day, source);
            Source {
                name: source.name.clone(),
                provider: source.provider.clone(),
                tenant: source.tenant.clone(),
                enabled: source.enabled,
                setup: setup(source, &usage, &day),
                paused: pauses.iter().find(|pause| pause.name == source.name).cloned(),
                keep_rejected_seconds: source.keep_rejected.map(Duration::as_seconds_f64),
                urls: source.paths.iter().map(|path| format!("{base}{path}")).collect(),
                urls_are_public: self.topology.is_public,
                paths: source.paths.clone(),
                actions: source.actions.clone(),
                headers: source.headers.clone(),
                max_body_bytes: source.max_body,
                signed_time: source.signed_time,
                max_age_seconds: source.window.map(|window| window.max_age),
                max_future_seconds: source.window.map(|window| window.max_future),
                per_second: source.per_second,
                burst: source.burst,
                lane_blocks: source.lane_blocks,
                handlers: source.handlers.clone(),
                handshake: source.stores_secrets.then(|| handshake(source, &windows)),
                secrets: secrets(source, &stored, &usage, now),
                last_event_at: usage.iter().map(|usage| usage.last_at).max(),
                hour: counts(&hour, source),
                day,
            }
        };
        Ok(sources.into_iter().map(view).collect())
    }
}

fn setup(source: &SourceFacts, usage: &[&SecretUsage], day: &Counts) -> SourceSetup {
    match (source.enabled, usage.is_empty(), day.refused) {
        (false, ..) => SourceSetup::Disabled,
        (_, false, _) => SourceSetup::Receiving,
        (_, true, 0) => SourceSetup::Waiting,
        _ => SourceSetup::Refusing,
    }
}

fn handshake(source: &SourceFacts, windows: &[HandshakeWindow]) -> SourceHandshake {
    let is_it = |one: &&HandshakeWindow| one.source == source.name && one.tenant == source.tenant;
    let window = windows.iter().find(is_it);
    SourceHandshake {
        open_until: window.map(|window| window.closes_at),
        opened_by: window.map(|window| window.opened_by.clone()),
    }
}

fn secrets(
    source: &SourceFacts,
    stored: &[HandshakeSecretRow],
    usage: &[&SecretUsage],
    now: OffsetDateTime,
) -> Vec<SourceSecret> {
    let is_it = |one: &&HandshakeSecretRow| {
        source.stores_secrets && one.source == source.name && one.tenant == source.tenant
    };
    let stored: Vec<&HandshakeSecretRow> = stored.iter().filter(is_it).collect();
    let stored_at =
        |secret: &str| stored.iter().find(|one| one.fingerprint == secret).map(|one| one.stored_at);
    let place = |secret: &str| {
        source.secrets.iter().position(|configured| configured == secret).map(|place| place + 1)
    };
    let view = |fingerprint: &String| {
        let used = usage.iter().find(|usage| usage.secret == *fingerprint);
        let other_since = |last: OffsetDateTime| {
            usage.iter().any(|other| other.secret != *fingerprint && other.last_at > last)
        };
        SourceSecret {
            fingerprint: fingerprint.clone(),
            place: place(fingerprint),
            stored_at: stored_at(fingerprint),
            requests: used.map_or(0, |used| used.requests),
            first_at: used.map(|used| used.first_at),
            last_at: used.map(|used| used.last_at),
            removable: used.is_some_and(|used| {
                place(fingerprint).is_some()
                    && now - used.last_at >= UNUSED_FOR
                    && other_since(used.last_at)
            }),
        }
    };
    let once = usage.iter().map(|usage| &usage.secret);
    let once = once.filter(|secret| place(secret).is_none() && stored_at(secret).is_none());
    let kept = stored.iter().map(|one| &one.fingerprint).filter(|one| place(one).is_none());
    source.secrets.iter().chain(kept).chain(once).map(view).collect()
}
