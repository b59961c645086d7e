//! Providers that are data: a file of the catalogue, or the `scheme` of a source.

mod example_secret;
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

pub use self::example_secret::example_secret;
pub use self::file::{
    PackageUse, ProofBy, ProofLevel, ProofOfScheme, ProviderFile, SenderHabits, file_names, parse,
    text,
};
pub(super) use self::sign::{has_own_answer, is_sender_only, sign, test_body};
use super::{Built, Entry, FRESH, OptionsError, Pace, SMALL_BODY, SourceScheme, SourceSpec};
use crate::verify::{
    AnswerDefinition, BroughtSecret, Classified, EventMethod, Handshake, HandshakeAnswer,
    HandshakeMethod, KeyError, KeyRing, Prompt, Proof, ProofMethod, Provider, Refusal, RequestHead,
    Scheme, SchemeDefinition, SchemeOptions, Schemes, Secret, SignedTime, UnixSeconds,
    VerifiedRequest, VerifyContext, Window, intern,
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
        derived: None,
        build,
        sign: None,
    }
}

/// The options that a definition describes: texts with their meaning, and the alternatives that
/// `true` enables.
#[derive(Default)]
struct Described {
    texts: BTreeMap<String, String>,
    switches: Vec<String>,
    is_custom: bool,
}

/// The definition of a source's scheme, and the options that it describes.
fn definition(
    provider: &str,
    scheme: &SourceScheme,
) -> Result<(SchemeDefinition, Described), OptionsError> {
    let described = |definition: &SchemeDefinition, texts, is_custom| {
        let options = definition.alternative.iter().filter_map(|other| other.option.clone());
        Described { texts, switches: options.collect(), is_custom }
    };
    let scheme = scheme.definition.as_ref();
    if provider == CUSTOM {
        let Some(table) = scheme else {
            return Err(OptionsError("scheme: `custom` needs this table".to_owned()));
        };
        let definition = serde_path_to_error::deserialize(table.clone())
            .map_err(|error| OptionsError(format!("scheme.{}: {}", error.path(), error.inner())))?;
        let described = described(&definition, BTreeMap::new(), true);
        return Ok((definition, described));
    }
    if scheme.is_some() {
        return Err(OptionsError("scheme: only for the provider `custom`".to_owned()));
    }
    let file = ProviderFile::find(provider)
        .ok_or_else(|| OptionsError(format!("`{provider}` is not a provider")))?;
    Ok((file.scheme.clone(), described(&file.scheme, file.options.clone(), false)))
}

/// The options of a source.
struct Options {
    scheme: SchemeOptions,
    split: bool,
}

fn options(
    options: &toml::Table,
    described: &Described,
    public: Option<&Url>,
) -> Result<Options, OptionsError> {
    let Described { texts, switches, is_custom } = described;
    let mut read = SchemeOptions { url: public.cloned(), ..SchemeOptions::default() };
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
            (name, toml::Value::Boolean(wanted)) if switches.iter().any(|known| known == name) => {
                if *wanted {
                    read.enabled.insert(name.to_owned());
                }
            }
            (name, toml::Value::String(text)) if *is_custom || texts.contains_key(name) => {
                read.options.insert(name.to_owned(), text.clone());
            }
            (name, _) if texts.contains_key(name) => {
                return Err(OptionsError(format!("{name}: must be text")));
            }
            (name, _) => {
                let known = texts.keys().chain(switches).map(String::as_str);
                let known: Vec<&str> = known.chain([URL, SPLIT]).collect();
                return Err(OptionsError(format!(
                    "{name}: not an option of this provider (known: {})",
                    known.join(", ")
                )));
            }
        }
    }
    for (name, meaning) in texts {
        if !read.options.contains_key(name) {
            return Err(OptionsError(format!("{name}: missing. {meaning}")));
        }
    }
    Ok(Options { scheme: read, split })
}

