//! The providers, as the admin API shows them.

mod example;
mod words;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use url::Url;

use self::example::Example;
use crate::admin::{
    Provider, ProviderLevel, ProviderOption, ProviderProof, ProviderSender, Providers,
    ReplayProtection,
};
use crate::providers::built_in::{self, Description, Words};
use crate::providers::data::{ProofBy, ProofLevel, ProviderFile};
use crate::providers::{self, Entry};
use crate::verify::{Scheme, SchemeOptions, Strength};

/// A source of a sender that no provider describes.
const TEMPLATE: &str = include_str!("custom.toml");
/// Stands for the value of an option.
const REPLACE: &str = "replace-me";

static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let mut all: Vec<Provider> =
        providers::all().filter_map(Known::of).map(|known| known.model()).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
});

/// Replaces nothing.
static NO_WORDS: LazyLock<Words> = LazyLock::new(Words::default);

/// All providers but the one whose scheme is in the configuration.
pub fn providers() -> Providers {
    Providers::new(&PROVIDERS, TEMPLATE)
}

/// What is known about a provider.
struct Known {
    entry: &'static Entry,
    file: &'static ProviderFile,
    /// What replaces the words made of the scheme.
    given: &'static Words,
    /// The values of the options in the example.
    values: toml::Table,
    /// Whether the signature covers the URL.
    needs_url: bool,
    strength: Strength,
    has_handler: bool,
}

impl Known {
    fn of(entry: &'static Entry) -> Option<Self> {
        let described = built_in::find(entry.name);
        let file = match described {
            Some(Description { file, .. }) => file,
            None => ProviderFile::find(entry.name)?,
        };
        let mut values = match described {
            Some(Description { examples, .. }) => examples.clone(),
            None => file
                .options
                .iter()
                .map(|(name, meaning)| (name.clone(), toml::Value::from(example_value(meaning))))
                .collect(),
        };
        let address = format!("https://hooks.example.com/hooks/{}", entry.name);
        let compile = |url: Option<Url>| {
            let text = |(name, _): (&String, &String)| {
                let value = values.get(name).and_then(toml::Value::as_str).unwrap_or(REPLACE);
                (name.clone(), value.to_owned())
            };
            let options: BTreeMap<String, String> = file.options.iter().map(text).collect();
            Scheme::compile(
                &file.scheme,
                &SchemeOptions { options, url, ..SchemeOptions::default() },
            )
        };
        let without_url = compile(None);
        let needs_url = without_url.is_err();
        let scheme = without_url.or_else(|_| compile(Url::parse(&address).ok()));
        let given = described.map_or(&*NO_WORDS, |described| &described.words);
        let proven = scheme.map_or(Strength::Vouched, |scheme| scheme.strength());
        if needs_url && described.is_none() {
            values.insert("url".to_owned(), address.into());
        }
        Some(Self {
            entry,
            file,
            given,
            values,
            needs_url: needs_url && described.is_none(),
            strength: given.strength.unwrap_or(proven),
            has_handler: described.is_some(),
        })
    }

    fn model(&self) -> Provider {
        let Self { entry, file, given, .. } = self;
        let (scheme, event) = (&file.scheme, &file.scheme.event);
        let replay_protection = self.replay_protection();
        let options = self.options();
        let secret = words::secret(scheme);
        let brings_secret = scheme.handshake.iter().any(|handshake| handshake.store.is_some());
        Provider {
            name: entry.name.to_owned(),
            title: file.name.clone(),
            docs: file.docs.clone(),
            level: self.level(),
            proven: file.proof.level == ProofLevel::Proven,
            has_handler: self.has_handler,
            algorithm: scheme.algorithm.to_string(),
            strength: self.strength,
            signed: or_else(&given.signed, || words::signed(scheme)),
            signature: given.signature.clone().unwrap_or_else(|| words::signatures(scheme)),
            timestamp: given.timestamp.clone().or_else(|| words::timestamp(scheme)),
            replay_protection,
            replayable: replay_protection == ReplayProtection::None,
            published_keys: words::published_keys(scheme),
            event_type: given
                .event_type
                .clone()
                .or_else(|| words::event_type(scheme, self.strength)),
            event_id: or_else(&given.event_id, || words::places(event, event.id.iter())),
            event_lane: or_else(&given.event_lane, || words::places(event, event.lane.iter())),
            event_time: given
                .event_time
                .clone()
                .or_else(|| words::places(event, event.time.as_deref().into_iter()).pop()),
            deduplication: given
                .deduplication
                .clone()
                .unwrap_or_else(|| words::deduplication(event)),
            batch: scheme.batch.as_ref().map(words::batch),
            handshakes: scheme.handshake.iter().map(words::handshake).collect(),
            max_body_bytes: entry.max_body as u64,
            max_age_seconds: self.max_age().map(|age| age.as_secs()),
            per_second: entry.pace.per_second.get(),
            burst: entry.pace.burst.get(),
            max_delay_seconds: entry.pace.patience.as_secs_f64(),
            chunk_bytes: entry.chunk,
            tables: entry.tables.iter().map(|&table| table.to_owned()).collect(),
            sender: self.sender(),
            proofs: file.proof.by.iter().map(proof).collect(),
            sources: file.proof.sources.clone(),
            example: Example {
                name: entry.name,
                title: &file.name,
                docs: file.docs.as_deref(),
                setup: file.sender.setup.as_deref(),
                secret: secret.as_deref().filter(|_| !brings_secret),
                is_public_key: scheme.algorithm.is_public_key(),
                options: &options,
                values: &self.values,
            }
            .text(),
            secret,
            options,
        }
    }

