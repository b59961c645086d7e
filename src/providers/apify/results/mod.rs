//! The results of a successful run: items from the webhook's body if it contains any, otherwise
//! from the run's dataset, if an API token is configured. Items of a collecting run become a
//! [`Metric`] each, those of a verifying run a [`Profile`].

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
pub(super) use verify::{Finding, find_code};

use super::payload::{self, Event};
use super::{Platform, Purpose};
use crate::dispatch::Failure;

/// The results of a run.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) found: Found,
    pub(super) origin: Origin,
    /// The number of items.
    pub(super) items: usize,
    /// Whether items were left out because of the limit.
    pub(super) truncated: bool,
}

/// The items found.
#[derive(Debug)]
pub(super) enum Found {
    Metrics(Vec<Metric>),
    /// The items' raw texts: the platform to parse them for is known only from the stored run.
    Profiles(Vec<String>),
}

/// The origin of the items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Payload,
    Dataset,
}

impl Origin {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Dataset => "dataset",
        }
    }
}

pub(super) struct Collector {
    pub(super) purpose: Purpose,
    /// The client for datasets, if there is a token.
    pub(super) datasets: Option<Datasets>,
    /// The maximum number of items per run.
    pub(super) max_items: u64,
}

impl Collector {
    /// Collects the results of a run that ended at `at`; `None` if they are unavailable.
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
            results.truncated = items.len() > most;
            items.iter().take(most).for_each(|item| results.add(Some(item.get()), at));
            return Ok(Some(results));
        }
        let (Some(datasets), Some(dataset)) = (&self.datasets, &event.dataset) else {
            return Ok(None);
        };
        results.origin = Origin::Dataset;
        results.truncated = datasets.each(dataset, now, |item| results.add(item, at)).await?;
        Ok(Some(results))
    }
}

impl Results {
    fn none(purpose: Purpose) -> Self {
        let found = match purpose {
            Purpose::Run => Found::Metrics(Vec::new()),
            Purpose::Verify => Found::Profiles(Vec::new()),
        };
        Self { found, origin: Origin::Payload, items: 0, truncated: false }
    }

    fn add(&mut self, item: Item<'_>, at: OffsetDateTime) {
        match (&mut self.found, item) {
            (Found::Metrics(metrics), Some(text)) => {
                metrics.push(Metric::read(text.as_bytes(), None, at));
            }
            (Found::Metrics(metrics), None) => {
                // Only its index is known.
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
    /// Reads the item again for `platform` if it does not name one itself.
    pub(super) fn with_platform(self, platform: Option<Platform>) -> Self {
        match (&self.flag, platform, &self.item) {
            (Some(Flag::NoPlatform), Some(_), Some(item)) => {
                Self::read(item, platform, self.observed_at)
            }
            _ => self,
        }
    }
}
