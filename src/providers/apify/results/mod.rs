//! What a run that succeeded brought: items, from the webhook's own body where they stand in it,
//! otherwise from the run's dataset, where an API token is configured. Of a run that collects,
//! every item becomes a [`Metric`]; of one that verifies, each is a [`Profile`] to look into.

mod count;
mod dataset;
mod item;
mod shapes;
#[cfg(test)]
mod tests;
mod verify;

use time::OffsetDateTime;

pub(super) use dataset::Datasets;
use dataset::Item;
pub(super) use item::{Flag, Metric, Profile};
pub(super) use verify::{Finding, look};

use super::payload::{self, Event};
use super::{Platform, Purpose};
use crate::dispatch::Failure;

/// What a run brought.
#[derive(Debug)]
pub(super) struct Results {
    /// What was found.
    pub(super) found: Found,
    /// From where.
    pub(super) origin: Origin,
    /// How many items there were.
    pub(super) items: usize,
    /// Whether there are more.
    pub(super) left_off: bool,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    /// Of posts and accounts, the counts.
    Metrics(Vec<Metric>),
    /// The items' texts: whose profiles are looked for says the register.
    Profiles(Vec<String>),
}

/// Where items are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The webhook's body.
    Payload,
    /// The run's dataset.
    Dataset,
}

impl Origin {
    /// The stored word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Dataset => "dataset",
        }
    }
}

/// Gets results.
pub(super) struct Collector {
    pub(super) purpose: Purpose,
    /// The way to the datasets, where there is a token for them.
    pub(super) datasets: Option<Datasets>,
    /// The most items of one run.
    pub(super) max_items: u64,
}

impl Collector {
    /// What the run brought that ended at `at`; `None` where that is not to be known.
    ///
    /// # Errors
    /// A [`Failure`] of fetching.
    pub(super) async fn collect(
        &self,
        body: &[u8],
        event: &Event,
        at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Option<Results>, Failure> {
        let mut results = Results::none(self.purpose);
        if let Some(items) = payload::items(body) {
            let most = usize::try_from(self.max_items).unwrap_or(usize::MAX);
            results.left_off = items.len() > most;
            items.iter().take(most).for_each(|item| results.add(Some(item.get()), at));
            return Ok(Some(results));
        }
        let (Some(datasets), Some(dataset)) = (&self.datasets, &event.dataset) else {
            return Ok(None);
        };
        results.origin = Origin::Dataset;
        results.left_off = datasets.each(dataset, now, |item| results.add(item, at)).await?;
        Ok(Some(results))
    }
}

impl Results {
    fn none(purpose: Purpose) -> Self {
        let found = match purpose {
            Purpose::Run => Found::Metrics(Vec::new()),
            Purpose::Verify => Found::Profiles(Vec::new()),
        };
        Self { found, origin: Origin::Payload, items: 0, left_off: false }
    }

    fn add(&mut self, item: Item<'_>, at: OffsetDateTime) {
        match (&mut self.found, item) {
            (Found::Metrics(metrics), Some(text)) => {
                metrics.push(Metric::read(text.as_bytes(), None, at));
            }
            (Found::Metrics(metrics), None) => {
                // All that is known of it is where it stands.
                let place = format!("item {}", self.items);
                metrics.push(Metric::flagged(Flag::TooLarge, place.as_bytes(), at));
            }
            (Found::Profiles(texts), Some(text)) => texts.push(text.to_owned()),
            (Found::Profiles(_), None) => {}
        }
        self.items += 1;
    }
}

impl Metric {
    /// The same item, read as one of `platform` where it does not tell.
    pub(super) fn placed(self, platform: Option<Platform>) -> Self {
        match (&self.flag, platform, &self.item) {
            (Some(Flag::NoPlatform), Some(_), Some(item)) => {
                Self::read(item, platform, self.observed_at)
            }
            _ => self,
        }
    }
}