fn build(spec: &SourceSpec) -> Result<Built, OptionsError> {
    let provider = &spec.scheme.provider;
    let (definition, described) = definition(provider, &spec.scheme)?;
    let is_custom = described.is_custom;
    let options = options(&spec.options, &described, spec.scheme.public_url.as_ref())?;
    if options.split && definition.batch.is_none() {
        return Err(OptionsError("split: the sender gives no id to the items".to_owned()));
    }
    let wrong =
        |error: String| OptionsError(if is_custom { format!("scheme.{error}") } else { error });
    let schemes = Schemes::compile(&definition, &options.scheme).map_err(wrong)?;
    let handshakes = (definition.handshake.iter().enumerate())
        .map(|(index, handshake)| {
            let compiled = Handshake::compile(handshake, &options.scheme.options);
            let is_wrong = |one: &Handshake| one.brings_secret() && definition.is_sender_only();
            let compiled = compiled.and_then(|compiled| {
                if is_wrong(&compiled) {
                    return Err("store: the sender keeps its key to itself".to_owned());
                }
                Ok(compiled)
            });
            compiled.map_err(|error| wrong(format!("handshake[{index}].{error}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Built {
        provider: Arc::new(DataProvider::new(
            provider,
            schemes,
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
    schemes: Schemes,
    handshakes: Vec<Handshake>,
    methods: Vec<HandshakeMethod>,
    parameters: Vec<String>,
    answer: Option<AnswerDefinition>,
    max_age: Option<Duration>,
    signed_time: SignedTime,
    split: bool,
}

impl DataProvider {
    fn new(
        name: &str,
        schemes: Schemes,
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
            parameters: schemes.parameters(),
            schemes,
            handshakes,
            methods,
            answer: definition.answer.clone(),
            max_age: definition.timestamp.as_ref().map(|timestamp| timestamp.tolerance),
            signed_time: match (&definition.timestamp, &definition.jwt) {
                (Some(_), _) => SignedTime::Timestamp,
                (None, Some(_)) => SignedTime::Token,
                (None, None) => SignedTime::None,
            },
            split,
        }
    }
}

impl Provider for DataProvider {
    fn name(&self) -> &'static str {
        self.name
    }

    fn headers(&self) -> &[&'static str] {
        self.schemes.headers()
    }

    fn proof_headers(&self) -> Vec<&'static str> {
        self.schemes.proof_headers()
    }

    fn kept_headers(&self) -> &[&'static str] {
        self.schemes.kept_headers()
    }

    fn parameters(&self) -> Vec<&str> {
        self.parameters.iter().map(String::as_str).collect()
    }

    fn redact(&self, head: &mut RequestHead, body: &mut Bytes) {
        self.schemes.redact(head);
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
        self.schemes.precheck(head, window, now)
    }

    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        self.schemes.verify(request)
    }

    fn scheme(&self, head: &RequestHead) -> Option<&Arc<Scheme>> {
        self.schemes.of_head(head)
    }

    fn key_ring(&self, secrets: Vec<Secret>) -> Result<KeyRing, KeyError> {
        self.schemes.key_ring(secrets, self.stores_secrets())
    }

    fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    fn has_own_scheme(&self) -> bool {
        self.name == CUSTOM
    }

    fn signed_time(&self) -> SignedTime {
        self.signed_time
    }

    fn fetches_keys(&self) -> bool {
        self.schemes.fetches_keys()
    }

    fn event_method(&self) -> EventMethod {
        self.schemes.main().method()
    }

    fn key_url(&self) -> Option<Url> {
        self.schemes.main().fixed_key_url()
    }

    fn reads_target(&self) -> bool {
        self.schemes.reads_target()
    }

    fn claimed_proofs(&self, request: &VerifyContext<'_>) -> Vec<ProofMethod<'_>> {
        vec![ProofMethod::Signature(self.schemes.claimed(request))]
    }

    fn handshake_methods(&self) -> &[HandshakeMethod] {
        &self.methods
    }

    fn has_open_handshake(&self) -> bool {
        self.handshakes.iter().any(Handshake::is_open_post)
    }

    fn handshake(&self, keys: &KeyRing, prompt: Prompt<'_>) -> Option<HandshakeAnswer> {
        self.handshakes
            .iter()
            .find_map(|handshake| handshake.answer(self.schemes.main(), keys, prompt))
    }

    fn stores_secrets(&self) -> bool {
        self.handshakes.iter().any(Handshake::brings_secret)
    }

    fn brought_secret(&self, keys: &KeyRing, prompt: Prompt<'_>) -> Option<BroughtSecret> {
        self.handshakes
            .iter()
            .find_map(|handshake| handshake.brought(self.schemes.main(), keys, prompt))
    }

    fn answer(&self) -> Option<&AnswerDefinition> {
        self.answer.as_ref()
    }

    fn classify(&self, request: &VerifiedRequest) -> Classified {
        self.schemes.classify(request, self.split)
    }
}
