//! Reads the state that the overview and the alarms are computed from.

use std::collections::HashMap;

use time::{Duration, OffsetDateTime};

use super::Monitoring;
use super::alarms::{self, GRACE, SourceStats};
use super::inactivity::Baseline;
use super::model::{Alarm, AlarmKind, SourceRow};
use super::topology::{SourceFacts, Topology};
use super::totals::Totals;
use crate::dispatch::DispatchProblem;
use crate::store::{
    Backlog, Counted, DEAD_LETTER, DatabaseState, DiskState, ExpiringDeadLetters,
    FailingDestination, LateTransfers, OpenAlert, OpenDeadLetterCounts, OpenTransaction, Pause,
    PauseTarget, SecretUsage, Span, StoreError,
};

/// The number of five-minute spans in an hour.
pub(super) const HOUR: u32 = 12;
/// The number of hour spans in a day.
pub(super) const DAY: u32 = 24;
/// The number of days in the baseline of a source.
const WEEK: i64 = 7;
/// More than the number of alerts that can be open at once.
const MAX_ALERTS: i64 = 10_000;
/// A gateway raises its own alerts at every check; after so many seconds of silence they are stale.
const STALE_AFTER: f64 = 60.0;
/// The maximum number of alerts listed individually among the alarms.
const SHOWN_ALERTS: usize = 20;

/// The state of all sources.
pub(super) struct Read {
    pub(super) now: OffsetDateTime,
    pub(super) hour: Vec<Counted>,
    pub(super) day: Vec<Counted>,
    baselines: HashMap<String, Baseline>,
    usage: Vec<SecretUsage>,
    waiting: Vec<Backlog>,
    late: Vec<LateTransfers>,
    pauses: Vec<Pause>,
    /// Open dead letters, by source, handler and reason.
    pub(super) dead_letters: Vec<OpenDeadLetterCounts>,
    /// Open dead letters that will be deleted soon.
    expiring: Vec<ExpiringDeadLetters>,
    destinations: Vec<FailingDestination>,
    pub(super) alerts: Vec<OpenAlert>,
    pub(super) database: DatabaseState,
    /// The disk of the database; `None` where it is not known.
    disk: Option<DiskState>,
    transaction: Option<OpenTransaction>,
    /// The unlisted proxies of this gateway.
    proxies: Vec<Alarm>,
    /// The problems of dispatch in this gateway.
    dispatch_problems: Vec<DispatchProblem>,
}

impl Monitoring {
    pub(super) async fn read(&self) -> Result<Read, StoreError> {
        let now = self.clock.now();
        let store = &self.store;
        let names: Vec<String> =
            self.topology.sources.iter().map(|source| source.name.clone()).collect();
        let destinations = self.topology.destination_names();
        let begin = |span: Span, count| span.last(count, now).first().copied().unwrap_or(now);
        let hour = Span::Coarse.begin(now);
        let (idle, total) = (self.topology.transfer_idle, self.topology.transfer_total);
        let by_hour = store.counted_by_hour(hour - Duration::days(WEEK), hour).await?;
        Ok(Read {
            now,
            hour: store.counted(Span::Fine, begin(Span::Fine, HOUR), None).await?,
            day: store.counted(Span::Coarse, begin(Span::Coarse, DAY), None).await?,
            baselines: baselines(&by_hour, now),
            usage: store.secret_usage().await?,
            waiting: store.backlogs(&names, &destinations, now, GRACE.unsigned_abs()).await?,
            late: store.late_transfers(now, idle, total).await?,
            pauses: store.pauses().await?,
            dead_letters: store.open_dead_letter_counts().await?,
            expiring: store.expiring_dead_letters(&self.topology.warned_of(now)).await?,
            destinations: store.failing_destinations(&destinations, now).await?,
            alerts: store.open_alerts(MAX_ALERTS).await?,
            database: store.database_state().await?,
            disk: store.read_disk().await?,
            transaction: store.oldest_transaction(now).await?,
            proxies: self.proxies.alarms(),
            dispatch_problems: self.dispatch_problems.now(),
        })
    }
}

