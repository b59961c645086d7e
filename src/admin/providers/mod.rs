//! Providers: what is known about each kind of sender. It is the same for everybody, so no scope is
//! required.
//!
//! - A [`Provider`] is a model that the application makes of what the program knows.
//! - [`Provider::facts`] puts it into words; all surfaces show these.

mod facts;
mod model;

use std::sync::LazyLock;

pub use facts::{Fact, FactGroup};
pub use model::{
    Provider, ProviderLevel, ProviderOption, ProviderProof, ProviderSender, ProviderSummary,
    ReplayProtection,
};

use super::AdminError;
use crate::near_names::near_titled;

/// All providers. They are made when they are first needed.
#[derive(Debug, Clone, Copy)]
pub struct Providers {
    all: &'static LazyLock<Vec<Provider>>,
    /// A source of a sender that no provider describes, to fill in.
    template: &'static str,
}

/// Which providers are listed; all that match everything given.
#[derive(Debug, Clone, Default)]
pub struct ProviderFilter {
    pub level: Option<ProviderLevel>,
    /// A text in the name, the sender or the algorithm.
    pub search: Option<String>,
}

impl Providers {
    pub fn new(all: &'static LazyLock<Vec<Provider>>, template: &'static str) -> Self {
        Self { all, template }
    }

    /// All providers, by name.
    pub fn all(&self) -> &'static [Provider] {
        self.all
    }

    /// Those that match, by name.
    pub fn list(&self, filter: &ProviderFilter) -> Vec<ProviderSummary> {
        let matching = self.all().iter().filter(|provider| filter.matches(provider));
        matching.map(ProviderSummary::from).collect()
    }

    /// The provider of this name.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] names similar ones.
    pub fn show(&self, name: &str) -> Result<&'static Provider, AdminError> {
        let found = self.all().iter().find(|provider| provider.name == name);
        found.ok_or_else(|| AdminError::NotFound(self.unknown(name)))
    }

    /// A source of a sender that no provider describes, for the configuration file, to fill in.
    pub fn template(&self) -> &'static str {
        self.template
    }

    /// The number of providers of a list, and of those that are proven.
    pub fn count(listed: &[ProviderSummary]) -> String {
        let proven = listed.iter().filter(|provider| provider.proven).count();
        let noun = if listed.len() == 1 { "provider" } else { "providers" };
        format!("{} {noun}, {proven} proven", listed.len())
    }

    fn unknown(&self, name: &str) -> String {
        let known = self.all().iter().map(|one| (one.name.as_str(), one.title.as_str()));
        match near_titled(name, known).as_slice() {
            [] => format!("provider `{name}`"),
            near => format!("provider `{name}` (similar: {})", near.join(", ")),
        }
    }
}

impl ProviderFilter {
    fn matches(&self, provider: &Provider) -> bool {
        let has_level = self.level.is_none_or(|level| level == provider.level);
        let contains = |text: &str| {
            let text = text.to_lowercase();
            [&provider.name, &provider.title, &provider.algorithm]
                .into_iter()
                .any(|part| part.to_lowercase().contains(&text))
        };
        has_level && self.search.as_deref().is_none_or(|text| contains(text.trim()))
    }
}
