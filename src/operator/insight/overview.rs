//! Is anything wrong? Answered from tallies, and from the indexes of what waits: however much is
//! stored, it costs the same.

use std::collections::HashMap;

use time::{Duration, OffsetDateTime};

use super::alarms::{self, Alarm, Facts, STUCK_AFTER};
use super::landscape::SourceFacts;
use super::silence::Habit;
use super::totals::{Series, Totals};
use super::{AlarmKind, Insight};
use crate::operator::{Caller, OperatorError, Scope};
use crate::store::{
    Alert, Counted, Hold, LateTransfers, Recovery, SecretUsage, Span, StoreError, Waiting,
};

/// How many spans of five minutes are an hour.
const HOUR: u32 = 12;
/// How many spans of an hour are a day.
const DAY: u32 = 24;
/// From how many days a source's habits are learnt.
const WEEK: i64 = 7;

/// How everything stands. Counts are approximate: a few seconds old, and the last hour begins at a
/// multiple of five minutes, the last day at a full hour.
#[derive(Debug, Clone)]
pub struct Overview {
    /// When it was asked.
    pub at: OffsetDateTime,
    /// What is wrong, what matters most first.
    pub alarms: Vec<Alarm>,
    /// Every source that the caller sees, in configured order.
    pub sources: Vec<SourceRow>,
    /// Requests to paths that are no source's, in the last day; for who sees all tenants.
    pub elsewhere: Option<Totals>,
    /// All sources together, the last hour by five minutes.
    pub hour: Series,
    /// All sources together, the last day by hours.
    pub day: Series,
}

/// How one source stands.
#[derive(Debug, Clone)]
pub struct SourceRow {
    /// Its name.
    pub name: String,
    /// What kind of sender it is.
    pub provider: String,
    /// To whom it belongs.
    pub tenant: String,
    /// Whether it lets anything in.
    pub enabled: bool,
    /// Since when it is paused; `None` where it is not.
    pub paused_at: Option<OffsetDateTime>,
    /// The last hour.
    pub hour: Totals,
    /// The last day.
    pub day: Totals,
    /// Requests that were authentic, by five minutes, oldest first.
    pub hour_line: Vec<u64>,
    /// The same by hours.
    pub day_line: Vec<u64>,
    /// How long the delivery that waits longest has been due.
    pub waiting: Option<Duration>,
    /// Within what time 95 of 100 authentic requests were answered in the last hour.
    pub p95: Option<Duration>,
    /// When something authentic last came.
    pub last_event: Option<OffsetDateTime>,
    /// The fingerprint of the secret that was used last.
    pub secret: Option<String>,
}

/// What is read, for all sources.
struct Read {
    now: OffsetDateTime,
    hour: Vec<Counted>,
    day: Vec<Counted>,
    habits: HashMap<String, Habit>,
    usage: Vec<SecretUsage>,
    waiting: Vec<Waiting>,
    late: Vec<LateTransfers>,
    paused: Vec<Hold>,
}

impl Insight {
    /// How everything stands now.
    ///
    /// # Errors
    /// [`OperatorError::Denied`] without [`Scope::EventsRead`]; [`OperatorError::Store`].
    pub async fn overview(&self, caller: &Caller) -> Result<Overview, OperatorError> {
        caller.needs(Scope::EventsRead)?;
        let read = self.read().await?;
        let now = read.now;
        let seen: Vec<&SourceFacts> = self.landscape.seen_by(caller.tenant()).collect();
        let mut alarms: Vec<Alarm> = seen.iter().flat_map(|source| read.alarms(source)).collect();
        alarms.extend(alarms::of_clocks(now, self.store.ping().await?));
        let among = |counted: &&Counted| seen.iter().any(|source| source.name == counted.source);
        let series = |span, count, counted: &[Counted]| {
            let counted: Vec<&Counted> = counted.iter().filter(among).collect();
            Series::of(span, count, now, &counted)
        };
        Ok(Overview {
            at: now,
            alarms: alarms::in_order(alarms, &self.landscape),
            sources: seen.iter().map(|source| read.row(source)).collect(),
            elsewhere: caller.tenant().is_none().then(|| read.totals("").1),
            hour: series(Span::Fine, HOUR, &read.hour),
            day: series(Span::Coarse, DAY, &read.day),
        })
    }

