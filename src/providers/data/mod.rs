//! Providers that are data: a file of the catalogue, or the `scheme` of a source.

mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod properties;
mod sign;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use url::Url;

pub use self::file::{
    PackageUse, ProofBy, ProofLevel, ProofOfScheme, ProviderFile, SenderHabits, file_names, parse,
    text,
};
pub(super) use self::sign::{has_own_answer, is_sender_only, sign, test_body};
use super::{Built, Entry, FRESH, OptionsError, Pace, SMALL_BODY, SourceScheme, SourceSpec};
use crate::verify::{
    AnswerDefinition, BroughtSecret, Classified, Handshake, HandshakeAnswer, HandshakeMethod,
    KeyError, KeyRing, Prompt, Proof, ProofMethod, Provider, Refusal, RequestHead, Scheme,
    SchemeDefinition, SchemeOptions, Secret, UnixSeconds, VerifiedRequest, VerifyContext, Window,
    intern,
};

/// The name of a provider whose scheme is in the configuration of the source.
pub const CUSTOM: &str = "custom";
/// The option with the URL as it is entered at the sender.
const URL: &str = "url";
/// The option that makes an event of each item of a batch.
const SPLIT: &str = "split";
/// The default body limit of senders whose body can be verified only when it is there as a whole.
const WHOLE_BODY: usize = 10 * 1024 * 1024;

/// The entries of all providers that are data. They live as long as the process.
static ENTRIES: LazyLock<BTreeMap<&'static str, Entry>> = LazyLock::new(|| {
    let custom =
        Entry { summary: "A sender whose scheme is in the configuration", ..entry(CUSTOM, None) };
    let files = ProviderFile::all().map(|(name, file)| (name, entry(name, Some(file))));
    files.chain([(CUSTOM, custom)]).collect()
});

/// The entry of a provider that is data.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.get(name)
}

/// The entries of all providers that are data, by name.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    ENTRIES.values()
}

fn entry(name: &'static str, file: Option<&'static ProviderFile>) -> Entry {
    let patience = file.and_then(ProviderFile::timeout).map(|timeout| timeout / 4);
    let most = Pace::PATIENT_SENDER.patience;
    let scheme = file.map(|file| &file.scheme);
    let is_whole = scheme.is_some_and(|scheme| scheme.algorithm.is_public_key());
    let max_body = file.and_then(|file| file.sender.max_body);
    Entry {
        name,
        summary: file.map_or("", |file| file.name.as_str()),
        tables: &[],
        max_body: match max_body {
            Some(size) => usize::try_from(size.as_u64()).unwrap_or(usize::MAX),
            None if is_whole => WHOLE_BODY,
            None => SMALL_BODY,
        },
        max_age: file.and_then(ProviderFile::max_age).unwrap_or(FRESH),
        secret_prefix: scheme
            .and_then(|scheme| scheme.key.strip.first())
            .map(|prefix| intern(prefix)),
        pace: Pace { patience: patience.unwrap_or(most).min(most), ..Pace::PATIENT_SENDER },
        chunk: None,
        api: None,
        build,
        sign: None,
    }
}

/// The definition of a source's scheme, and the options that it describes.
fn definition(
    provider: &str,
    scheme: &SourceScheme,
) -> Result<(SchemeDefinition, BTreeMap<String, String>), OptionsError> {
    let scheme = scheme.definition.as_ref();
    if provider == CUSTOM {
        let Some(table) = scheme else {
            return Err(OptionsError("scheme: `custom` needs this table".to_owned()));
        };
        let definition = serde_path_to_error::deserialize(table.clone())
            .map_err(|error| OptionsError(format!("scheme.{}: {}", error.path(), error.inner())))?;
        return Ok((definition, BTreeMap::new()));
    }
    if scheme.is_some() {
        return Err(OptionsError("scheme: only for the provider `custom`".to_owned()));
    }
    let file = ProviderFile::find(provider)
        .ok_or_else(|| OptionsError(format!("`{provider}` is not a provider")))?;
    Ok((file.scheme.clone(), file.options.clone()))
}

/// The options of a source.
struct Options {
    scheme: SchemeOptions,
    split: bool,
}

fn options(
    options: &toml::Table,
    described: &BTreeMap<String, String>,
    is_custom: bool,
    public: Option<&Url>,
) -> Result<Options, OptionsError> {
    let mut read = SchemeOptions { options: BTreeMap::new(), url: public.cloned() };
    let mut split = false;
    for (name, value) in options {
        match (name.as_str(), value) {
            (URL, toml::Value::String(text)) => {
                let url =
                    Url::parse(text).map_err(|error| OptionsError(format!("url: {error}")))?;
                if !matches!(url.scheme(), "http" | "https") || url.query().is_some() {
                    return Err(OptionsError(
                        "url: must be an http or https URL without a query".to_owned(),
                    ));
                }
                read.url = Some(url);
            }
            (SPLIT, toml::Value::Boolean(wanted)) => split = *wanted,
            (name, toml::Value::String(text)) if is_custom || described.contains_key(name) => {
                read.options.insert(name.to_owned(), text.clone());
            }
            (name, _) if described.contains_key(name) => {
                return Err(OptionsError(format!("{name}: must be text")));
            }
            (name, _) => {
                let known: Vec<&str> =
                    described.keys().map(String::as_str).chain([URL, SPLIT]).collect();
                return Err(OptionsError(format!(
                    "{name}: not an option of this provider (known: {})",
                    known.join(", ")
                )));
            }
        }
    }
    for (name, meaning) in described {
        if !read.options.contains_key(name) {
            return Err(OptionsError(format!("{name}: missing. {meaning}")));
        }
    }
    Ok(Options { scheme: read, split })
}