impl Read {
    /// The alarms visible to a caller of this tenant, or all.
    pub(super) fn alarms(
        &self,
        topology: &Topology,
        tenant: Option<&str>,
        may_see: bool,
    ) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for source in topology.visible_to(tenant) {
            alarms.extend(self.of_source(source));
        }
        let expiring = self.expiring.iter();
        let expiring = expiring.filter(|one| topology.source(&one.source, tenant).is_some());
        alarms.extend(expiring.map(alarms::of_expiring));
        for destination in &self.destinations {
            let configured = topology.destination(&destination.name);
            let theirs = configured.and_then(|configured| configured.tenant.as_deref());
            if tenant.is_none() || tenant == theirs {
                let configured = configured.is_some();
                alarms.extend(alarms::of_destination(destination, configured, self.now));
            }
        }
        let own = |name: &str| topology.source(name, tenant).is_some();
        let alerts = self.alerts.iter().filter(|alert| is_of_others(alert));
        let alerts = alerts.filter(|alert| tenant.is_none() || own(&alert.source));
        alarms.extend(alerts.take(SHOWN_ALERTS).map(|alert| alarms::of_alert(alert, may_see)));
        let pauses = self.pauses.iter().filter(|pause| match pause.target {
            PauseTarget::Source => tenant.is_none() || own(&pause.name),
            PauseTarget::Handler => tenant.is_none(),
        });
        alarms.extend(pauses.map(|pause| alarms::of_pause(pause, self.now)));
        // All tenants share the gateway, so all callers see its problems.
        let clocks = alarms::of_clocks(self.now, self.database.now);
        alarms.extend(self.or_of_another(AlarmKind::Clock, clocks));
        alarms.extend(self.or_of_another(AlarmKind::Disk, alarms::of_disk(self.disk)));
        alarms.extend(alarms::of_database(self.database));
        let seen = |alarm: &Alarm| tenant.is_none() || alarm.source.as_deref().is_some_and(own);
        alarms.extend(self.of_dispatch().into_iter().filter(seen));
        if tenant.is_none() {
            alarms.extend(self.of_proxies());
            alarms.extend(alarms::of_transaction(self.transaction.as_ref(), self.now));
            alarms.extend(alarms::of_wrong_paths(&self.totals("").0.counts));
            alarms.extend(self.of_unconfigured(topology));
        }
        alarms
    }

    /// This gateway's own alarm, or else one that another gateway has raised an alert for.
    fn or_of_another(&self, kind: AlarmKind, own: Option<Alarm>) -> Option<Alarm> {
        own.or_else(|| {
            let other = self.alerts.iter().find(|alert| kind_of(alert) == Some(kind));
            other.filter(|one| !is_stale(one)).map(|alert| alarms::of_alert(alert, true))
        })
    }

    /// Unlisted proxies of this gateway and, by their alerts, of others.
    fn of_proxies(&self) -> Vec<Alarm> {
        self.with_others(AlarmKind::Proxy, self.proxies.clone())
    }

    /// Problems of dispatch in this gateway and, by their alerts, in others.
    fn of_dispatch(&self) -> Vec<Alarm> {
        let own = self.dispatch_problems.iter();
        let own = own.filter_map(|problem| alarms::of_problem(problem, self.now));
        self.with_others(AlarmKind::Stuck, own.collect())
    }

    /// This gateway's own alarms, followed by those that other gateways have raised alerts for.
    fn with_others(&self, kind: AlarmKind, own: Vec<Alarm>) -> Vec<Alarm> {
        let is_own = |alert: &OpenAlert| {
            let source = Some(&alert.source).filter(|source| !source.is_empty());
            own.iter().any(|alarm| {
                alarm.name.as_ref() == Some(&alert.key) && alarm.source.as_ref() == source
            })
        };
        let others = self.alerts.iter().filter(|alert| {
            kind_of(alert) == Some(kind)
                && kind.is_local(&alert.key)
                && !is_stale(alert)
                && !is_own(alert)
        });
        let others: Vec<Alarm> = others.map(|alert| alarms::of_alert(alert, true)).collect();
        own.into_iter().chain(others).collect()
    }

    /// Dead letters of sources that are no longer configured.
    fn of_unconfigured(&self, topology: &Topology) -> Vec<Alarm> {
        let unknown = |name: &str| topology.source(name, None).is_none();
        let unconfigured: Vec<&OpenDeadLetterCounts> =
            self.dead_letters.iter().filter(|dead_letters| unknown(&dead_letters.source)).collect();
        let mut names: Vec<&str> =
            unconfigured.iter().map(|dead_letters| dead_letters.source.as_str()).collect();
        names.dedup();
        let of = |name: &str| {
            let own: Vec<&OpenDeadLetterCounts> = unconfigured
                .iter()
                .copied()
                .filter(|dead_letters| dead_letters.source == name)
                .collect();
            alarms::of_dead_letters(name, &own)
        };
        names.into_iter().filter_map(of).collect()
    }

    /// The totals of a source for the last hour and the last day.
    pub(super) fn totals(&self, source: &str) -> (Totals, Totals) {
        let of = |counted: &[Counted]| {
            Totals::of(counted.iter().filter(|counted| counted.source == source))
        };
        (of(&self.hour), of(&self.day))
    }

    /// The use of a source's secrets, the most recently used first.
    fn usage<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a SecretUsage> {
        self.usage.iter().filter(move |usage| usage.source == source)
    }

    fn waiting(&self, source: &str) -> Option<&Backlog> {
        self.waiting.iter().find(|waiting| waiting.source == source)
    }

    fn of_source(&self, source: &SourceFacts) -> Vec<Alarm> {
        let name = &source.name;
        let (hour, _) = self.totals(name);
        let dead_letters: Vec<&OpenDeadLetterCounts> =
            self.dead_letters.iter().filter(|dead_letters| dead_letters.source == *name).collect();
        let stats = SourceStats {
            source,
            hour: &hour,
            baseline: self.baselines.get(name).copied().unwrap_or_default(),
            last_event: self.usage(name).map(|usage| usage.last_at).max(),
            waiting: self.waiting(name),
            late: self.late.iter().find(|late| late.source == *name),
            dead_letters: &dead_letters,
        };
        alarms::of_source(&stats, self.now)
    }

    pub(super) fn row(&self, source: &SourceFacts) -> SourceRow {
        let name = &source.name;
        let (hour, day) = self.totals(name);
        let oldest = self.waiting(name).and_then(|waiting| waiting.oldest);
        SourceRow {
            name: name.clone(),
            provider: source.provider.clone(),
            tenant: source.tenant.clone(),
            enabled: source.enabled,
            paused_at: self
                .pauses
                .iter()
                .find(|pause| pause.target == PauseTarget::Source && pause.name == *name)
                .map(|pause| pause.paused_at),
            hour_line: self.line(name, Span::Fine, HOUR, &self.hour),
            day_line: self.line(name, Span::Coarse, DAY, &self.day),
            waiting_seconds: oldest
                .map(|since| (self.now - since).max(Duration::ZERO).as_seconds_f64()),
            p95_seconds: hour.seconds_within(95),
            last_event_at: self.usage(name).map(|usage| usage.last_at).max(),
            secret: self.usage(name).next().map(|usage| usage.secret.clone()),
            hour: hour.counts,
            day: day.counts,
        }
    }

    fn line(&self, source: &str, span: Span, count: u32, counted: &[Counted]) -> Vec<u64> {
        let begins = span.last(count, self.now);
        let mut line = vec![0; begins.len()];
        for one in counted.iter().filter(|one| one.source == source && one.what.is_verified()) {
            let place = begins.binary_search(&one.bucket).ok();
            if let Some(point) = place.and_then(|place| line.get_mut(place)) {
                *point += one.count;
            }
        }
        line
    }
}

