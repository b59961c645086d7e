//! Raises an alert for every alarm that begins, closes it when the alarm is over, and sets a gauge of
//! alarms.

use strum::VariantArray as _;
use tracing::warn;

use super::Monitoring;
use super::alarms::who;
use super::model::{Alarm, AlarmKind};
use super::reading::{Read, is_stale, kind_of};
use crate::store::Tx;
use crate::store::{
    Alert, AlertResolution, DEAD_LETTER, OpenAlert, OpenDeadLetterCounts, QUARANTINE, Severity,
    StoreError,
};

/// The gauge of alarms, by kind and severity.
const GAUGE: &str = "sealpost_alarms";

/// The identity of an alert: source, type and key.
type Identity<'a> = (&'a str, &'a str, &'a str);

impl Monitoring {
    /// Raises an alert for every alarm that has begun, updates those that continue, and resolves
    /// those that are over; returns how many began or ended. Call it every few seconds.
    pub async fn raise_alarms(&self) -> Result<u64, StoreError> {
        let read = match self.read().await {
            Ok(read) => read,
            Err(error) => {
                // An unreadable database is an alarm. The other gauges stay as they were.
                gauge(AlarmKind::Database, Severity::Critical, 1);
                return Err(error);
            }
        };
        let alarms = read.alarms(&self.topology, None, true);
        measure(&alarms);
        if read.database.only_reads {
            // No alert can be stored. The channel is notified directly.
            return Ok(0);
        }
        let mut tx = self.store.begin().await?;
        let mut changed = update_alerts(&mut tx, &read, &alarms).await?;
        changed += update_dead_letter_alerts(&mut tx, &read).await?;
        tx.commit(()).await?;
        Ok(changed)
    }
}

impl Monitoring {
    /// Raises an alert that the alarms cannot be read: a table is locked, or the database is too
    /// slow. [`Monitoring::raise_alarms`] resolves it.
    pub async fn raise_unreadable_alarm(&self) -> Result<(), StoreError> {
        gauge(AlarmKind::Database, Severity::Critical, 1);
        let mut tx = self.store.begin().await?;
        let alert = Alert {
            alert_type: AlarmKind::Database.as_str(),
            key: "",
            severity: Severity::Critical,
            source: "",
            event: None,
            text: "cannot read alarms from the database: a table may be locked, or the database is \
                   too slow",
            passing: false,
        };
        tx.alert_with_count(&alert, 1).await?;
        tx.commit(()).await?;
        Ok(())
    }
}

fn measure(alarms: &[Alarm]) {
    for &kind in AlarmKind::VARIANTS {
        for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
            let of = |alarm: &&Alarm| alarm.kind == kind && alarm.severity == severity;
            gauge(kind, severity, alarms.iter().filter(of).count());
        }
    }
}

fn gauge(kind: AlarmKind, severity: Severity, count: usize) {
    let (kind, severity) = (kind.as_str(), severity.as_str());
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    metrics::gauge!(GAUGE, "kind" => kind, "severity" => severity).set(f64::from(count));
}

async fn update_alerts(tx: &mut Tx<'_>, read: &Read, alarms: &[Alarm]) -> Result<u64, StoreError> {
    let notified: Vec<&Alarm> = alarms.iter().filter(|alarm| alarm.kind.raises_alert()).collect();
    let mut changed = 0;
    for known in &read.alerts {
        let Some(kind) = kind_of(known).filter(|kind| kind.raises_alert()) else {
            continue;
        };
        if notified.iter().any(|alarm| identity(alarm) == identity_of(known)) {
            continue;
        }
        if kind.is_local(&known.key) && !is_stale(known) {
            continue;
        }
        let over = kind.resolved_text(&known.source, &known.key);
        changed += end(tx, known, kind.as_str(), &over).await?;
    }
    for alarm in notified {
        let (source, kind, key) = identity(alarm);
        let known = read.alerts.iter().find(|known| identity_of(known) == (source, kind, key));
        let is_current =
            known.is_some_and(|known| known.text == alarm.text && known.severity >= alarm.severity);
        if is_current && !alarm.kind.is_local(key) {
            continue;
        }
        let kind = alarm.kind.as_str();
        let alert = Alert {
            alert_type: kind,
            key,
            severity: alarm.severity,
            source,
            event: None,
            text: &alarm.text,
            passing: false,
        };
        tx.alert_with_count(&alert, 1).await?;
        if known.is_none() {
            warn!(kind, source.name = source, about = key, text = alarm.text, "alarm raised");
            changed += 1;
        }
    }
    Ok(changed)
}

/// Dead letters have alerts by handler and reason, raised when a handler fails for good. Dead
/// letters that no handler has processed, and those without an alert, get one here; this is also
/// where all of them are resolved.
async fn update_dead_letter_alerts(tx: &mut Tx<'_>, read: &Read) -> Result<u64, StoreError> {
    let mut changed = 0;
    let is = |known: &OpenAlert, dead_letters: &OpenDeadLetterCounts| {
        known.alert_type == DEAD_LETTER
            && known.source == dead_letters.source
            && known.key == key(dead_letters)
    };
    for known in read.alerts.iter().filter(|known| known.alert_type == DEAD_LETTER) {
        if !read.dead_letters.iter().any(|dead_letters| is(known, dead_letters)) {
            let (source, key) = (&known.source, who(&known.key));
            let text = format!("no open dead letter of {source} any more: {key}");
            changed += end(tx, known, DEAD_LETTER, &text).await?;
        }
    }
    for dead_letters in &read.dead_letters {
        let known = read.alerts.iter().find(|known| is(known, dead_letters));
        let current = known.is_some_and(|known| {
            dead_letters.handler != QUARANTINE || known.count == dead_letters.open
        });
        if current {
            continue;
        }
        let text = if dead_letters.handler == QUARANTINE {
            format!("authentic requests quarantined: {}", dead_letters.death_reason)
        } else {
            who(&key(dead_letters))
        };
        let alert = Alert {
            alert_type: DEAD_LETTER,
            key: &key(dead_letters),
            severity: Severity::Warning,
            source: &dead_letters.source,
            event: None,
            text: &text,
            passing: false,
        };
        tx.alert_with_count(&alert, dead_letters.open).await?;
        changed += u64::from(known.is_none());
    }
    Ok(changed)
}

async fn end(
    tx: &mut Tx<'_>,
    known: &OpenAlert,
    alert_type: &'static str,
    text: &str,
) -> Result<u64, StoreError> {
    let (key, source) = (&*known.key, &*known.source);
    let resolution = AlertResolution { alert_type, key, source, event: None, text };
    Ok(tx.close_alert(&resolution).await?.into())
}

fn identity(alarm: &Alarm) -> Identity<'_> {
    let source = alarm.source.as_deref().unwrap_or_default();
    (source, alarm.kind.as_str(), alarm.name.as_deref().unwrap_or_default())
}

fn identity_of(known: &OpenAlert) -> Identity<'_> {
    (&known.source, &known.alert_type, &known.key)
}

fn key(dead_letters: &OpenDeadLetterCounts) -> String {
    format!("{} {}", dead_letters.handler, dead_letters.death_reason)
}
