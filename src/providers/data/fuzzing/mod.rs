//! Any bytes as a request or as the definition of a scheme, for fuzzing: a request that nobody
//! signed must prove nothing, and nothing may panic. The targets are in the folder `fuzz`; tests
//! call the same functions, so that they cannot rot.

mod shape;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use url::Url;

use self::shape::{Choices, Shape, named};
use super::super::{Services, SourceScheme, SourceSpec};
use super::example_secret::{CERTIFICATE, example_secret};
use super::{CUSTOM, ProviderFile};
use crate::verify::{
    HandshakeMethod, KeyCache, KeyEncoding, RawRequest, RequestHead, SchemeDefinition, Secret,
    SenderInfo, StreamedBody, Target, TransferLimits, UnixSeconds, Verifier, Window,
};

/// When every request arrives.
pub const NOW: UnixSeconds = 1_700_000_000;
/// The value of every option.
pub const OPTION: &str = "example.com";
/// The public URL of every source.
pub const URL: &str = "https://hooks.example.com/hooks/acme";
/// All methods of handshakes.
pub const METHODS: [HandshakeMethod; 4] =
    [HandshakeMethod::Get, HandshakeMethod::Head, HandshakeMethod::Options, HandshakeMethod::Post];
const SECRET: &str = "a-secret-of-good-length";
const KEY_SET: &str = include_str!("keys.json");

/// What may replace a part of a definition.
const FRAGMENTS: [&str; 24] = [
    "{body}",
    "{timestamp}",
    "{secret}",
    "{url}{params?}",
    "{json:/a/b}",
    "{header:x-a|sha256|hex}",
    "{form:a|json}",
    "{pair:a}",
    "{headers_of:a}",
    "{signed_headers:x-a}",
    "{query:a|lower}",
    "[",
    "]",
    "{{",
    "}}",
    "|",
    "\"",
    "\\u00fc",
    "jwt",
    "token",
    "sha256",
    "ed25519",
    "base64url",
    "t={timestamp},v1={signature}",
];

static SERVICES: LazyLock<Option<Services>> = LazyLock::new(|| Services::bare().ok());

/// A source of each provider of the catalogue.
pub static EXAMPLES: LazyLock<Vec<Example>> = LazyLock::new(|| {
    let of_file = |(name, file): (&'static str, &'static ProviderFile)| {
        let source = source(name, None);
        let options = file.options.keys().map(|name| (name.clone(), OPTION.into())).collect();
        Example::of(name, source, file.scheme.clone(), options)
    };
    ProviderFile::all().filter_map(of_file).collect()
});

/// A source with a secret that no request has.
pub struct Example {
    pub name: &'static str,
    pub source: SourceScheme,
    pub definition: SchemeDefinition,
    pub options: toml::Table,
    /// None if the sender publishes its keys.
    pub secret: Option<Secret>,
    pub verifier: Verifier,
    shape: Shape,
}