fn build(spec: &SourceSpec) -> Result<Built, OptionsError> {
    let provider = &spec.scheme.provider;
    let (definition, described) = definition(provider, &spec.scheme)?;
    let is_custom = provider == CUSTOM;
    let options = options(&spec.options, &described, is_custom, spec.scheme.public_url.as_ref())?;
    if options.split && definition.batch.is_none() {
        return Err(OptionsError("split: the sender gives no id to the items".to_owned()));
    }
    let wrong =
        |error: String| OptionsError(if is_custom { format!("scheme.{error}") } else { error });
    let scheme = Scheme::compile(&definition, &options.scheme).map_err(wrong)?;
    let handshakes = (definition.handshake.iter().enumerate())
        .map(|(index, handshake)| {
            let compiled = Handshake::compile(handshake, &options.scheme.options);
            let compiled = compiled.and_then(|compiled| match compiled.brings_secret() {
                true if definition.is_sender_only() => {
                    Err("store: the sender keeps its key to itself, so it brings no secret".into())
                }
                _ => Ok(compiled),
            });
            compiled.map_err(|error| wrong(format!("handshake[{index}].{error}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Built {
        provider: Arc::new(DataProvider::new(
            provider,
            scheme,
            handshakes,
            &definition,
            options.split,
        )),
        handlers: Vec::new(),
        registry: None,
        api: None,
        maintenance: None,
        memory: Duration::ZERO,
        warnings: Vec::new(),
    })
}

/// A provider that is data, for one source.
struct DataProvider {
    name: &'static str,
    scheme: Arc<Scheme>,
    handshakes: Vec<Handshake>,
    methods: Vec<HandshakeMethod>,
    kept: Vec<&'static str>,
    parameters: Vec<String>,
    answer: Option<AnswerDefinition>,
    max_age: Option<Duration>,
    split: bool,
}

impl DataProvider {
    fn new(
        name: &str,
        scheme: Scheme,
        handshakes: Vec<Handshake>,
        definition: &SchemeDefinition,
        split: bool,
    ) -> Self {
        let mut methods: Vec<HandshakeMethod> = Vec::new();
        for handshake in &handshakes {
            let method = handshake.method();
            if method != HandshakeMethod::Post && !methods.contains(&method) {
                methods.push(method);
            }
        }
        Self {
            name: intern(name),
            kept: scheme.kept_headers(definition),
            parameters: scheme.parameters(),
            scheme: Arc::new(scheme),
            handshakes,
            methods,
            answer: definition.answer.clone(),
            max_age: definition.timestamp.as_ref().map(|timestamp| timestamp.tolerance),
            split,
        }
    }
}

impl Provider for DataProvider {
    fn name(&self) -> &'static str {
        self.name
    }

    fn headers(&self) -> &[&'static str] {
        self.scheme.headers()
    }

    fn proof_headers(&self) -> Vec<&'static str> {
        self.scheme.proof_headers()
    }

    fn kept_headers(&self) -> &[&'static str] {
        &self.kept
    }

    fn parameters(&self) -> Vec<&str> {
        self.parameters.iter().map(String::as_str).collect()
    }

    fn redact(&self, head: &mut RequestHead, body: &mut Bytes) {
        self.scheme.redact(head);
        for handshake in &self.handshakes {
            handshake.redact(head, body);
        }
    }

    fn precheck(
        &self,
        head: &RequestHead,
        window: Window,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        self.scheme.precheck(head, window, now)
    }

    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        request.signed(&self.scheme)
    }

    fn scheme(&self, _head: &RequestHead) -> Option<&Arc<Scheme>> {
        Some(&self.scheme)
    }

    fn key_ring(&self, secrets: Vec<Secret>) -> Result<KeyRing, KeyError> {
        if self.scheme.fetches_keys() {
            if !secrets.is_empty() {
                return Err(KeyError::Published);
            }
            return Ok(KeyRing::without_secrets());
        }
        let (algorithm, key) = (self.scheme.algorithm(), self.scheme.key());
        if self.stores_secrets() {
            return KeyRing::storing(secrets, algorithm, key);
        }
        KeyRing::of_scheme(secrets, algorithm, key)
    }

    fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    fn fetches_keys(&self) -> bool {
        self.scheme.fetches_keys()
    }

    fn reads_target(&self) -> bool {
        self.scheme.reads_target()
    }

    fn claimed_proofs(&self, _request: &VerifyContext<'_>) -> Vec<ProofMethod<'_>> {
        vec![ProofMethod::Signature(&self.scheme)]
    }

    fn handshake_methods(&self) -> &[HandshakeMethod] {
        &self.methods
    }

    fn has_open_handshake(&self) -> bool {
        self.handshakes.iter().any(Handshake::is_open_post)
    }

    fn handshake(&self, keys: &KeyRing, prompt: Prompt<'_>) -> Option<HandshakeAnswer> {
        self.handshakes.iter().find_map(|handshake| handshake.answer(&self.scheme, keys, prompt))
    }

    fn stores_secrets(&self) -> bool {
        self.handshakes.iter().any(Handshake::brings_secret)
    }

    fn brought_secret(&self, keys: &KeyRing, prompt: Prompt<'_>) -> Option<BroughtSecret> {
        self.handshakes.iter().find_map(|handshake| handshake.brought(&self.scheme, keys, prompt))
    }

    fn answer(&self) -> Option<&AnswerDefinition> {
        self.answer.as_ref()
    }

    fn classify(&self, request: &VerifiedRequest) -> Classified {
        self.scheme.classify(request, self.split)
    }
}
