//! Sources: how they are set up, which of their secrets are used, and what keeps a new one from
//! being set up.

use time::{Duration, OffsetDateTime};

use super::Monitoring;
use super::topology::{Setting, SourceFacts};
use super::totals::Totals;
use crate::admin::{AdminError, Caller, Scope};
use crate::store::{Counted, Pause, PauseTarget, SecretUsage, Span, StoreError};

/// A secret that another one has replaced for so long is no longer needed: longer than any sender
/// goes on repeating what it signed before.
const UNUSED_FOR: Duration = Duration::days(7);

/// A source.
#[derive(Debug, Clone)]
pub struct SourceView {
    /// How it is configured.
    pub facts: SourceFacts,
    /// What its sender calls, its own path first. `{action}` stands for one of its actions.
    pub urls: Vec<String>,
    /// Whether that is so: without a public URL in the configuration it is the listener's own
    /// address, which senders reach by what stands in front of it.
    pub is_public: bool,
    /// Why it is paused; `None` where it is not.
    pub pause: Option<Pause>,
    /// How far it is set up.
    pub setup: Setup,
    /// Its secrets in configured order, then those that were used once.
    pub secrets: Vec<SecretView>,
    /// When something authentic last came.
    pub last_event: Option<OffsetDateTime>,
    /// What was counted in the last hour. Why requests were refused is in `reasons`.
    pub hour: Totals,
    /// What was counted in the last day.
    pub day: Totals,
}

/// How far a source is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// It lets nothing in.
    Disabled,
    /// Nothing has come yet.
    Waiting,
    /// Requests arrive, and none was authentic yet.
    Refusing,
    /// It has received something authentic.
    Receiving,
}

/// A secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretView {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its place among the configured ones, from 1; `None` where it is not configured any more.
    pub place: Option<usize>,
    /// How many requests it has verified.
    pub requests: u64,
    /// When it first did.
    pub first_at: Option<OffsetDateTime>,
    /// When it last did.
    pub last_at: Option<OffsetDateTime>,
    /// Whether it can be removed: it was used once, and for a week only others were. One that was
    /// never used may be the next.
    pub removable: bool,
}

impl Setup {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Waiting => "waiting",
            Self::Refusing => "refusing",
            Self::Receiving => "receiving",
        }
    }
}

impl Monitoring {
    /// Every source that the caller sees, in configured order.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::Store`].
    pub async fn sources(&self, caller: &Caller) -> Result<Vec<SourceView>, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let seen = self.topology.seen_by(caller.tenant()).collect();
        self.source_views(seen).await
    }

    /// One source.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::NotFound`];
    /// [`AdminError::Store`].
    pub async fn source(&self, caller: &Caller, name: &str) -> Result<SourceView, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let not_found = || AdminError::NotFound(format!("source `{name}`"));
        let source = self.topology.source(name, caller.tenant()).ok_or_else(not_found)?;
        self.source_views(vec![source]).await?.pop().ok_or_else(not_found)
    }

    /// The configuration in effect, key by key, without a secret in it. It is of all tenants
    /// together: who sees one sees its sources, and nothing of the others'.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::Admin`]; [`AdminError::AllTenants`].
    pub fn settings(&self, caller: &Caller) -> Result<&[Setting], AdminError> {
        caller.needs_over_all(Scope::Admin)?;
        Ok(&self.topology.settings)
    }

    /// The sources that are paused.
    async fn paused_sources(&self) -> Result<Vec<Pause>, StoreError> {
        let mut pauses = self.store.pauses().await?;
        pauses.retain(|pause| pause.what == PauseTarget::Source);
        Ok(pauses)
    }

    async fn source_views(
        &self,
        sources: Vec<&SourceFacts>,
    ) -> Result<Vec<SourceView>, AdminError> {
        let now = self.clock.now();
        let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
        let counted = async |span: Span, count| {
            let from = span.last(count, now).first().copied().unwrap_or(now);
            self.store.counted(span, from, Some(&names)).await
        };
        let (hour, day) = (counted(Span::Fine, 12).await?, counted(Span::Coarse, 24).await?);
        let usage = self.store.secret_usage().await?;
        let pauses = self.paused_sources().await?;
        let base = &self.topology.base_url;
        let totals = |counted: &[Counted], source: &SourceFacts| {
            Totals::of(counted.iter().filter(|one| one.source == source.name))
        };
        let view = |source: &SourceFacts| {
            let usage: Vec<&SecretUsage> =
                usage.iter().filter(|usage| usage.source == source.name).collect();
            let day = totals(&day, source);
            SourceView {
                urls: source.paths.iter().map(|path| format!("{base}{path}")).collect(),
                is_public: self.topology.is_public,
                pause: pauses.iter().find(|pause| pause.name == source.name).cloned(),
                setup: setup(source, &usage, &day),
                secrets: secrets(source, &usage, now),
                last_event: usage.iter().map(|usage| usage.last_at).max(),
                hour: totals(&hour, source),
                day,
                facts: source.clone(),
            }
        };
        Ok(sources.into_iter().map(view).collect())
    }
}

fn setup(source: &SourceFacts, usage: &[&SecretUsage], day: &Totals) -> Setup {
    match (source.enabled, usage.is_empty(), day.refused) {
        (false, ..) => Setup::Disabled,
        (_, false, _) => Setup::Receiving,
        (_, true, 0) => Setup::Waiting,
        _ => Setup::Refusing,
    }
}

fn secrets(source: &SourceFacts, usage: &[&SecretUsage], now: OffsetDateTime) -> Vec<SecretView> {
    let place = |secret: &str| {
        source.secrets.iter().position(|configured| configured == secret).map(|place| place + 1)
    };
    let view = |fingerprint: &String| {
        let used = usage.iter().find(|usage| usage.secret == *fingerprint);
        let other_since = |last: OffsetDateTime| {
            usage.iter().any(|other| other.secret != *fingerprint && other.last_at > last)
        };
        SecretView {
            fingerprint: fingerprint.clone(),
            place: place(fingerprint),
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
    let once = usage.iter().map(|usage| &usage.secret).filter(|secret| place(secret).is_none());
    source.secrets.iter().chain(once).map(view).collect()
}
