//! Measures what verification costs beyond its cryptography: for every family of schemes, the whole
//! verification of a request against the bare check of the same text.
//!
//! The bare check has a prepared key and a decoded signature, and parses nothing. The two alternate
//! in one run, so that both see the same machine; compare the ratios, not the times. The goal is a
//! ratio of at most 1.15. Criterion reports the whole verification.
//!
//! `cargo bench --bench verify [-- FAMILY]`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking, and prints"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use criterion::Criterion;
use ed25519_dalek::{Signer as _, Verifier as _};
use hmac::{Hmac, KeyInit, Mac};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use sealpost::providers::{self, Draft, Entry, Services, Signed, SourceScheme, SourceSpec};
use sealpost::verify::{
    EventMethod, RawRequest, RequestHead, Secret, SenderInfo, Target, TransferLimits, Verifier,
    Window,
};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;
use url::Url;

const NOW: i64 = 1_700_000_000;
const URL: &str = "https://hooks.example.com/hooks/acme";
const SECRET: &str = "a-secret-of-a-benchmark-0123456789";
const RSA: &str = include_str!("../tests/it/access/oidc/issuer.pem");
const RSA_PUBLIC: &str = include_str!("../src/providers/data/example_secret/rsa.pem");
/// The public half of a P-256 key whose bytes are all 7.
const P256_PUBLIC: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHhhTL9R1TALzBB2cdc6zO4P/2BrHzk/og\
                           syxyYvFiW6kbDEcTi/0DdlqNlPm5FRF0y3+SG7O11x6kMahiIHAow==";
/// The ratio that no family should exceed.
const GOAL: f64 = 1.15;
/// How many requests of a kind are verified at a time, before the other kind has its turn.
const SMALL: (usize, usize) = (1 << 10, 16);
const LARGE: (usize, usize) = (1 << 20, 2);

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .nresamples(10_000)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1_500))
        .without_plots()
        .configure_from_args();
    let (small, large) = (families(SMALL), families(LARGE));
    let cases = small.iter().zip(&large).flat_map(|(small, large)| [small, large]);
    let rows: Vec<Row> = cases.filter_map(|case| case.measure(&mut criterion)).collect();
    criterion.final_summary();
    println!("{:<26} {:>8} {:>12} {:>12} {:>6}", "family", "body", "verify", "bare", "ratio");
    for Row { name, size, whole, bare, ratio } in &rows {
        let mark = if *ratio > GOAL { " above the goal" } else { "" };
        let (whole, bare) = (whole * 1e6, bare * 1e6);
        println!(
            "{name:<26} {size:>8} {whole:>9.2} \u{b5}s {bare:>9.2} \u{b5}s {ratio:>6.2}{mark}"
        );
    }
}

/// The medians of a family, in seconds.
struct Row {
    name: &'static str,
    size: &'static str,
    whole: f64,
    bare: f64,
    ratio: f64,
}

/// A signed request, and the check of its signature without the engine.
struct Case {
    name: &'static str,
    /// How many are verified at a time.
    round: usize,
    verifier: Verifier,
    head: RequestHead,
    body: Bytes,
    bare: Box<dyn Fn() -> bool>,
}

impl Case {
    fn request(&self) -> RawRequest {
        RawRequest::new(self.head.clone(), self.body.clone())
    }