/// What the sender publishes, whatever its URL.
struct Published(&'static str);

impl KeyCache for Published {
    fn get(&self, _: &Url) -> Option<Arc<str>> {
        Some(self.0.into())
    }
}

impl Example {
    fn of(
        name: &'static str,
        source: SourceScheme,
        definition: SchemeDefinition,
        options: toml::Table,
    ) -> Option<Self> {
        let spec = SourceSpec {
            name: "acme".into(),
            tenant: "default".into(),
            scheme: source.clone(),
            options: options.clone(),
            token: None,
            transfer_limits: TransferLimits { chunks: 1, bytes: 1 },
            services: SERVICES.clone()?,
        };
        let provider = super::build(&spec).ok()?.provider;
        let publishes = provider.fetches_keys();
        let secret = if publishes {
            None
        } else {
            Some(Secret::new(example_secret(&definition, SECRET)).ok()?)
        };
        let content = match definition.key.encoding {
            KeyEncoding::Certificate => CERTIFICATE,
            _ => KEY_SET,
        };
        let published: Arc<dyn KeyCache> = Arc::new(Published(content));
        let keys = provider.key_ring(secret.clone().into_iter().collect()).ok()?;
        Some(Self {
            name,
            source,
            options,
            secret,
            shape: Shape::of(&definition)?,
            definition,
            verifier: Verifier {
                provider,
                keys,
                published: publishes.then_some(published),
                window: Window { max_age: 3_600, max_future: 3_600 },
            },
        })
    }

    /// The encoding of a signature: `hex`, `base64` or `base64url`.
    pub fn encoding(&self) -> &str {
        &self.shape.encoding
    }

    /// Bodies that the sender may send.
    pub fn bodies(&self) -> [Vec<u8>; 3] {
        self.shape.bodies()
    }

    /// The head of a request, with what the listener takes from it.
    pub fn head(
        &self,
        method: &str,
        query: Option<&str>,
        headers: &[(String, Vec<u8>)],
    ) -> RequestHead {
        let provider = &self.verifier.provider;
        let target =
            || Box::new(Target { method: method.to_owned(), query: query.map(str::to_owned) });
        let content_type = headers.iter().find(|(name, _)| name == "content-type");
        let mut head = RequestHead {
            query: RequestHead::reads(&**provider, query),
            target: provider.reads_target().then(target),
            sender_info: SenderInfo::new(content_type.map(|(_, value)| value.as_slice()), None),
            ..RequestHead::default()
        };
        for &name in provider.headers() {
            for (_, value) in headers.iter().filter(|(known, _)| known == name) {
                head.headers.push(name, Bytes::copy_from_slice(value));
            }
        }
        head
    }

    /// A request that nobody signed.
    fn request(&self, choices: &mut Choices<'_>) -> (RequestHead, Bytes) {
        let mut headers = Vec::new();
        for name in self.verifier.provider.headers() {
            let lines = match choices.below(8) {
                1 => Vec::new(),
                2 => vec![self.shape.value(choices); 2],
                3 => (0..3).map(|_| self.shape.value(choices)).collect(),
                _ => vec![self.shape.value(choices)],
            };
            headers.extend(lines.into_iter().map(|value| ((*name).to_owned(), value)));
        }
        let query = self.shape.query(choices);
        let (body, content_type) = self.shape.body(choices);
        headers.push(("content-type".to_owned(), content_type));
        let method = if choices.below(8) == 1 { "PUT" } else { "POST" };
        (self.head(method, query.as_deref(), &headers), Bytes::from(body))
    }

    /// Does all that a request can make the gateway do before it is recorded. Whether it was
    /// accepted, in one piece or while it streamed.
    fn is_accepted(&self, head: &RequestHead, body: &Bytes) -> bool {
        let verifier = &self.verifier;
        drop(verifier.precheck(head, NOW));
        let request = RawRequest::new(head.clone(), body.clone());
        drop(request.needed_key(verifier));
        for method in METHODS {
            drop(request.handshake(verifier, method));
        }
        let verified = request.verify(verifier, NOW);
        if let Ok(verified) = &verified {
            drop(verified.handshake(verifier));
            drop(verifier.provider.classify(verified));
        }
        let streamed = StreamedBody::begin(verifier, head.clone(), NOW).and_then(|mut streamed| {
            let (first, second) = body.split_at(body.len() / 2);
            streamed.update(first);
            streamed.update(second);
            streamed.verify(verifier)
        });
        verified.is_ok() || streamed.is_ok()
    }

    /// Checks that a request which these bytes describe, and nobody signed, is refused.
    ///
    /// # Panics
    /// If it is accepted.
    pub fn check(&self, input: &[u8]) {
        let (head, body) = self.request(&mut Choices(input));
        assert!(!self.is_accepted(&head, &body), "{}: {head:?} {body:?}", self.name);
    }
}

/// What a source of this provider has to know.
pub(super) fn source(provider: &str, definition: Option<toml::Table>) -> SourceScheme {
    SourceScheme { provider: provider.to_owned(), definition, public_url: Url::parse(URL).ok() }
}

/// A request to one of the providers.
///
/// # Panics
/// If it is accepted.
pub fn scheme(input: &[u8]) {
    let mut choices = Choices(input);
    if let Some(example) = EXAMPLES.get(choices.below(EXAMPLES.len())) {
        example.check(choices.0);
    }
}

/// A definition of a scheme, and a request to a source that has it.
pub fn definition(input: &[u8]) {
    let mut choices = Choices(input);
    let text = match choices.below(4) {
        1 => String::from_utf8_lossy(choices.0).into_owned(),
        _ => changed_file(&mut choices),
    };
    let Ok(mut table) = toml::from_str::<toml::Table>(&text) else { return };
    let table = match table.remove("scheme") {
        Some(toml::Value::Table(scheme)) => scheme,
        _ => table,
    };
    let Ok(definition) = table.clone().try_into::<SchemeDefinition>() else { return };
    let mut names = BTreeSet::new();
    if let Ok(known) = serde_json::to_value(&table) {
        named(&known, "option:", &mut names);
    }
    let options = names.into_iter().map(|name| (name, OPTION.into())).collect();
    let source = source(CUSTOM, Some(table));
    if let Some(example) = Example::of(CUSTOM, source, definition, options) {
        let (head, body) = example.request(&mut choices);
        // Whether it proves anything is up to the definition.
        example.is_accepted(&head, &body);
    }
}

/// The scheme of a provider with a part of its text replaced.
fn changed_file(choices: &mut Choices<'_>) -> String {
    let example = EXAMPLES.get(choices.below(EXAMPLES.len()));
    let text = example.and_then(|example| super::text(example.name)).unwrap_or_default();
    let scheme = text.split("[sender]").next().unwrap_or_default();
    let mut changed: Vec<char> = scheme.chars().collect();
    for _ in 0..choices.below(4) {
        let from = choices.below(changed.len() + 1);
        let to = (from + choices.below(8)).min(changed.len());
        let fragment = match choices.below(2) {
            1 => choices.text(),
            _ => FRAGMENTS.get(choices.below(FRAGMENTS.len())).copied().unwrap_or("").to_owned(),
        };
        drop(changed.splice(from..to, fragment.chars()));
    }
    changed.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_provider_has_an_example() {
        let all: Vec<&str> = ProviderFile::all().map(|(name, _)| name).collect();
        let examples: Vec<&str> = EXAMPLES.iter().map(|example| example.name).collect();
        assert_eq!(examples, all);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn targets_run(input in vec(any::<u8>(), 0..600)) {
            scheme(&input);
            definition(&input);
        }

        /// Without changes, so that it compiles and a request is verified.
        #[test]
        fn definition_of_a_provider_runs(index in any::<u16>(), input in vec(any::<u8>(), 0..300)) {
            let chosen = [&[0, 0][..], &index.to_be_bytes(), &[0, 0], &input].concat();
            definition(&chosen);
        }
    }
}
