//! Is anything wrong? Answered from counters, and from the indexes of what waits: however much is
//! stored, it costs the same.

use time::{Duration, OffsetDateTime};

use super::Monitoring;
use super::alarms::{self, Alarm};
use super::reading::{DAY, HOUR};
use super::topology::SourceFacts;
use super::totals::{Series, Totals};
use crate::admin::{AdminError, Caller, Scope};
use crate::store::{Counted, Severity, Span};

/// How everything stands. Counts are approximate: a few seconds old, and the last hour begins at a
/// multiple of five minutes, the last day at a full hour.
#[derive(Debug, Clone)]
pub struct Overview {
    /// When it was asked.
    pub at: OffsetDateTime,
    /// What is wrong, what matters most first.
    pub alarms: Vec<Alarm>,
    /// Whether alerts are told to anybody; without a channel they are only kept.
    pub alerts_are_told: bool,
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

impl Overview {
    /// How much what is wrong matters, at most; `None` where nothing is wrong.
    pub fn severity(&self) -> Option<Severity> {
        self.alarms.iter().map(|alarm| alarm.severity).max()
    }
}

impl Monitoring {
    /// How everything stands now.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::Store`].
    pub async fn overview(&self, caller: &Caller) -> Result<Overview, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let read = self.read().await?;
        let now = read.now;
        let seen: Vec<&SourceFacts> = self.topology.seen_by(caller.tenant()).collect();
        let among = |counted: &&Counted| seen.iter().any(|source| source.name == counted.source);
        let series = |span, count, counted: &[Counted]| {
            let counted: Vec<&Counted> = counted.iter().filter(among).collect();
            Series::of(span, count, now, &counted)
        };
        let alarms = read.alarms(&self.topology, caller.tenant(), caller.may(Scope::PayloadRead));
        Ok(Overview {
            at: now,
            alarms: alarms::in_order(alarms, &self.topology),
            alerts_are_told: self.topology.alerts_are_told,
            sources: seen.iter().map(|source| read.row(source)).collect(),
            elsewhere: caller.tenant().is_none().then(|| read.totals("").1),
            hour: series(Span::Fine, HOUR, &read.hour),
            day: series(Span::Coarse, DAY, &read.day),
        })
    }
}