    fn size(&self) -> &'static str {
        if self.body.len() < LARGE.0 { "1 KiB" } else { "1 MiB" }
    }

    /// `None` if the family is not among those to be measured.
    fn measure(&self, criterion: &mut Criterion) -> Option<Row> {
        assert!(self.request().verify(&self.verifier, NOW).is_ok(), "{}", self.name);
        assert!((self.bare)(), "{}: bare", self.name);
        let mut rounds = Vec::new();
        let name = format!("{}, {}", self.name, self.size());
        criterion.bench_function(&name, |bencher| {
            bencher.iter_custom(|iterations| self.run(iterations, &mut rounds));
        });
        Some(Row {
            name: self.name,
            size: self.size(),
            whole: median(rounds.iter().map(|(whole, _)| *whole))?,
            bare: median(rounds.iter().map(|(_, bare)| *bare))?,
            ratio: median(rounds.iter().map(|(whole, bare)| whole / bare))?,
        })
    }

    /// Verifies this many requests, and as many without the engine; returns what the former took.
    /// Requests are made before, and results dropped after they are measured.
    fn run(&self, iterations: u64, rounds: &mut Vec<(f64, f64)>) -> Duration {
        let mut left = usize::try_from(iterations).unwrap();
        let mut total = Duration::ZERO;
        while left > 0 {
            let count = left.min(self.round);
            left -= count;
            let mut requests: Vec<RawRequest> = (0..count).map(|_| self.request()).collect();
            let mut results = Vec::with_capacity(count);
            let began = Instant::now();
            for request in requests.drain(..) {
                results.push(black_box(request).verify(&self.verifier, NOW));
            }
            let whole = began.elapsed();
            drop(results);
            let began = Instant::now();
            for _ in 0..count {
                black_box((self.bare)());
            }
            let bare = began.elapsed();
            total += whole;
            if count == self.round {
                let each = f64::from(u32::try_from(count).unwrap());
                rounds.push((whole.as_secs_f64() / each, bare.as_secs_f64() / each));
            }
        }
        total
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// A source of a provider.
struct Source {
    entry: &'static Entry,
    scheme: SourceScheme,
    secret: Secret,
}

impl Source {
    fn of(provider: &str, secret: &str) -> Self {
        Self {
            entry: providers::find(provider).unwrap(),
            scheme: SourceScheme {
                provider: provider.to_owned(),
                definition: None,
                public_url: Some(Url::parse(URL).unwrap()),
            },
            secret: Secret::new(secret).unwrap(),
        }
    }

    /// With a scheme of its own.
    fn custom(scheme: &str) -> Self {
        let mut source = Self::of("custom", SECRET);
        source.scheme.definition = Some(toml::from_str(scheme).unwrap());
        source
    }

    fn sign(&self, body: &Bytes) -> Signed {
        let options = toml::Table::new();
        let draft = Draft {
            options: &options,
            secret: &self.secret,
            token: None,
            at: NOW,
            headers: &[],
            body,
        };
        self.entry.sign_request(&draft, &self.scheme).unwrap()
    }

    fn verifier(&self) -> Verifier {
        let spec = SourceSpec {
            name: "benchmark".to_owned(),
            tenant: "default".to_owned(),
            scheme: self.scheme.clone(),
            options: toml::Table::new(),
            token: None,
            transfer_limits: TransferLimits { chunks: 1, bytes: 1 },
            services: Services::bare().unwrap(),
        };
        let provider = (self.entry.build)(&spec).unwrap().provider;
        let keys = provider.key_ring(vec![self.secret.clone()]).unwrap();
        let window = Window { max_age: 300, max_future: 300 };
        Verifier { provider, keys, published: None, window }
    }

    /// `signed` as the listener receives it.
    fn case(
        &self,
        name: &'static str,
        round: usize,
        signed: &Signed,
        bare: impl Fn() -> bool + 'static,
    ) -> Case {
        let verifier = self.verifier();
        let provider = &verifier.provider;
        let query = signed.query.clone();
        let content_type = find(signed, "content-type").map(str::as_bytes);
        let mut head = RequestHead {
            query: RequestHead::reads(&**provider, query.as_deref()),
            target: provider
                .reads_target()
                .then(|| Box::new(Target { method: "POST".to_owned(), query })),
            sender_info: SenderInfo::new(content_type, None),
            ..RequestHead::default()
        };
        for &name in provider.headers() {
            if let Some(value) = find(signed, name) {
                head.headers.push(name, Bytes::copy_from_slice(value.as_bytes()));
            }
        }
        Case { name, round, head, body: signed.body.clone(), bare: Box::new(bare), verifier }
    }
}

fn find<'s>(signed: &'s Signed, header: &str) -> Option<&'s str> {
    let mut lines = signed.headers.iter().filter(|(name, _)| name == header);
    lines.next().map(|(_, value)| value.as_str())
}

