//! One module with its entry in the catalogue: its source, its scheme, and how the engine signs.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sealpost::providers::{self, Draft, Entry, Services, SourceScheme, SourceSpec, data};
use sealpost::verify::{Algorithm, RequestHead, Scheme, SchemeDefinition, Secret, TransferLimits};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::packages::{Module, Registry, Request};
use crate::spoil::spoil;

/// The public URL of the gateway, as the senders know it.
pub(crate) const PUBLIC_URL: &str = "https://hooks.example.com";

/// How far a clock may be off for a token to be accepted, in seconds.
const LEEWAY: u64 = 60;

/// The scheme of a provider that is not data, as far as the changes of this test need it.
const STRIPE: &str = r#"
algorithm = "hmac-sha256"
signed = "{timestamp}.{body}"
signature = { header = "stripe-signature", format = "t={timestamp},v1={signature}" }
timestamp = { from = "signature", tolerance = "5m" }
"#;

/// One module, and the source that receives its requests.
pub(crate) struct Subject {
    pub(crate) registry: Registry,
    /// The provider.
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) module: Module,
    pub(crate) definition: SchemeDefinition,
    pub(crate) scheme: Arc<Scheme>,
    pub(crate) options: toml::Table,
    provider: &'static Entry,
    /// The `[source.scheme]`, if the catalogue's is not used as it is.
    custom: Option<toml::Table>,
    url: Url,
}

impl Subject {
    /// Builds the provider as the gateway does.
    pub(crate) fn new(
        registry: Registry,
        name: &str,
        source: &str,
        module: Module,
    ) -> Result<Self, String> {
        let url = Url::parse(&format!("{PUBLIC_URL}/hooks/{source}")).expect("a URL");
        let mut table = scheme_of(name)?;
        let root = module.root.as_deref();
        let custom = root.is_some_and(|root| trust(&mut table, root).is_some());
        let custom = custom.then(|| table.clone());
        let definition: SchemeDefinition =
            table.try_into().map_err(|error: toml::de::Error| error.to_string())?;
        let options = options(name, &module)?;
        let provider = match &custom {
            Some(_) => data::CUSTOM,
            None => name,
        };
        let provider = providers::find(provider).ok_or("it is not a provider")?;
        let scheme = SourceScheme {
            provider: provider.name.to_owned(),
            definition: custom.clone(),
            public_url: Some(url.clone()),
        };
        let built = (provider.build)(&SourceSpec {
            name: source.to_owned(),
            tenant: "default".to_owned(),
            scheme,
            options: options.clone(),
            token: None,
            transfer_limits: TransferLimits { chunks: 1, bytes: 1 },
            services: Services::bare().map_err(|error| error.to_string())?,
        });
        let built = built.map_err(|error| format!("the catalogue: {error}"))?.provider;
        let scheme = built.scheme(&RequestHead::default()).cloned().ok_or("it has no scheme")?;
        let source = source.to_owned();
        let name = name.to_owned();
        let subject = Self {
            registry,
            name,
            source,
            module,
            definition,
            scheme,
            options,
            provider,
            custom,
            url,
        };
        let secrets = subject.secret().map(Secret::new).transpose();
        let secrets = secrets.map_err(|error| format!("the module's secret {error}"))?;
        built.key_ring(secrets.into_iter().collect()).map_err(|error| error.to_string())?;
        Ok(subject)
    }

    /// The package, as the catalogue names it, with its version.
    pub(crate) fn package(&self) -> String {
        format!("{}:{}@{}", self.registry, self.module.package, self.module.version)
    }

    /// The secret of the source; `None` if the sender publishes its keys.
    pub(crate) fn secret(&self) -> Option<&str> {
        let secret = self.module.secret.as_deref().filter(|secret| !secret.is_empty());
        secret.filter(|_| !self.scheme.fetches_keys())
    }

    /// Another secret of the same form; `None` if only the sender has the key that signs.
    pub(crate) fn other_secret(&self) -> Option<String> {
        let is_shared = !self.definition.algorithm.is_public_key();
        self.secret().filter(|_| is_shared).map(spoil)
    }

    /// The URL as it is entered at the sender.
    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The path at the listener.
    pub(crate) fn path(&self) -> &str {
        self.url.path()
    }

