//! The payloads of `@octokit/webhooks-examples`: all of GitHub's events, signed by GitHub's own
//! package, as JSON and some as a form.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use url::form_urlencoded;

use crate::harness::Gateway;
use crate::packages::{Program, Unsigned, folder};
use crate::subject::Subject;

const PACKAGE: &str = "node_modules/@octokit/webhooks-examples";
const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Deserialize)]
struct Event {
    name: String,
    examples: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Manifest {
    version: String,
}

/// Sends them all; returns what was shown.
pub(crate) async fn check(
    gateway: &Gateway,
    program: &mut Program,
    subject: &Subject,
) -> Result<String, String> {
    let manifest: Manifest =
        serde_json::from_str(&read("package.json")?).map_err(|error| error.to_string())?;
    let index = read("api.github.com/index.json")?;
    let events: Vec<Event> = serde_json::from_str(&index).map_err(|error| error.to_string())?;
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    let (mut known, mut forms) = (BTreeSet::new(), 0);
    for Event { name, examples } in &events {
        for (position, example) in examples.iter().enumerate() {
            let json = example.get().to_owned();
            let mut bodies = vec![("application/json", json.clone())];
            if position == 0 {
                let mut form = form_urlencoded::Serializer::new(String::new());
                bodies.push((FORM, form.append_pair("payload", &json).finish()));
                forms += 1;
            }
            for (content_type, body) in bodies {
                // Equal bodies are one event.
                if !known.insert(body.clone()) {
                    continue;
                }
                let headers = [("content-type", content_type), ("x-github-event", name.as_str())];
                let unsigned = Unsigned {
                    body: Some(body.as_bytes()),
                    headers: &headers,
                    secret: None,
                    now: gateway.clock_seconds(),
                };
                let request = program.sign("github", subject.url(), unsigned)?;
                let answer = gateway.post(subject.path(), &request.headers, &request.body).await;
                if !(200..300).contains(&answer.status) {
                    return Err(format!("{name}, example {position}: {}", answer.status));
                }
                *sent.entry(name.clone()).or_default() += 1;
            }
        }
    }
    let query = format!(
        "SELECT event_type, count(*) AS number FROM events WHERE source = '{}' GROUP BY 1",
        subject.source
    );
    let recorded: BTreeMap<String, usize> = (gateway.query(&query).await.iter())
        .map(|row| {
            let number = row["number"].as_u64().unwrap_or_default();
            (row["event_type"].as_str().unwrap_or_default().to_owned(), number as usize)
        })
        .collect();
    if recorded != sent {
        return Err(format!("sent {sent:?}, but recorded {recorded:?}"));
    }
    let total: usize = sent.values().sum();
    Ok(format!(
        "npm:@octokit/webhooks-examples@{}: {total} payloads of {} types accepted, {forms} of them \
         as forms, each recorded with its type",
        manifest.version,
        sent.len()
    ))
}

fn read(file: &str) -> Result<String, String> {
    let path = folder().join(PACKAGE).join(file);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}