/// One request for every family, with bodies of this size.
fn families((size, round): (usize, usize)) -> Vec<Case> {
    let body = &body(size);
    let sha256 = mac::<Hmac<Sha256>>;
    let before = |text: String| [Bytes::from(text), Bytes::new()];
    let after = |text: String| [Bytes::new(), Bytes::from(text)];
    let standard = format!("whsec_{}", STANDARD.encode(SECRET));
    vec![
        body_mac::<Hmac<Sha1>>("HMAC-SHA1, hex", "hmac-sha1", "hex", round, body),
        body_mac::<Hmac<Sha1>>("HMAC-SHA1, base64", "hmac-sha1", "base64", round, body),
        body_mac::<Hmac<Sha256>>("HMAC-SHA256, hex", "hmac-sha256", "hex", round, body),
        body_mac::<Hmac<Sha256>>("HMAC-SHA256, base64", "hmac-sha256", "base64", round, body),
        body_mac::<Hmac<Sha384>>("HMAC-SHA384, hex", "hmac-sha384", "hex", round, body),
        body_mac::<Hmac<Sha384>>("HMAC-SHA384, base64", "hmac-sha384", "base64", round, body),
        body_mac::<Hmac<Sha512>>("HMAC-SHA512, hex", "hmac-sha512", "hex", round, body),
        body_mac::<Hmac<Sha512>>("HMAC-SHA512, base64", "hmac-sha512", "base64", round, body),
        sha256("list with time", &Source::of("mux", SECRET), round, body, &|_| {
            before(format!("{NOW}."))
        }),
        sha256("Standard Webhooks", &Source::of("svix", &standard), round, body, &|signed| {
            before(format!("{}.{NOW}.", find(signed, "svix-id").unwrap()))
        }),
        sha256("URL in the text", &Source::of("square", SECRET), round, body, &|_| {
            before(URL.to_owned())
        }),
        sha256("body first", &Source::of("klaviyo", SECRET), round, body, &|_| {
            after(NOW.to_string())
        }),
        hash(round, body),
        token(round, body),
        ed25519(round, body),
        p256(round, body),
        rsa(round, body),
        secret(round, body),
    ]
}

fn body(size: usize) -> Bytes {
    let begin = r#"{"id":"evt_0001","type":"order.created","note":""#;
    let filling = "x".repeat(size - begin.len() - 2);
    Bytes::from(format!("{begin}{filling}\"}}"))
}

/// A MAC of a text that contains the body. `around` is what stands before and after it.
fn mac<M: Mac + KeyInit + Clone + 'static>(
    name: &'static str,
    source: &Source,
    round: usize,
    body: &Bytes,
    around: &dyn Fn(&Signed) -> [Bytes; 2],
) -> Case {
    let signed = source.sign(body);
    let [before, after] = around(&signed);
    let text = [before, signed.body.clone(), after];
    let start = <M as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    let begin = move || {
        let mut mac = start.clone();
        for part in &text {
            mac.update(part);
        }
        mac
    };
    let expected = begin().finalize().into_bytes().to_vec();
    let written = [hex::encode(&expected), STANDARD.encode(&expected)];
    let is_sent = |text: &String| signed.headers.iter().any(|(_, value)| value.ends_with(text));
    assert!(written.iter().any(is_sent), "{name}: another text");
    source.case(name, round, &signed, move || begin().verify_slice(&expected).is_ok())
}

/// A MAC of the body alone.
fn body_mac<M: Mac + KeyInit + Clone + 'static>(
    name: &'static str,
    algorithm: &str,
    encoding: &str,
    round: usize,
    body: &Bytes,
) -> Case {
    let source = Source::custom(&format!(
        "algorithm = '{algorithm}'\nsigned = '{{body}}'\n\
         signature = {{ header = 'x-signature', encoding = '{encoding}' }}"
    ));
    mac::<M>(name, &source, round, body, &|_| [Bytes::new(), Bytes::new()])
}

