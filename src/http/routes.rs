//! Where a path leads: settled at start-up, so that a request costs one look-up.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::intake::Source;

/// The prefix under which every source has its path.
const HOOKS: &str = "/hooks/";
/// What may follow an alias, to say where the action stands.
const ACTION: &str = "/{action}";

/// The paths of every source.
#[derive(Debug, Default)]
pub struct Routes {
    paths: HashMap<String, Route>,
    actions: Vec<&'static str>,
}

/// Where a path leads.
#[derive(Debug, Clone, Default)]
pub(super) struct Route {
    /// The sources; several where one path is shared and a header tells them apart.
    pub(super) sources: Vec<Arc<Source>>,
    /// The action that the path names.
    pub(super) action: Option<&'static str>,
}

/// What a path is.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A known one.
    Route(&'a Route),
    /// It could be a source's, but is not: answered as a bad signature is.
    UnknownSource,
    /// None of ours.
    Nothing,
}

impl Routes {
    /// Adds a source under its own path and its aliases, each with every action that the
    /// provider takes.
    pub fn add(&mut self, source: &Arc<Source>, aliases: &[String]) {
        let actions = source.gate.provider.actions();
        self.actions.extend(actions);
        let own = format!("{HOOKS}{}", source.name);
        for base in aliases.iter().chain([&own]) {
            let base = base.strip_suffix(ACTION).unwrap_or(base);
            if actions.is_empty() {
                self.lead(base.to_owned(), source, None);
            }
            for action in actions {
                self.lead(format!("{base}/{action}"), source, Some(action));
            }
        }
    }

    fn lead(&mut self, path: String, source: &Arc<Source>, action: Option<&'static str>) {
        let route = self.paths.entry(path).or_default();
        route.action = action;
        route.sources.push(Arc::clone(source));
    }

    /// Looks a path up as it was sent: percent signs are not decoded, double slashes count as one.
    pub(super) fn find(&self, path: &str) -> Found<'_> {
        let path = single_slashes(path);
        if let Some(route) = self.paths.get(&*path) {
            return Found::Route(route);
        }
        let Some(rest) = path.strip_prefix(HOOKS) else { return Found::Nothing };
        match rest.split_once('/') {
            None if !rest.is_empty() => Found::UnknownSource,
            Some((_, action)) if self.actions.contains(&action) => Found::UnknownSource,
            _ => Found::Nothing,
        }
    }
}

/// A sender whose base URL ends in a slash posts to `//create`. A redirect would lose the body.
fn single_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut single = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !single.ends_with('/') {
            single.push(character);
        }
    }
    Cow::Owned(single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn double_slashes_count_as_one() {
        assert_eq!(single_slashes("/hooks//cards///create"), "/hooks/cards/create");
        assert_eq!(single_slashes("//"), "/");
        assert_eq!(single_slashes("/hooks/cards"), "/hooks/cards");
    }
}
