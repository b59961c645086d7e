//! Where a path leads: settled at start-up, so that a request costs one look-up.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::ingest::Source;

/// The prefix under which every source has its path.
const HOOKS: &str = "/hooks/";
/// What may follow an alias, to say where the action stands.
const ACTION: &str = "/{action}";

/// The paths of every source.
#[derive(Debug, Default)]
pub struct Routes {
    paths: HashMap<String, Route>,
    actions: Vec<&'static str>,
    /// What stands in for sources that do not exist, by the action in their path.
    decoys: HashMap<Option<&'static str>, Vec<Route>>,
    /// Keeps strangers from telling which decoy stands in for a name.
    seed: u64,
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
    /// It could be a source's, but is not: answered as a bad signature is, by a source that lets
    /// nothing in. Without one where no source is configured at all.
    UnknownSource(Option<&'a Route>),
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
                self.lead(base, source, None);
            }
            for action in actions {
                self.lead(&format!("{base}/{action}"), source, Some(action));
            }
        }
    }

    /// Adds what stands in for a part of the sources that do not exist: as `decoy` says, which lets
    /// nothing in. `seed` is to be kept from strangers, and to stay the same from start to start.
    pub fn add_decoy(&mut self, decoy: &Arc<Source>, seed: u64) {
        self.seed = seed;
        let actions = decoy.gate.provider.actions().iter().map(|action| Some(*action));
        let bare = decoy.gate.provider.actions().is_empty().then_some(None);
        for action in actions.chain(bare) {
            let route = Route { sources: vec![Arc::clone(decoy)], action };
            self.decoys.entry(action).or_default().push(route);
        }
    }

    /// The decoy of a name: always the same, so that it looks like one source.
    fn decoy(&self, name: &str, action: Option<&'static str>) -> Option<&Route> {
        let decoys = self.decoys.get(&action).or_else(|| self.decoys.values().next())?;
        let mut hasher = DefaultHasher::new();
        (self.seed, name).hash(&mut hasher);
        let place = hasher.finish() % decoys.len().max(1) as u64;
        decoys.get(usize::try_from(place).unwrap_or_default())
    }

    fn lead(&mut self, path: &str, source: &Arc<Source>, action: Option<&'static str>) {
        let route = self.paths.entry(canonical(path).into_owned()).or_default();
        route.action = action;
        route.sources.push(Arc::clone(source));
    }

    /// Looks a path up as people type it: see [`canonical`].
    pub(super) fn find(&self, path: &str) -> Found<'_> {
        let path = canonical(path);
        if let Some(route) = self.paths.get(&*path) {
            return Found::Route(route);
        }
        let Some(rest) = path.strip_prefix(HOOKS) else { return Found::Nothing };
        match rest.split_once('/') {
            None if !rest.is_empty() => Found::UnknownSource(self.decoy(rest, None)),
            Some((name, action)) => match self.actions.iter().find(|known| **known == action) {
                Some(action) => Found::UnknownSource(self.decoy(name, Some(action))),
                None => Found::Nothing,
            },
            _ => Found::Nothing,
        }
    }
}

/// The path by which a source is known, of one that means the same: several slashes are one, those
/// at the end are none, and letters, digits and `-._~` may be percent-encoded, as RFC 3986 has
/// it. A sender whose base URL ends in a slash posts to `//create`, and a redirect would lose the
/// body. Nothing else is decoded: an encoded slash or dot segment leads nowhere.
fn canonical(path: &str) -> Cow<'_, str> {
    let plain = !path.contains("//") && !path.contains('%') && !path.ends_with('/');
    if plain || path == "/" {
        return Cow::Borrowed(path);
    }
    let mut canonical = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(character) = rest.chars().next() {
        let (character, length) = match unreserved(rest) {
            Some(decoded) => (decoded, 3),
            None => (character, character.len_utf8()),
        };
        if character != '/' || !canonical.ends_with('/') {
            canonical.push(character);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    if canonical.len() > 1 && canonical.ends_with('/') {
        canonical.pop();
    }
    Cow::Owned(canonical)
}

/// The character that the escape at the beginning of `text` stands for, where it needs none.
fn unreserved(text: &str) -> Option<char> {
    let mut byte = [0];
    let digits = text.strip_prefix('%')?.as_bytes().get(..2)?;
    hex::decode_to_slice(digits, &mut byte).ok()?;
    let [byte] = byte;
    let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    // Dot segments are looked up as they are, and lead nowhere: nothing is resolved here.
    (plain || byte == b'.').then_some(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_however_it_is_typed() {
        for (typed, known) in [
            ("/hooks/cards", "/hooks/cards"),
            ("/hooks//cards///create", "/hooks/cards/create"),
            ("/hooks/cards/", "/hooks/cards"),
            ("/hooks/cards///", "/hooks/cards"),
            ("/hooks/%63ards", "/hooks/cards"),
            ("/%68ooks/c%61rds%2D1%7e", "/hooks/cards-1~"),
            ("//", "/"),
            ("/", "/"),
        ] {
            assert_eq!(canonical(typed), known, "{typed}");
        }
    }

    #[test]
    fn nothing_that_separates_is_decoded() {
        for path in ["/hooks/a%2Fb", "/hooks/a%3fb", "/hooks/a%25b", "/hooks/a%00", "/a%", "/a%6"] {
            assert_eq!(canonical(path), path);
        }
    }
}