    /// Raises an alert for every alarm that has begun, and says what is over. To be called now and
    /// then; gives how many of both.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn raise_alarms(&self) -> Result<u64, StoreError> {
        let read = self.read().await?;
        let alarms = self.landscape.sources.iter().flat_map(|source| read.alarms(source));
        let now: Vec<Alarm> =
            alarms.filter(|alarm| AlarmKind::TOLD.contains(&alarm.kind)).collect();
        let words = AlarmKind::TOLD.map(AlarmKind::as_str);
        let known = self.store.alerts_going_on(&words).await?;
        let is = |alarm: &Alarm, (source, kind): &(String, String)| {
            alarm.kind.as_str() == kind && alarm.source.as_ref() == Some(source)
        };
        let begun: Vec<&Alarm> =
            now.iter().filter(|alarm| !known.iter().any(|known| is(alarm, known))).collect();
        let over: Vec<(&String, AlarmKind)> = known
            .iter()
            .filter(|known| !now.iter().any(|alarm| is(alarm, known)))
            .filter_map(|(source, word)| {
                let kind = AlarmKind::TOLD.into_iter().find(|kind| kind.as_str() == word)?;
                Some((source, kind))
            })
            .collect();
        if begun.is_empty() && over.is_empty() {
            return Ok(0);
        }
        let mut tx = self.store.begin().await?;
        for (source, kind) in &over {
            let text = kind.over(source);
            let recovery = Recovery { kind: kind.as_str(), key: "", source, text: &text };
            tx.alert_is_over(&recovery).await?;
        }
        for alarm in &begun {
            tx.alert(&Alert {
                kind: alarm.kind.as_str(),
                key: "",
                severity: alarm.severity,
                source: alarm.source.as_deref().unwrap_or_default(),
                text: &alarm.text,
            })
            .await?;
        }
        let changed = (begun.len() + over.len()) as u64;
        Ok(tx.commit(changed).await?.into_inner())
    }

    async fn read(&self) -> Result<Read, StoreError> {
        let now = self.clock.now();
        let names: Vec<String> =
            self.landscape.sources.iter().map(|source| source.name.clone()).collect();
        let begin = |span: Span, count| span.last(count, now).first().copied().unwrap_or(now);
        let hour = Span::Coarse.begin(now);
        let by_hour = self.store.counted_by_hour(hour - Duration::days(WEEK), hour).await?;
        Ok(Read {
            now,
            paused: self.paused_sources().await?,
            hour: self.store.counted(Span::Fine, begin(Span::Fine, HOUR), None).await?,
            day: self.store.counted(Span::Coarse, begin(Span::Coarse, DAY), None).await?,
            habits: habits(&by_hour, now),
            usage: self.store.secret_usage().await?,
            waiting: self
                .store
                .waiting(&names, &self.landscape.destinations, now, STUCK_AFTER)
                .await?,
            late: self
                .store
                .late_transfers(now, self.landscape.transfer_idle, self.landscape.transfer_total)
                .await?,
        })
    }
}

impl Read {
    /// The last hour and the last day of a source.
    fn totals(&self, source: &str) -> (Totals, Totals) {
        let of = |counted: &[Counted]| {
            Totals::of(counted.iter().filter(|counted| counted.source == source))
        };
        (of(&self.hour), of(&self.day))
    }

    /// How a source's secrets are used, the one that was used last first.
    fn usage<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a SecretUsage> {
        self.usage.iter().filter(move |usage| usage.source == source)
    }

    fn waiting(&self, source: &str) -> Option<&Waiting> {
        self.waiting.iter().find(|waiting| waiting.source == source)
    }

    fn alarms(&self, source: &SourceFacts) -> Vec<Alarm> {
        let name = &source.name;
        let (hour, _) = self.totals(name);
        let facts = Facts {
            source,
            hour: &hour,
            habit: self.habits.get(name).copied().unwrap_or_default(),
            last_event: self.usage(name).map(|usage| usage.last_at).max(),
            waiting: self.waiting(name),
            late: self.late.iter().find(|late| late.source == *name),
        };
        alarms::of_source(&facts, self.now)
    }

    fn row(&self, source: &SourceFacts) -> SourceRow {
        let name = &source.name;
        let (hour, day) = self.totals(name);
        let oldest = self.waiting(name).and_then(|waiting| waiting.oldest);
        SourceRow {
            name: name.clone(),
            provider: source.provider.clone(),
            tenant: source.tenant.clone(),
            enabled: source.enabled,
            paused_at: self
                .paused
                .iter()
                .find(|hold| hold.name == *name)
                .map(|hold| hold.paused_at),
            hour_line: self.line(name, Span::Fine, HOUR, &self.hour),
            day_line: self.line(name, Span::Coarse, DAY, &self.day),
            waiting: oldest.map(|since| (self.now - since).max(Duration::ZERO)),
            p95: hour.answered_within(95),
            last_event: self.usage(name).map(|usage| usage.last_at).max(),
            secret: self.usage(name).next().map(|usage| usage.secret.clone()),
            hour,
            day,
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

/// What was counted of a source at each hour of the day, and when it was counted first.
type Hours = (Vec<(u8, u64)>, OffsetDateTime);

/// What each source usually sends, of the days since it was first counted.
fn habits(
    by_hour: &[(String, u8, u64, OffsetDateTime)],
    now: OffsetDateTime,
) -> HashMap<String, Habit> {
    let mut sources: HashMap<&str, Hours> = HashMap::new();
    for (source, hour, count, first) in by_hour {
        let known = sources.entry(source).or_insert_with(|| (Vec::new(), *first));
        known.0.push((*hour, *count));
        known.1 = known.1.min(*first);
    }
    let habit = |(source, (hours, first)): (&str, Hours)| {
        let days = ((now - first).whole_hours() + 23) / 24;
        let days = u32::try_from(days.clamp(1, WEEK)).unwrap_or(1);
        (source.to_owned(), Habit::of(&hours, days))
    };
    sources.into_iter().map(habit).collect()
}
