//! Every provider compiles, and every recorded signature agrees with the engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::super::{Draft, Services, SignError, SourceScheme, SourceSpec, find};
use super::fuzzing::{self, EXAMPLES, Example, NOW, OPTION};
use super::*;
use crate::verify::{
    KeyCache, RawRequest, Secret, SenderInfo, Strength, Target, TransferLimits, Verifier,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    vector: Vec<Vector>,
}

/// A request with a signature that the sender's package made or accepted, or that it published.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Vector {
    #[serde(rename = "by")]
    _by: String,
    method: String,
    url: Url,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    body_base64: Option<String>,
    secret: Option<String>,
    public_key: Option<String>,
    #[serde(default)]
    options: toml::Table,
    now: Option<UnixSeconds>,
    tamper: Option<(String, String)>,
}

fn spec(scheme: SourceScheme, options: toml::Table) -> SourceSpec {
    SourceSpec {
        name: "acme".into(),
        tenant: "default".into(),
        scheme,
        options,
        token: None,
        transfer_limits: TransferLimits { chunks: 1, bytes: 1 },
        services: Services::bare().unwrap(),
    }
}

/// What the sender would publish, whatever its URL.
struct Published(String);

impl KeyCache for Published {
    fn get(&self, _: &Url) -> Option<Arc<str>> {
        Some(self.0.as_str().into())
    }
}

impl Vector {
    fn body(&self) -> Bytes {
        match (&self.body, &self.body_base64) {
            (Some(_), None) if self.method == "GET" => {
                let query = self.url.query().map(str::to_owned);
                Bytes::from(Target { method: self.method.clone(), query }.sorted_query())
            }
            (Some(text), None) => Bytes::from(text.clone()),
            (None, Some(text)) => Bytes::from(STANDARD.decode(text).unwrap()),
            _ => panic!("needs exactly one body"),
        }
    }

    /// A source of this provider.
    fn verifier(&self, name: &str, secret: Option<&str>) -> Verifier {
        let entry = find(name).unwrap();
        let mut options = self.options.clone();
        let mut url = self.url.clone();
        url.set_query(None);
        let mut scheme =
            SourceScheme { provider: name.to_owned(), definition: None, public_url: Some(url) };
        let file = ProviderFile::find(name);
        if file.is_some_and(|file| file.scheme.key.x5c.is_some()) {
            // The test chain has a root of its own.
            let mut table: toml::Table = toml::from_str(text(name).unwrap()).unwrap();
            let definition = table.remove("scheme").unwrap();
            let toml::Value::Table(mut definition) = definition else { panic!("a table") };
            let pem = self.public_key.as_deref().unwrap().trim();
            let der: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
            let root = hex::encode(Sha256::digest(STANDARD.decode(der).unwrap()));
            definition["key"]["x5c"]["root_sha256"] = root.into();
            CUSTOM.clone_into(&mut scheme.provider);
            scheme.definition = Some(definition);
        }
        if name == "stripe" {
            options.insert("livemode".into(), false.into());
        }
        let spec = spec(scheme, options);
        let provider =
            (entry.build)(&spec).unwrap_or_else(|error| panic!("{name}: {error}")).provider;
        let given =
            secret.or(if provider.fetches_keys() { None } else { self.public_key.as_deref() });
        let secrets: Vec<Secret> =
            given.into_iter().map(|text| Secret::unchecked(text.trim())).collect();
        let keys = provider.key_ring(secrets).unwrap_or_else(|error| panic!("{name}: {error}"));
        let key = self.public_key.clone().unwrap_or_default();
        let content = match hex::decode(&key) {
            Ok(raw) if raw.len() == 32 => {
                let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(raw);
                format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#)
            }
            _ if key.starts_with('{') => format!("{{\"keys\":[{key}]}}"),
            _ => key,
        };
        let published: Arc<dyn KeyCache> = Arc::new(Published(content));
        let tolerance = file.and_then(ProviderFile::max_age).unwrap_or(FRESH).as_secs();
        let tolerance = i64::try_from(tolerance).unwrap();
        Verifier {
            published: provider.fetches_keys().then_some(published),
            provider,
            keys,
            window: Window { max_age: tolerance, max_future: tolerance },
        }
    }