/// The type of alarm an alert was raised for; `None` if it was not raised for an alarm.
pub(super) fn kind_of(alert: &OpenAlert) -> Option<AlarmKind> {
    alert.alert_type.parse().ok()
}

/// Whether a gateway's alert about itself is stale.
pub(super) fn is_stale(alert: &OpenAlert) -> bool {
    alert.quiet_seconds > STALE_AFTER
}

/// Whether it was raised by a provider or about an operator's action. Alerts raised here are shown
/// as their alarm.
fn is_of_others(alert: &OpenAlert) -> bool {
    alert.alert_type != DEAD_LETTER && kind_of(alert).is_none()
}

/// The counts at each hour of the day, and the time of the first count.
type Hours = (Vec<(u8, u64)>, OffsetDateTime);

fn baselines(
    by_hour: &[(String, u8, u64, OffsetDateTime)],
    now: OffsetDateTime,
) -> HashMap<String, Baseline> {
    let mut sources: HashMap<&str, Hours> = HashMap::new();
    for (source, hour, count, first) in by_hour {
        let known = sources.entry(source).or_insert_with(|| (Vec::new(), *first));
        known.0.push((*hour, *count));
        known.1 = known.1.min(*first);
    }
    let baseline = |(source, (hours, first)): (&str, Hours)| {
        let days = ((now - first).whole_hours() + 23) / 24;
        let days = u32::try_from(days.clamp(1, WEEK)).unwrap_or(1);
        (source.to_owned(), Baseline::of(&hours, days))
    };
    sources.into_iter().map(baseline).collect()
}
