//! Runs the steps of the way of a request, for `.ci/instructions`, which counts the processor's
//! instructions: they are the same on every machine, and need no quiet one. Prints the names of the
//! steps, in order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking"
)]

use std::hint::black_box;

use bytes::Bytes;
use sealpost::providers::{self, Draft, Services, Signed, SourceScheme, SourceSpec};
use sealpost::verify::{RawRequest, RequestHead, Secret, TransferLimits, Verifier, Window};

const NOW: i64 = 1_796_000_000;
/// How often each step runs; `.ci/instructions` divides by it.
const TIMES: usize = 20;
const PROVIDERS: [&str; 3] = ["stripe", "docora", "svix"];

fn main() {
    for provider in PROVIDERS {
        let source = Source::of(provider);
        let verifier = source.verifier();
        let signed = source.sign();
        let names = verifier.provider.headers();
        let requests: Vec<RawRequest> = (0..TIMES).map(|_| request(&signed, names)).collect();
        println!("verify {provider}");
        let verified = measured(|| {
            let verify = |request: RawRequest| request.verify(&verifier, NOW).expect("authentic");
            requests.into_iter().map(verify).collect::<Vec<_>>()
        });
        println!("parse {provider}");
        let events = measured(|| {
            verified.iter().map(|request| verifier.provider.classify(request)).collect::<Vec<_>>()
        });
        assert_eq!(events.len(), TIMES);
    }
}

/// What is counted: callgrind knows it by its name.
#[inline(never)]
fn measured<T>(step: impl FnOnce() -> T) -> T {
    black_box(step())
}

struct Source {
    provider: &'static str,
    secret: Secret,
    options: toml::Table,
    body: Bytes,
}

impl Source {
    fn of(provider: &'static str) -> Self {
        let (secret, options, body) = match provider {
            "stripe" => ("whsec_0123456789abcdef", "livemode = false", stripe_body()),
            "docora" => (
                "docora-secret-0123456789abcdef",
                "app_id = 'app_0123456789abcdef01234567'",
                docora_body(),
            ),
            "svix" => ("whsec_MDEyMzQ1Njc4OWFiY2RlZjAx", "", stripe_body()),
            other => panic!("no provider {other:?}"),
        };
        Self {
            provider,
            secret: Secret::new(secret).unwrap(),
            options: toml::from_str(options).unwrap(),
            body: body.into(),
        }
    }

    fn sign(&self) -> Signed {
        let draft = Draft {
            options: &self.options,
            secret: &self.secret,
            token: None,
            at: NOW,
            headers: &[],
            body: &self.body,
        };
        let entry = providers::find(self.provider).unwrap();
        entry.sign_request(&draft, &SourceScheme::default()).unwrap()
    }

    fn verifier(&self) -> Verifier {
        let spec = SourceSpec {
            name: "benchmark".to_owned(),
            tenant: "default".to_owned(),
            scheme: SourceScheme { provider: self.provider.to_owned(), ..Default::default() },
            options: self.options.clone(),
            token: None,
            transfer_limits: TransferLimits { chunks: 16, bytes: 1 << 20 },
            services: Services::bare().unwrap(),
        };
        let provider = (providers::find(self.provider).unwrap().build)(&spec).unwrap().provider;
        let keys = provider.key_ring(vec![self.secret.clone()]).unwrap();
        let window = Window { max_age: 300, max_future: 300 };
        Verifier { provider, keys, published: None, window }
    }
}

/// What the listener has read of a request.
fn request(signed: &Signed, names: &[&'static str]) -> RawRequest {
    let mut head = RequestHead::default();
    for &name in names {
        let mut lines = signed.headers.iter().filter(|(line, _)| line == name);
        if let Some((_, value)) = lines.next() {
            head.headers.push(name, Bytes::copy_from_slice(value.as_bytes()));
        }
    }
    RawRequest::new(head, signed.body.clone())
}

/// An event of 1 KiB.
fn stripe_body() -> String {
    format!(
        r#"{{"id":"evt_1","object":"event","type":"charge.succeeded","created":{NOW},"livemode":false,"data":{{"object":{{"id":"ch_1","note":"{}"}}}}}}"#,
        "x".repeat(880)
    )
}

/// A chunk of 16 KiB.
fn docora_body() -> String {
    let content = "QUJD".repeat(4 * 1024);
    format!(
        r#"{{"repository":{{"repository_id":"repo_0123456789abcdef01234567","github_url":"https://github.com/owner/repo","owner":"owner","name":"repo"}},"file":{{"path":"images/a.bin","sha":"{}","size":24576,"content":"{content}","content_encoding":"base64","chunk":{{"id":"7f0c2a1e-53a5-4b9e-9b43-0d8a7c9c6f10","index":0,"total":2}}}},"commit_sha":"0123456789abcdef0123456789abcdef01234567","timestamp":"2026-11-20T11:59:00.000Z"}}"#,
        "ab".repeat(32)
    )
}
