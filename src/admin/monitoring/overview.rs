//! The overview. It is read from counters and from the indexes of waiting deliveries: its cost does
//! not depend on the number of events.

use super::Monitoring;
use super::alarms;
use super::model::{Overview, Series};
use super::reading::{DAY, HOUR};
use super::topology::SourceFacts;
use crate::admin::{AdminError, Caller, Scope};
use crate::store::{Counted, Span};

impl Monitoring {
    /// The overview of the sources visible to the caller.
    pub async fn overview(&self, caller: &Caller) -> Result<Overview, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let read = self.read().await?;
        let now = read.now;
        let seen: Vec<&SourceFacts> = self.topology.visible_to(caller.tenant()).collect();
        let among = |counted: &&Counted| seen.iter().any(|source| source.name == counted.source);
        let series = |span, count, counted: &[Counted]| {
            let counted: Vec<&Counted> = counted.iter().filter(among).collect();
            Series::of(span, count, now, &counted)
        };
        let alarms = read.alarms(&self.topology, caller.tenant(), caller.may(Scope::PayloadRead));
        Ok(Overview {
            at: now,
            severity: alarms.iter().map(|alarm| alarm.severity).max(),
            alarms: alarms::in_order(alarms, &self.topology),
            alerts_are_sent: self.topology.alerts_are_sent,
            sources: seen.iter().map(|source| read.row(source)).collect(),
            elsewhere: caller.tenant().is_none().then(|| read.totals("").1.counts),
            hour: series(Span::Fine, HOUR, &read.hour),
            day: series(Span::Coarse, DAY, &read.day),
        })
    }
}