/// A hash of a text that contains the secret.
fn hash(round: usize, body: &Bytes) -> Case {
    let source = Source::of("hubspot-v1", SECRET);
    let signed = source.sign(body);
    let expected = hex::decode(find(&signed, "x-hubspot-signature").unwrap()).unwrap();
    let content = body.clone();
    source.case("plain hash", round, &signed, move || {
        let digest = Sha256::new().chain_update(SECRET).chain_update(&content).finalize();
        digest[..].ct_eq(&expected).into()
    })
}

/// A token that contains the digest of the body.
fn token(round: usize, body: &Bytes) -> Case {
    let source = Source::of("vonage", SECRET);
    let signed = source.sign(body);
    let token = find(&signed, "authorization").unwrap().strip_prefix("Bearer ").unwrap();
    let (text, signature) = token.rsplit_once('.').unwrap();
    let (text, signature) = (text.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap());
    let start = <Hmac<Sha256> as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    let (content, digest) = (body.clone(), Sha256::digest(body).to_vec());
    source.case("JWT with body hash", round, &signed, move || {
        let is_signed = start.clone().chain_update(&text).verify_slice(&signature).is_ok();
        is_signed && bool::from(Sha256::digest(&content)[..].ct_eq(&digest))
    })
}

/// A request that a private key signed.
fn by_key(headers: &[(&str, String)], body: &Bytes) -> Signed {
    let all = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Signed { method: EventMethod::Post, query: None, headers: all.collect(), body: body.clone() }
}

fn ed25519(round: usize, body: &Bytes) -> Case {
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let public = key.verifying_key();
    let at = NOW.to_string();
    let text = [at.as_bytes(), &body[..]].concat();
    let signature = key.sign(&text);
    let written = hex::encode(signature.to_bytes());
    let signed = by_key(&[("x-signature-timestamp", at), ("x-signature-ed25519", written)], body);
    let source = Source::of("discord", &hex::encode(public.to_bytes()));
    source.case("Ed25519", round, &signed, move || public.verify(&text, &signature).is_ok())
}

fn p256(round: usize, body: &Bytes) -> Case {
    let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let public = *key.verifying_key();
    let at = NOW.to_string();
    let text = [at.as_bytes(), &body[..]].concat();
    let signature: p256::ecdsa::Signature = key.sign(&text);
    let written = STANDARD.encode(signature.to_der().as_bytes());
    let headers = [
        ("x-twilio-email-event-webhook-timestamp", at),
        ("x-twilio-email-event-webhook-signature", written),
    ];
    let source = Source::of("sendgrid", P256_PUBLIC);
    let signed = by_key(&headers, body);
    source.case("ECDSA P-256", round, &signed, move || public.verify(&text, &signature).is_ok())
}

fn rsa(round: usize, body: &Bytes) -> Case {
    let key = rsa::PrivateKey::from_pkcs1_pem(RSA).unwrap();
    let public = key.to_public_key();
    let signature = key.pkcs1v15_sign::<Sha256>(body).unwrap();
    let signed = by_key(&[("x-signature-sha256", STANDARD.encode(&signature))], body);
    let content = body.clone();
    let source = Source::of("wise", RSA_PUBLIC.trim());
    source.case("RSA", round, &signed, move || {
        public.pkcs1v15_verify::<Sha256>(&content, &signature).is_ok()
    })
}

/// The secret itself.
fn secret(round: usize, body: &Bytes) -> Case {
    let source = Source::of("gitlab", SECRET);
    let signed = source.sign(body);
    let presented = find(&signed, "x-gitlab-token").unwrap().to_owned();
    let secret = source.secret.clone();
    source.case("token", round, &signed, move || secret.matches(presented.as_bytes()))
}
