//! The command `sealpost explain`: verifies a recorded request against a source.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use sealpost::providers::{self, Draft, Signed, SourceScheme};
use sealpost::verify::EventMethod;
use sealpost::verify::Secret;
use sealpost::verify::diagnose::FindingKind;
use serde_json::{Value, json};
use url::Url;

use crate::cli::Program;
use crate::harness::{Gateway, RETIRED_SECRET};
use crate::migrating::blocks;
use crate::rejected_requests::wait_for_rejected;

const CONFIG: &str = "
[[source]]
name = \"billing\"
provider = \"stripe\"
secrets = [{ env = \"BILLING_SECRET\" }]
retired = [{ env = \"RETIRED_SECRET\" }]
options = { livemode = false }
";
const SECRET: &str = "whsec_billing_0123456789abcdef";
const AT: i64 = 1_763_640_000;
const BODY: &str = "{\"id\":\"evt_1\",\"n\":1}";

fn signature(secret: &str, body: &str) -> String {
    let secret = Secret::new(secret).unwrap();
    let mac = secret.sign(&[AT.to_string().as_bytes(), b".", body.as_bytes()]);
    format!("t={AT},v1={}", hex::encode(mac))
}

fn http(signature: &str, body: &str) -> String {
    format!(
        "POST /hooks/billing HTTP/1.1\r\nHost: example.org\r\nStripe-Signature: {signature}\r\n\
         Content-Length: {}\r\n\r\n{body}\n",
        body.len()
    )
}

fn explain(recording: &str, more: &[&str]) -> (i32, Value) {
    explain_at(recording, AT, more)
}

fn explain_at(recording: &str, at: i64, more: &[&str]) -> (i32, Value) {
    let program = Program::new(CONFIG);
    program.file("request", recording);
    let at = at.to_string();
    let arguments = ["explain", "request", "--source", "billing", "--at", &at, "--format", "json"];
    let run = program.run(&[&arguments, more].concat());
    let right = signature(SECRET, BODY);
    let right = right.split("v1=").nth(1).unwrap();
    assert!(recording.contains(right) || !run.all().contains(right), "{}", run.all());
    (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.all())))
}

#[test]
fn http_and_json_recordings_are_explained() {
    let right = signature(SECRET, BODY);
    let (code, explained) = explain(&http(&right, BODY), &[]);
    assert_eq!((code, &explained["finding"]), (0, &json!("verifies")), "{explained}");
    let document = json!({ "path": "/hooks/billing", "body": BODY,
                           "headers": { "Stripe-Signature": right } });
    let (code, explained) = explain(&document.to_string(), &[]);
    assert_eq!((code, &explained["verifies"]), (0, &json!(true)), "{explained}");
}

#[test]
fn recordings_of_the_documentation_verify() {
    const PAGE: &str = include_str!("../../docs/senders.md");
    let mut program = Program::new(
        "[[source]]\nname = \"code\"\nprovider = \"github\"\n\
         secrets = [{ env = \"GITHUB_WEBHOOK_SECRET\" }]\n",
    );
    program.set("GITHUB_WEBHOOK_SECRET", "It's a Secret to Everybody");
    for language in ["http", "json"] {
        let [recording]: [&str; 1] = blocks(PAGE, language).try_into().expect("one block");
        program.file("request", recording);
        let run = program.run(&["explain", "request", "--source", "code"]);
        assert_eq!(run.code, 0, "{}", run.all());
        assert!(run.stdout.starts_with("accepted: valid signature"), "{}", run.all());
    }
}

#[test]
fn hints_about_an_own_scheme_say_what_to_change_in_it() {
    let config = |scheme: &str| {
        format!(
            "[[source]]\nname = \"own\"\nprovider = \"custom\"\n\
             secrets = [{{ env = \"OWN_SECRET\" }}]\n[source.scheme]\n\
             algorithm = \"hmac-sha256\"\n{scheme}\n"
        )
    };
    let secret = "b3duLXNlY3JldC0wMTIzNDU2Nzg5";
    let mac = |key: &[u8], text: &str| Secret::new(key).unwrap().sign(&[text.as_bytes()]);
    let hex_of = |key: &[u8], text: &str| hex::encode(mac(key, text));
    let decoded = STANDARD.decode(secret).unwrap();
    let right = hex_of(secret.as_bytes(), BODY);
    let base64 = STANDARD.encode(mac(secret.as_bytes(), BODY));
    let timed = "signed = \"{timestamp}.{body}\"\nsignature = { header = \"x-s\" }\n\
                 timestamp = { from = \"header:x-t\", tolerance = \"5m\" }";
    let plain = "signed = \"{body}\"\nsignature = { header = \"x-s\" }";
    let prefixed = "signed = \"{body}\"\nsignature = { header = \"x-s\", prefix = \"sha256=\" }";
    let other = "signed = \"{body}\"\nsignature = { header = \"x-other\" }";
    for (scheme, signature, time, hint) in [
        (plain, base64, AT.to_string(), "`encoding = \"base64\"` in `signature`"),
        (plain, hex_of(&decoded, BODY), AT.to_string(), "`key = { encoding = \"base64\" }`"),
        (prefixed, right.clone(), AT.to_string(), "`prefix` in `signature`"),
        (timed, right.clone(), AT.to_string(), "`signed = \"{body}\"`"),
        (timed, right.clone(), format!("{AT}000"), "`unit = \"milliseconds\"`"),
        (plain, hex_of(b"a-stranger-secret-0123456789", BODY), String::new(), "then `algorithm`"),
        (other, right, String::new(), "names of the headers"),
    ] {
        let mut program = Program::new(&config(scheme));
        program.set("OWN_SECRET", secret);
        let recording = json!({ "body": BODY, "headers": { "x-s": signature, "x-t": time } });
        program.file("request", &recording.to_string());
        let at = AT.to_string();
        let run = program.run(&["explain", "request", "--source", "own", "--at", &at]);
        assert_eq!(run.code, 1, "{scheme}: {}", run.all());
        assert!(run.stdout.contains(hint), "{hint}: {}", run.all());
    }
}

#[test]
fn findings_distinguish_causes() {
    let stranger = "a-stranger-secret-0123456789abcd";
    let pretty = "{\n  \"id\": \"evt_1\",\n  \"n\": 1\n}";
    for (recording, finding) in [
        (http(&signature(stranger, BODY), BODY), "no_secret"),
        (http(&signature(RETIRED_SECRET, BODY), BODY), "retired_secret"),
        (http(&signature(SECRET, pretty), BODY), "body_changed"),
        (http(&signature(SECRET, BODY).replace("v1=", "v0="), BODY), "signature_spelling"),
        (http("", BODY), "header_missing"),
    ] {
        let recording = recording.replace("Stripe-Signature: \r\n", "");
        let (code, explained) = explain(&recording, &[]);
        assert_eq!((code, &explained["finding"]), (1, &json!(finding)), "{explained}");
        assert!(explained["hint"].is_string(), "{explained}");
    }
    let (_, explained) = explain_at(&http(&signature(SECRET, BODY), BODY), AT + 1000, &[]);
    assert_eq!(explained["finding"], "stale");
}

#[test]
fn candidate_secret_is_reported_but_not_accepted() {
    let bot = "bot-secret-0123456789abcdefgh";
    let more = ["--secret", "env:BOT_SECRET"];
    let (code, explained) = explain(&http(&signature(bot, BODY), BODY), &more);
    assert_eq!((code, &explained["finding"]), (1, &json!("offered_secret")), "{explained}");
}

#[test]
fn text_output_has_a_verdict_and_a_hint() {
    let program = Program::new(CONFIG);
    program.file("request", &http(&signature(RETIRED_SECRET, BODY), BODY));
    let at = AT.to_string();
    let run = program.run(&["explain", "request", "--source", "billing", "--at", &at]);
    assert_eq!(run.code, 1);
    let fingerprint = Secret::new(RETIRED_SECRET).unwrap().fingerprint();
    assert_eq!(
        run.stdout,
        format!(
            "rejected as sig_mismatch: invalid signature: signed with \
             retired secret {fingerprint}\n\
             hint: give the sender the current secret, or add the retired one to `secrets` until \
             the sender has switched\n"
        )
    );
}

#[test]
fn invalid_input_has_other_exit_codes() {
    let program = Program::new(CONFIG);
    program.file("request", "nonsense\n");
    let run = program.run(&["explain", "request", "--source", "billing"]);
    assert_eq!(run.code, 64, "{}", run.all());
    program.file("request", &http("", BODY));
    let run = program.run(&["explain", "request", "--source", "absent"]);
    assert_eq!(run.code, 2, "{}", run.all());
    let run = program.run(&["explain", "absent", "--source", "billing"]);
    assert_eq!(run.code, 1, "{}", run.all());
}

const OF_DATA: &str = r#"
[[source]]
name = "code"
provider = "github"
secrets = [{ env = "BILLING_SECRET" }]
retired = [{ env = "RETIRED_SECRET" }]

[[source]]
name = "chat"
provider = "slack"
secrets = [{ env = "BILLING_SECRET" }]

[[source]]
name = "sms"
provider = "twilio"
secrets = [{ env = "BILLING_SECRET" }]
options = { url = "https://hooks.example.com/sms" }

[[source]]
name = "deploys"
provider = "netlify"
secrets = [{ env = "BILLING_SECRET" }]
retired = [{ env = "RETIRED_SECRET" }]

[[source]]
name = "rows"
provider = "supabase-db"
secrets = [{ env = "BILLING_SECRET" }]

[[source]]
name = "bots"
provider = "discord"
secrets = [{ env = "DISCORD_KEY" }]
"#;

/// A request as the sender signs it, for a source with this URL.
fn signed(provider: &str, url: &str, secret: &str, headers: &[(&str, &str)], body: &str) -> Signed {
    let scheme = SourceScheme {
        provider: provider.to_owned(),
        definition: None,
        public_url: Some(Url::parse(url).unwrap()),
    };
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let draft = Draft {
        options: &toml::Table::new(),
        secret: &Secret::new(secret).unwrap(),
        token: None,
        at: AT,
        headers: &headers,
        body: body.as_bytes(),
    };
    providers::find(provider).unwrap().sign_request(&draft, &scheme).unwrap()
}

/// Explains a request of a provider that is data, with another body.
fn explain_data(source: &str, request: &Signed, body: &[u8], at: i64) -> (i32, Value) {
    let mut program = Program::new(OF_DATA);
    program.set("DISCORD_KEY", &hex::encode(private_key().verifying_key().to_bytes()));
    let mut recording = format!("POST {} HTTP/1.1\r\n", request.path(&format!("/hooks/{source}")));
    for (name, value) in &request.headers {
        recording.push_str(&format!("{name}: {value}\r\n"));
    }
    recording.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    program.file("request", &(recording + std::str::from_utf8(body).unwrap()));
    let at = at.to_string();
    let run =
        program.run(&["explain", "request", "--source", source, "--at", &at, "--format", "json"]);
    (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.all())))
}

