//! A provider as facts under headings: what the command line, the console and the book show.

use std::time::Duration;

use bytesize::ByteSize;

use super::model::{Provider, ProviderLevel, ProviderOption, ProviderProof, ReplayProtection};
use crate::verify::Strength;

/// Facts under a heading.
#[derive(Debug, Clone)]
pub struct FactGroup {
    pub title: &'static str,
    pub facts: Vec<Fact>,
}

/// A fact. In its texts, code is between backticks.
#[derive(Debug, Clone)]
pub struct Fact {
    pub label: &'static str,
    pub texts: Vec<String>,
}

impl Provider {
    /// Everything about it, in the order in which it is shown. What is not known is left out.
    pub fn facts(&self) -> Vec<FactGroup> {
        let groups = [
            ("Signature", self.signature_facts()),
            ("Secret and options", self.secret_facts()),
            ("Events", self.event_facts()),
            ("Sender", self.sender_facts()),
            ("Defaults", self.default_facts()),
            ("Proof", self.proof_facts()),
        ];
        let groups = groups.into_iter().map(|(title, mut facts)| {
            facts.retain(|fact| !fact.texts.is_empty());
            FactGroup { title, facts }
        });
        groups.filter(|group| !group.facts.is_empty()).collect()
    }

    fn signature_facts(&self) -> Vec<Fact> {
        vec![
            fact("Algorithm", [code(&self.algorithm)]),
            fact("Strength", [strength(self.strength).to_owned()]),
            fact("Signature", [self.signature.clone()]),
            fact("Signed text", self.signed.iter().map(|text| code(text))),
            fact("Signed time", self.timestamp.clone()),
            fact("Replay protection", [self.replays()]),
        ]
    }

    fn replays(&self) -> String {
        let age = self.max_age_seconds.map(span);
        match (self.replay_protection, age) {
            (ReplayProtection::Time, Some(age)) => {
                format!("a signed time, which may be {age} old")
            }
            (ReplayProtection::Time, None) => "a signed time, which must be recent".to_owned(),
            (ReplayProtection::OptionalTime, _) => {
                "a signed time, if the request has one".to_owned()
            }
            (ReplayProtection::None, _) => {
                "none by the signature: no time is signed, so an old request stays valid. It is a \
                 duplicate as long as its key is kept (`keys.retention`)"
                    .to_owned()
            }
        }
    }

    fn secret_facts(&self) -> Vec<Fact> {
        let option = |option: &ProviderOption| {
            let required = if option.required { " (required)" } else { "" };
            format!("{}{required}: {}", code(&option.name), option.meaning)
        };
        vec![
            fact("Secret", self.secret.clone()),
            fact("Published keys", self.published_keys.clone()),
            fact("Options", self.options.iter().map(option)),
        ]
    }

    fn event_facts(&self) -> Vec<Fact> {
        let event_type =
            self.event_type.clone().unwrap_or_else(|| "`event`, for every event".to_owned());
        vec![
            fact("Type", [event_type]),
            fact("Id", joined(&self.event_id)),
            fact("Lane", joined(&self.event_lane)),
            fact("Time", self.event_time.clone()),
            fact("Deduplication", [self.deduplication.clone()]),
            fact("Batches", self.batch.clone()),
            fact("Handshakes", self.handshakes.iter().cloned()),
        ]
    }

    fn sender_facts(&self) -> Vec<Fact> {
        let sender = &self.sender;
        vec![
            fact("Documentation", self.docs.clone()),
            fact("Set up", sender.setup.clone()),
            fact("Timeout", sender.timeout.clone()),
            fact("Retries", sender.retries.clone()),
            fact("Success", sender.success.clone()),
            fact("Stops at", sender.stops.clone()),
            fact("Notes", sender.notes.iter().cloned()),
        ]
    }

    fn default_facts(&self) -> Vec<Fact> {
        let delay = Duration::try_from_secs_f64(self.max_delay_seconds).unwrap_or_default();
        let limit = format!(
            "{} a second, {} at once; requests beyond it wait up to {}",
            self.per_second,
            self.burst,
            humantime::format_duration(delay)
        );
        vec![
            fact("Largest body (`max_body`)", [ByteSize(self.max_body_bytes).to_string()]),
            fact("Oldest signature (`max_age`)", self.max_age_seconds.map(span)),
            fact("Rate limit (`limit`)", [limit]),
            fact("Bytes of a chunk", self.chunk_bytes.map(|bytes| ByteSize(bytes).to_string())),
            fact("Tables", joined(&self.tables.iter().map(|name| code(name)).collect::<Vec<_>>())),
        ]
    }

    fn proof_facts(&self) -> Vec<Fact> {
        vec![
            fact("Level", [level(self.level).to_owned()]),
            fact("Proven by", self.proofs.iter().map(proof)),
            fact("Looked up in", self.sources.iter().cloned()),
        ]
    }
}

fn fact(label: &'static str, texts: impl IntoIterator<Item = String>) -> Fact {
    Fact { label, texts: texts.into_iter().filter(|text| !text.is_empty()).collect() }
}

/// A text as code, on one line.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('\n', "\\n"))
}

fn joined(texts: &[String]) -> Option<String> {
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn span(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

fn strength(strength: Strength) -> &'static str {
    match strength {
        Strength::Signed => "`signed`: the signature covers the body",
        Strength::Vouched => "`vouched`: the proof does not cover the body",
        Strength::Edited => "`edited`",
    }
}

fn level(level: ProviderLevel) -> &'static str {
    match level {
        ProviderLevel::Proven => {
            "proven: the sender's own package, or a signature that it published, agrees in the \
             tests"
        }
        ProviderLevel::Sample => "sample: example code of the sender agrees",
        ProviderLevel::Documented => "documented: the sender documents it",
        ProviderLevel::Reported => "reported: others report it",
        ProviderLevel::BuiltIn => "built in: with handlers and fixtures of its own",
    }
}

fn proof(proof: &ProviderProof) -> String {
    if let Some(published) = &proof.published {
        return format!("published: {published}");
    }
    let package = proof.package.as_deref().unwrap_or_default();
    let version = proof.version.as_deref().unwrap_or_default();
    let how = proof.how.as_deref().unwrap_or_default();
    format!("{} {version}, which {how}", code(package))
}