    fn level(&self) -> ProviderLevel {
        match self.file.proof.level {
            _ if self.has_handler => ProviderLevel::BuiltIn,
            ProofLevel::Proven => ProviderLevel::Proven,
            ProofLevel::Sample => ProviderLevel::Sample,
            ProofLevel::Documented => ProviderLevel::Documented,
            ProofLevel::Reported => ProviderLevel::Reported,
        }
    }

    fn replay_protection(&self) -> ReplayProtection {
        let scheme = &self.file.scheme;
        let token = scheme.jwt.as_ref().map(|jwt| jwt.max_age.is_some() || jwt.requires_end());
        match (&scheme.timestamp, token) {
            (Some(time), _) if time.optional => ReplayProtection::OptionalTime,
            (Some(_), _) | (None, Some(true)) => ReplayProtection::Time,
            (None, Some(false)) => ReplayProtection::OptionalTime,
            (None, None) => ReplayProtection::None,
        }
    }

    /// The maximum age of a signature, where a time is signed.
    fn max_age(&self) -> Option<Duration> {
        let scheme = &self.file.scheme;
        match (&scheme.timestamp, &scheme.jwt) {
            (Some(_), _) => Some(self.entry.max_age),
            (None, jwt) => jwt.as_ref()?.max_age,
        }
    }

    fn options(&self) -> Vec<ProviderOption> {
        let option = |name: &str, meaning: &str, required| ProviderOption {
            name: name.to_owned(),
            meaning: meaning.to_owned(),
            required,
        };
        let described = self.file.options.iter();
        let mut options: Vec<ProviderOption> = described
            .map(|(name, meaning)| option(name, meaning, self.values.contains_key(name)))
            .collect();
        if self.needs_url {
            let meaning = "The URL exactly as it is entered at the sender, without a query. By \
                           default it is made of `ingest.public_url`.";
            options.push(option("url", meaning, false));
        }
        if self.file.scheme.batch.is_some() {
            let meaning = "`true`: an event of each item of a request with several.";
            options.push(option("split", meaning, false));
        }
        for other in &self.file.scheme.alternative {
            if let Some(name) = &other.option {
                let algorithm = other.algorithm.unwrap_or(self.file.scheme.algorithm);
                let meaning = format!("`true`: signatures by `{algorithm}` are accepted, too.");
                options.push(option(name, &meaning, false));
            }
        }
        options
    }

    fn sender(&self) -> ProviderSender {
        let sender = &self.file.sender;
        ProviderSender {
            timeout: sender.timeout.clone(),
            retries: sender.retries.clone(),
            success: sender.success.clone(),
            stops: sender.stops.clone(),
            setup: sender.setup.clone(),
            notes: sender.notes.clone(),
        }
    }
}

/// What replaces the list, or else the list.
fn or_else(given: &[String], list: impl FnOnce() -> Vec<String>) -> Vec<String> {
    if given.is_empty() { list() } else { given.to_vec() }
}

fn proof(by: &ProofBy) -> ProviderProof {
    match by {
        ProofBy::Package { package, version, how } => ProviderProof {
            package: Some(package.clone()),
            version: Some(version.clone()),
            how: Some(how.to_string()),
            published: None,
        },
        ProofBy::Published { published } => ProviderProof {
            package: None,
            version: None,
            how: None,
            published: Some(published.clone()),
        },
    }
}

/// An example of an option's value, from its meaning.
pub(super) fn example_value(meaning: &str) -> &str {
    let example = meaning.split_once("such as `").and_then(|(_, rest)| rest.split_once('`'));
    example.map_or(REPLACE, |(example, _)| example)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_has_a_model() {
        let names: Vec<&str> = providers().all().iter().map(|one| one.name.as_str()).collect();
        let missing = providers::all().map(|entry| entry.name).filter(|name| !names.contains(name));
        assert_eq!(missing.collect::<Vec<_>>(), [providers::data::CUSTOM]);
    }

    #[test]
    fn only_the_proven_ones_with_handlers_count_as_proven() {
        let all = providers().all().iter();
        let proven = all.filter(|one| one.has_handler && one.proven).map(|one| &*one.name);
        assert_eq!(proven.collect::<Vec<_>>(), ["stripe"]);
    }

    #[test]
    fn what_is_signed_is_known() {
        let find = |name: &str| providers().show(name).unwrap();
        let (signed, vouched) = (find("github"), find("telegram"));
        assert_eq!((signed.strength, signed.replayable), (Strength::Signed, true));
        assert_eq!((vouched.strength, vouched.algorithm.as_str()), (Strength::Vouched, "token"));
        let twilio = find("twilio");
        assert!(twilio.example.contains("\nurl = \"https://hooks.example.com/hooks/twilio\"\n"));
        let sns = find("aws-sns");
        assert!(sns.secret.is_none() && sns.published_keys.is_some() && !sns.replayable);
        assert!(!sns.example.contains("secrets"), "{}", sns.example);
        let asana = find("asana");
        assert!(!asana.example.contains("secrets  ="), "{}", asana.example);
        assert_eq!(find("slack").max_age_seconds, Some(300));
        let built_in = ["apify", "bot", "docora", "stripe"].map(|name| find(name).strength);
        let signed = Strength::Signed;
        assert_eq!(built_in, [Strength::Vouched, signed, signed, signed]);
    }

    #[test]
    fn examples_of_values_come_from_the_meaning() {
        assert_eq!(example_value("The id, such as `P0`."), "P0");
        assert_eq!(example_value("The id."), REPLACE);
    }
}
