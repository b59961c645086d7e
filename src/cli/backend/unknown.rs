//! Filters that match nothing, because a name in them does not exist.

use std::collections::BTreeSet;

use super::Backend;
use crate::admin::{AdminError, Filter, Paging, Search, Selection, Source};
use crate::cli::Exit;
use crate::near_names;
use crate::store::{HandlerName, QUARANTINE};

impl Backend {
    /// The end of a command whose filter matches nothing. The API answers with an empty list; a
    /// name that does not exist is probably misspelled.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] if there is no such source or handler: neither configured, nor in
    /// an event or a dead letter.
    pub(in crate::cli) async fn nothing_matched(
        &self,
        source: Option<&str>,
        handler: Option<&str>,
    ) -> anyhow::Result<Exit> {
        match self.unknown(source, handler).await {
            Ok(Some(unknown)) => Err(AdminError::NotFound(unknown).into()),
            // A key may list rejected requests, and not read sources.
            Ok(None) | Err(_) => Ok(Exit::NothingMatched),
        }
    }

    /// As [`Backend::nothing_matched`], for a selection of dead letters.
    pub(in crate::cli) async fn nothing_selected(
        &self,
        selection: &Selection,
    ) -> anyhow::Result<Exit> {
        let Selection::Matching(filter) = selection else { return Ok(Exit::NothingMatched) };
        self.nothing_matched(filter.source.as_deref(), filter.handler.as_deref()).await
    }

    /// The name that does not exist, and those that do.
    async fn unknown(
        &self,
        source: Option<&str>,
        handler: Option<&str>,
    ) -> anyhow::Result<Option<String>> {
        if source.is_none() && handler.is_none() {
            return Ok(None);
        }
        let sources = self.sources().await?;
        if let Some(name) = source {
            let known: BTreeSet<&str> = sources.iter().map(|one| one.name.as_str()).collect();
            if !known.contains(name) && !self.has_events(name).await? {
                return Ok(Some(near_names::described("source", name, known)));
            }
        }
        if let Some(name) = handler
            && let Some(handlers) = self.handlers(&sources).await?
        {
            let known: BTreeSet<&str> = handlers.iter().map(String::as_str).collect();
            let filter = Filter { handler: Some(name.to_owned()), ..Filter::default() };
            if !known.contains(name) && !self.has_dead_letters(filter).await? {
                return Ok(Some(near_names::described("handler", name, known)));
            }
        }
        Ok(None)
    }

    /// The stored names of all handlers; `None` if those of a source are not known without its
    /// secrets.
    async fn handlers(&self, sources: &[Source]) -> anyhow::Result<Option<Vec<String>>> {
        if sources.iter().any(|source| source.handlers.is_empty()) {
            return Ok(None);
        }
        let destinations = self.destinations().await?;
        let to = destinations.iter().map(|one| HandlerName::Destination(&one.name).to_string());
        let own = sources.iter().flat_map(|source| source.handlers.iter().cloned());
        Ok(Some(own.chain(to).chain([QUARANTINE.to_owned()]).collect()))
    }

    /// Whether a source may have sent something: a search is bounded.
    async fn has_events(&self, source: &str) -> anyhow::Result<bool> {
        let source = Some(source.to_owned());
        let search = Search { source: source.clone(), ..Search::default() };
        let page = self.events(&search, None, 1).await?;
        if !page.events.is_empty() || page.next.is_some() {
            return Ok(true);
        }
        self.has_dead_letters(Filter { source, ..Filter::default() }).await
    }

    async fn has_dead_letters(&self, filter: Filter) -> anyhow::Result<bool> {
        let filter = Filter { resolved: true, ..filter };
        Ok(!self.dead_letters(&filter, Paging::first(1)).await?.items.is_empty())
    }
}