fn private_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

#[test]
fn request_of_a_sender_that_is_data_is_explained() {
    let url = "https://hooks.example.com/sms";
    let body = r#"{"ref":"refs/heads/main","forced":false}"#;
    let stranger = "a-stranger-secret-0123456789abcd";
    let push = |secret: &str| signed("github", url, secret, &[("x-github-event", "push")], body);
    let (code, explained) = explain_data("code", &push(SECRET), body.as_bytes(), AT);
    assert_eq!((code, &explained["finding"]), (0, &json!("verifies")), "{explained}");

    let mut unsigned = push(SECRET);
    unsigned.headers.retain(|(name, _)| name != "x-hub-signature-256");
    let mut base64 = push(SECRET);
    for (name, value) in &mut base64.headers {
        if name == "x-hub-signature-256" {
            let digits = value.strip_prefix("sha256=").unwrap();
            *value = format!("sha256={}", STANDARD.encode(hex::decode(digits).unwrap()));
        }
    }
    let pretty = "{\n  \"ref\": \"refs/heads/main\",\n  \"forced\": false\n}";
    for (request, body, finding) in [
        (push(stranger), body, "no_secret"),
        (push(RETIRED_SECRET), body, "retired_secret"),
        (unsigned, body, "header_missing"),
        (base64, body, "signature_spelling"),
        (push(SECRET), pretty, "body_changed"),
    ] {
        let (code, explained) = explain_data("code", &request, body.as_bytes(), AT);
        assert_eq!((code, &explained["finding"]), (1, &json!(finding)), "{explained}");
        assert!(explained["hint"].is_string(), "{explained}");
    }

    let message = signed("slack", url, SECRET, &[], BODY);
    let (_, explained) = explain_data("chat", &message, BODY.as_bytes(), AT + 1000);
    assert_eq!(explained["finding"], "stale", "{explained}");
    assert!(explained["text"].as_str().unwrap().contains("otherwise valid"), "{explained}");
}

