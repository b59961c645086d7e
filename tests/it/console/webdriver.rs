//! The protocol by which W3C has browsers driven, as much of it as the tests speak: JSON over HTTP.
//! What is looked for may come a little later, and what was found may be put in anew before it is
//! used: both are waited for. What does not work after that fails the test that asked for it.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

/// How long is waited for what a page does not have yet.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Under this name the protocol refers to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser, by way of the program that drives it.
pub(super) struct WebDriver {
    client: reqwest::Client,
    session: String,
}

impl WebDriver {
    /// Starts a browser with these options of Chromium's.
    pub(super) async fn begin(port: u16, options: Value) -> Self {
        let client = sealpost::tls::client().no_proxy().build().expect("a client");
        let all = format!("http://127.0.0.1:{port}/session");
        let driver = Self { client, session: all };
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "timeouts": { "implicit": PATIENCE.as_millis() },
        } } });
        let begun = driver.call(Method::POST, "", &wanted).await;
        let id = begun["sessionId"].as_str().expect("a browser");
        Self { session: format!("{}/{id}", driver.session), ..driver }
    }

    /// Ends the browser.
    pub(super) async fn end(&self) {
        self.call(Method::DELETE, "", &Value::Null).await;
    }

    /// Opens an address, and waits until it is there.
    pub(super) async fn open(&self, url: &str) {
        self.call(Method::POST, "/url", &json!({ "url": url })).await;
    }

    /// The address that is open.
    pub(super) async fn address(&self) -> String {
        let url = self.call(Method::GET, "/url", &Value::Null).await;
        url.as_str().expect("an address").to_owned()
    }

    /// What a script gives.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.call(Method::POST, "/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// The visible text of what this selector finds; empty where it finds nothing, as while a page
    /// is on its way.
    pub(super) async fn text(&self, css: &str) -> String {
        // In one step: what is live on a page may be put in anew between two.
        let script = format!("return document.querySelector({})?.innerText ?? ''", json!(css));
        let body = json!({ "script": script, "args": [] });
        // While one page makes room for the next, no script runs.
        let text = self.try_call(Method::POST, "/execute/sync", &body).await.unwrap_or_default();
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks what this selector finds, as a person would: it must be in sight.
    pub(super) async fn click(&self, css: &str) {
        self.on(css, "click", &json!({})).await;
    }

    /// Types into what this selector finds.
    pub(super) async fn write(&self, css: &str, text: &str) {
        self.on(css, "value", &json!({ "text": text })).await;
    }

    /// Calls the browser's own interface for developers.
    pub(super) async fn devtools(&self, method: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": method, "params": parameters });
        self.call(Method::POST, "/goog/cdp/execute", &body).await
    }

    /// Does something with what this selector finds.
    async fn on(&self, css: &str, what: &str, body: &Value) {
        let given_up = Instant::now() + PATIENCE;
        loop {
            let path = format!("{}/{what}", self.find(css).await);
            match self.try_call(Method::POST, &path, body).await {
                Ok(_) => return,
                Err(wrong) => assert!(
                    wrong["error"] == "stale element reference" && Instant::now() < given_up,
                    "{what} on {css}: {}",
                    wrong["message"]
                ),
            }
        }
    }

    /// The path of an element.
    async fn find(&self, css: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": css });
        let found = self.call(Method::POST, "/element", &wanted).await;
        format!("/element/{}", found[ELEMENT].as_str().expect("an element"))
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let done = self.try_call(method, path, body).await;
        done.unwrap_or_else(|wrong| panic!("{path} {body}: {}", wrong["message"]))
    }

    /// What the driver gives, or what it says is wrong.
    async fn try_call(&self, method: Method, path: &str, body: &Value) -> Result<Value, Value> {
        let mut request = self.client.request(method, format!("{}{path}", self.session));
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.expect("the driver answers");
        let is_good = answer.status().is_success();
        let text = answer.text().await.expect("an answer");
        let mut answer: Value = serde_json::from_str(&text).expect("JSON");
        let value = answer["value"].take();
        if is_good { Ok(value) } else { Err(value) }
    }
}
