//! The route table of the ingest listener, built at start-up: one look-up per request.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::ingest::Source;
use crate::verify::{EventMethod, HandshakeMethod};

/// The path prefix of all sources.
const HOOKS: &str = "/hooks/";
/// The placeholder of the action at the end of an alias.
const ACTION: &str = "/{action}";

#[derive(Debug, Default)]
pub struct Routes {
    paths: HashMap<String, Route>,
    actions: Vec<&'static str>,
    /// The decoys for unknown sources, by the action in the path.
    decoys: HashMap<Option<&'static str>, Vec<Route>>,
    /// The secret seed that selects the decoy of a name.
    seed: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Route {
    /// The sources; several if they share a path and are distinguished by a header.
    pub(super) sources: Vec<Arc<Source>>,
    pub(super) action: Option<&'static str>,
}

/// The methods of a path: that of its events, and those of the handshakes of its sources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Methods {
    handshakes: [bool; 3],
    /// Whether events come by GET, and whether they do so only.
    by_get: bool,
    only_by_get: bool,
}

impl Methods {
    const HANDSHAKES: [HandshakeMethod; 3] =
        [HandshakeMethod::Get, HandshakeMethod::Head, HandshakeMethod::Options];

    fn handshakes(self) -> impl Iterator<Item = HandshakeMethod> {
        let all = Self::HANDSHAKES.into_iter().zip(self.handshakes);
        all.filter_map(|(method, is_allowed)| is_allowed.then_some(method))
    }

    /// The handshake method with this name, if the path has it.
    pub(super) fn find(self, name: &str) -> Option<HandshakeMethod> {
        self.handshakes().find(|method| method.to_string() == name)
    }

    /// The value of the header `Allow`.
    pub(super) fn allow(self) -> String {
        let handshakes = self.handshakes().map(|method| method.to_string());
        let get = (self.by_get && !self.handshakes().any(|known| known == HandshakeMethod::Get))
            .then(|| HandshakeMethod::Get.to_string());
        let post = (!self.only_by_get).then(|| HandshakeMethod::Post.to_string());
        get.into_iter().chain(handshakes).chain(post).collect::<Vec<_>>().join(", ")
    }
}

impl Route {
    pub(super) fn methods(&self) -> Methods {
        let has = |method: HandshakeMethod| {
            let mut sources = self.sources.iter();
            sources.any(|source| source.verifier.provider.handshake_methods().contains(&method))
        };
        let by_get = self.has_events_by(EventMethod::Get);
        Methods {
            handshakes: Methods::HANDSHAKES.map(has),
            by_get,
            only_by_get: by_get && !self.has_events_by(EventMethod::Post),
        }
    }

    /// Whether a source of this path has events by this method.
    fn has_events_by(&self, method: EventMethod) -> bool {
        self.sources.iter().any(|source| source.verifier.provider.event_method() == method)
    }

    /// Whether a request with this method may be an event.
    pub(super) fn takes(&self, method: &str) -> bool {
        let mut methods = [EventMethod::Get, EventMethod::Post].into_iter();
        methods.any(|known| known.as_str() == method && self.has_events_by(known))
    }
}

#[derive(Debug)]
pub(super) enum Found<'a> {
    Route(&'a Route),
    /// A potential but unknown source: answered like an invalid signature by a decoy source that
    /// accepts nothing. `None` if no source is configured at all.
    UnknownSource(Option<&'a Route>),
    Nothing,
}

impl Routes {
    /// Adds a source under its own path and its aliases, each with every action of the provider.
    pub fn add(&mut self, source: &Arc<Source>, aliases: &[String]) {
        let actions = source.verifier.provider.actions();
        self.actions.extend(actions);
        let own = format!("{HOOKS}{}", source.name);
        for base in aliases.iter().chain([&own]) {
            let base = base.strip_suffix(ACTION).unwrap_or(base);
            if actions.is_empty() {
                self.add_path(base, source, None);
            }
            for action in actions {
                self.add_path(&format!("{base}/{action}"), source, Some(action));
            }
        }
    }

    /// Adds a decoy for a share of the unknown sources; `decoy` accepts nothing. `seed` must be
    /// secret and stable across restarts.
    pub fn add_decoy(&mut self, decoy: &Arc<Source>, seed: u64) {
        self.seed = seed;
        let actions = decoy.verifier.provider.actions().iter().map(|action| Some(*action));
        let bare = decoy.verifier.provider.actions().is_empty().then_some(None);
        for action in actions.chain(bare) {
            let route = Route { sources: vec![Arc::clone(decoy)], action };
            self.decoys.entry(action).or_default().push(route);
        }
    }

    /// The decoy of a name: always the same one, so that it looks like a real source.
    fn decoy(&self, name: &str, action: Option<&'static str>) -> Option<&Route> {
        let decoys = self.decoys.get(&action).or_else(|| self.decoys.values().next())?;
        let mut hasher = DefaultHasher::new();
        (self.seed, name).hash(&mut hasher);
        let place = hasher.finish() % decoys.len().max(1) as u64;
        decoys.get(usize::try_from(place).unwrap_or_default())
    }

    fn add_path(&mut self, path: &str, source: &Arc<Source>, action: Option<&'static str>) {
        let route = self.paths.entry(canonical(path).into_owned()).or_default();
        route.action = action;
        route.sources.push(Arc::clone(source));
    }

    /// Looks up a path after normalisation: see [`canonical`].
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

/// Normalises a path: repeated slashes are merged, trailing ones removed, and percent-encoded
/// unreserved characters (RFC 3986) decoded. A sender whose base URL ends in a slash posts to
/// `//create`, and a redirect would lose the body. Nothing else is decoded: an encoded slash or dot
/// segment is not found.
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

/// The unreserved character encoded at the beginning of `text`, if any.
fn unreserved(text: &str) -> Option<char> {
    let mut byte = [0];
    let digits = text.strip_prefix('%')?.as_bytes().get(..2)?;
    hex::decode_to_slice(digits, &mut byte).ok()?;
    let [byte] = byte;
    let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    // Dot segments are not resolved, so they are not found.
    (plain || byte == b'.').then_some(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_paths_are_normalised() {
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
    fn separators_are_not_decoded() {
        for path in ["/hooks/a%2Fb", "/hooks/a%3fb", "/hooks/a%25b", "/hooks/a%00", "/a%", "/a%6"] {
            assert_eq!(canonical(path), path);
        }
    }
}