    fn verify(&self, verifier: &Verifier, body: Bytes) -> Result<VerifiedRequest, Refusal> {
        let content_type = self.headers.get("content-type").map(String::as_bytes);
        let query = self.url.query().map(str::to_owned);
        let mut head = RequestHead {
            query: query.clone(),
            target: Some(Box::new(Target { method: self.method.clone(), query })),
            sender_info: SenderInfo::new(content_type, None),
            ..RequestHead::default()
        };
        for (name, value) in &self.headers {
            if let Some(name) = verifier.provider.headers().iter().find(|known| *known == name) {
                head.headers.push(name, Bytes::from(value.clone()));
            }
        }
        let now = self.now.unwrap_or(1_700_000_000);
        verifier.precheck(&head, now)?;
        RawRequest::new(head, body).verify(verifier, now)
    }

    /// The body with one change that keeps its syntax.
    fn changed(&self) -> Bytes {
        let body = self.body();
        if let Some((from, to)) = &self.tamper {
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(text.contains(from));
            return Bytes::from(text.replacen(from, to, 1));
        }
        let mut body = body.to_vec();
        let change = |byte: &&mut u8| matches!(**byte, b'0'..=b'8' | b'a'..=b'y');
        match body.iter_mut().rev().find(change) {
            Some(byte) => *byte += 1,
            None => body.push(b' '),
        }
        Bytes::from(body)
    }
}

fn vectors() -> Vec<(String, Vector)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let parsed: Vectors =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        all.extend(parsed.vector.into_iter().map(|vector| (name.clone(), vector)));
    }
    all
}

#[test]
fn recorded_signature_is_accepted_and_a_changed_one_refused() {
    let mut wrong = Vec::new();
    let all = vectors();
    assert!(all.len() >= 89);
    for (name, vector) in &all {
        let verifier = vector.verifier(name, vector.secret.as_deref());
        match vector.verify(&verifier, vector.body()) {
            Ok(verified) => {
                let is_signed = verified.strength() == Strength::Signed;
                if (is_signed || vector.tamper.is_some())
                    && vector.verify(&verifier, vector.changed()).is_ok()
                {
                    wrong.push(format!("{name}: a changed body is accepted"));
                }
            }
            Err(refusal) => wrong.push(format!("{name}: {refusal}")),
        }
        if let Some(secret) = &vector.secret {
            let mut other = secret.clone().into_bytes();
            let place = other.len() * 3 / 4;
            other[place] = if other[place] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            let verifier = vector.verifier(name, Some(&other));
            if vector.verify(&verifier, vector.body()).is_ok() {
                wrong.push(format!("{name}: another secret is accepted"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
fn every_provider_can_be_built() {
    let mut wrong = Vec::new();
    for (name, file) in ProviderFile::all() {
        let options = file.options.keys().map(|name| (name.clone(), OPTION.into())).collect();
        let spec = spec(fuzzing::source(name, None), options);
        if let Err(error) = (find(name).unwrap().build)(&spec) {
            wrong.push(format!("{name}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn signed_request_of_every_provider_is_accepted() {
    let mut wrong = Vec::new();
    let mut signed = 0;
    for example in EXAMPLES.iter() {
        let Example { name, source, options, verifier, .. } = example;
        let Some(secret) = &example.secret else { continue };
        let entry = find(name).unwrap();
        let body = match entry.test_body("1", options, source) {
            Ok(body) => body,
            Err(SignError::SenderOnly) => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        let draft = Draft { options, secret, token: None, at: NOW, headers: &[], body: &body };
        let request = match entry.sign_request(&draft, source) {
            Ok(request) => request,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        signed += 1;
        let headers = request.headers.into_iter().map(|(name, value)| (name, value.into_bytes()));
        let headers: Vec<(String, Vec<u8>)> = headers.collect();
        let method = request.method.as_str();
        let head = example.head(method, request.query.as_deref(), &headers);
        let verified = verifier
            .precheck(&head, NOW)
            .and_then(|()| RawRequest::new(head, request.body.clone()).verify(verifier, NOW));
        match verified {
            Ok(verified) if verified.is_test(verifier) => {}
            Ok(_) => wrong.push(format!("{name}: {:?} is no test event", request.body)),
            Err(refusal) => wrong.push(format!("{name}: {refusal}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {signed}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(signed >= 150, "{signed}");
}
