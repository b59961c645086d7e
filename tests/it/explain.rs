//! The command `sealpost explain`: verifies a recorded request against a source.

use sealpost::verify::Secret;
use serde_json::{Value, json};

use crate::cli::Program;
use crate::harness::RETIRED_SECRET;

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