#[test]
fn form_is_explained_with_its_content_type_and_url() {
    let (url, form) = ("https://hooks.example.com/sms", "Body=hello+you&From=%2B1");
    let request = signed("twilio", url, SECRET, &[], form);
    assert!(request.headers.iter().any(|(_, value)| value.ends_with("x-www-form-urlencoded")));
    let (code, explained) = explain_data("sms", &request, form.as_bytes(), AT);
    assert_eq!((code, &explained["finding"]), (0, &json!("verifies")), "{explained}");
    let elsewhere = signed("twilio", "https://other.example.com/", SECRET, &[], form);
    let (_, explained) = explain_data("sms", &elsewhere, form.as_bytes(), AT);
    assert_eq!(explained["finding"], "no_secret", "{explained}");
    assert!(explained["text"].as_str().unwrap().contains("another URL"), "{explained}");
}

#[test]
fn token_and_public_key_are_explained() {
    let url = "https://hooks.example.com/deploys";
    let deploy = |secret: &str| signed("netlify", url, secret, &[], BODY);
    let longer = format!("{BODY}\n");
    for (request, body, at, finding) in [
        (deploy(SECRET), BODY, AT, "verifies"),
        (deploy(SECRET), &*longer, AT, "body_changed"),
        (deploy(RETIRED_SECRET), BODY, AT, "retired_secret"),
        (deploy("a-stranger-secret-0123456789abcd"), BODY, AT, "no_secret"),
        (deploy(SECRET), BODY, AT + 1000, "stale"),
    ] {
        let (_, explained) = explain_data("deploys", &request, body.as_bytes(), at);
        assert_eq!(explained["finding"], finding, "{explained}");
    }

    let row = signed("supabase-db", url, RETIRED_SECRET, &[], BODY);
    let (_, explained) = explain_data("rows", &row, BODY.as_bytes(), AT);
    assert_eq!(explained["text"], "no configured secret is the one in the request");

    let signature = private_key().sign(format!("{AT}{BODY}").as_bytes());
    let headers = vec![
        ("x-signature-ed25519".to_owned(), hex::encode(signature.to_bytes())),
        ("x-signature-timestamp".to_owned(), AT.to_string()),
    ];
    let event = Signed { method: EventMethod::Post, query: None, headers, body: BODY.into() };
    let (code, _) = explain_data("bots", &event, BODY.as_bytes(), AT);
    assert_eq!(code, 0);
    let (_, explained) = explain_data("bots", &event, longer.as_bytes(), AT);
    assert_eq!(explained["finding"], "body_changed", "{explained}");
    assert!(explained["text"].as_str().unwrap().contains("public key"), "{explained}");
}

#[tokio::test]
async fn kept_request_of_a_sender_that_is_data_is_explained() {
    let sms = "name = \"sms\"\nprovider = \"twilio\"\n";
    let kept = OF_DATA.replace(sms, &format!("{sms}keep_rejected = \"1h\"\n"));
    let gateway = Gateway::builder()
        .more_config(&kept)
        .variable("DISCORD_KEY", &hex::encode(private_key().verifying_key().to_bytes()))
        .start()
        .await;
    let (url, form) = ("https://hooks.example.com/sms", "Body=hello&From=%2B1");
    let request = signed("twilio", url, SECRET, &[], form);
    let changed = form.replace("hello", "hello%0A");
    let answer = gateway.post("/hooks/sms", &request.headers, changed.as_bytes()).await;
    assert_eq!(answer.status, 401);
    let [one] = &wait_for_rejected(&gateway, 1).await[..] else { panic!("one") };
    let caller = sealpost::admin::Caller::local("grace");
    let shown = gateway.rejected_requests().show(&caller, one.id).await.unwrap();
    let explanation = shown.explanation.unwrap();
    assert_eq!(explanation.finding, FindingKind::NoSecret, "{}", explanation.text);
    assert!(explanation.text.contains("another URL"), "{}", explanation.text);
}