    /// The `[[source]]`, with the secret in this variable.
    pub(crate) fn entry(&self, variable: &str) -> toml::Table {
        let mut entry = toml::Table::new();
        entry.insert("name".to_owned(), self.source.clone().into());
        entry.insert("provider".to_owned(), self.provider.name.into());
        if self.secret().is_some() {
            let reference = toml::Table::from_iter([("env".to_owned(), variable.into())]);
            entry.insert("secrets".to_owned(), vec![toml::Value::Table(reference)].into());
        }
        entry.insert("options".to_owned(), toml::Value::Table(self.options.clone()));
        if let Some(scheme) = &self.custom {
            entry.insert("scheme".to_owned(), toml::Value::Table(scheme.clone()));
        }
        entry
    }

    /// Lets the engine sign the module's payload.
    pub(crate) fn sign(&self, secret: &str, at: i64) -> Result<Request, String> {
        let content_type = self.module.content_type.iter().map(|kind| ("content-type", kind));
        let others = self.module.headers.iter().map(|(name, value)| (name.as_str(), value));
        let headers: Vec<(String, String)> = content_type
            .chain(others)
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        let secret = Secret::new(secret).map_err(|error| error.to_string())?;
        let draft = Draft {
            options: &self.options,
            secret: &secret,
            token: None,
            at,
            headers: &headers,
            body: self.module.body.as_bytes(),
        };
        let scheme = SourceScheme {
            provider: self.provider.name.to_owned(),
            definition: self.custom.clone(),
            public_url: Some(self.url.clone()),
        };
        let signed = self.provider.sign_request(&draft, &scheme);
        let signed = signed.map_err(|error| error.to_string())?;
        Ok(Request { query: signed.query, headers: signed.headers, body: signed.body.to_vec() })
    }

    /// How long a request is accepted.
    ///
    /// # Errors
    /// Why it does not become too old.
    pub(crate) fn lifetime(&self, request: &Request, now: i64) -> Result<Duration, &'static str> {
        if self.definition.algorithm != Algorithm::Jwt {
            let signs_time = self.definition.timestamp.is_some();
            return signs_time.then_some(self.provider.max_age).ok_or("no time is signed");
        }
        let leeway = Duration::from_secs(LEEWAY);
        if let Some(most) = self.definition.jwt.as_ref().and_then(|jwt| jwt.max_age) {
            return Ok(most + leeway);
        }
        let expires = self.claims(request).and_then(|claims| claims["exp"].as_u64());
        let left = expires.ok_or("its token does not expire")?.saturating_sub(now.unsigned_abs());
        Ok(Duration::from_secs(left) + leeway)
    }

    /// The claims of a token in a header, unverified.
    fn claims(&self, request: &Request) -> Option<Value> {
        let name = self.definition.signature.header.iter().next()?;
        let segment = request.header(name)?.split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
    }
}

/// The scheme in the file of a provider.
fn scheme_of(name: &str) -> Result<toml::Table, String> {
    let wrong = |error: toml::de::Error| error.to_string();
    let Some(text) = data::text(name) else {
        return match name {
            "stripe" => toml::from_str(STRIPE).map_err(wrong),
            _ => Err("it is not in the catalogue".to_owned()),
        };
    };
    let mut file: toml::Table = toml::from_str(text).map_err(wrong)?;
    match file.remove("scheme") {
        Some(toml::Value::Table(scheme)) => Ok(scheme),
        _ => Err("its file has no scheme".to_owned()),
    }
}

/// Replaces the root that a scheme pins, if it pins one.
fn trust(scheme: &mut toml::Table, root: &str) -> Option<()> {
    let x5c = scheme.get_mut("key")?.get_mut("x5c")?.as_table_mut()?;
    let encoded: String = root.lines().filter(|line| !line.starts_with("-----")).collect();
    let fingerprint = hex::encode(Sha256::digest(STANDARD.decode(encoded).ok()?));
    x5c.insert("root_sha256".to_owned(), fingerprint.into());
    Some(())
}

/// The options of the source.
fn options(name: &str, module: &Module) -> Result<toml::Table, String> {
    let known = module.options.iter();
    let mut options: toml::Table =
        known.map(|(name, value)| (name.clone(), value.clone().into())).collect();
    match name {
        "aws-sns" => {
            let message: Value =
                serde_json::from_str(&module.body).map_err(|error| error.to_string())?;
            let topic = message["TopicArn"].as_str().ok_or("its body names no topic")?;
            options.insert("topic_arn".to_owned(), topic.into());
        }
        "stripe" => {
            options.insert("livemode".to_owned(), false.into());
        }
        _ => {}
    }
    Ok(options)
}
