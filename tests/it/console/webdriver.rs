//! The part of the W3C `WebDriver` protocol that the tests use: JSON over HTTP. An element may appear
//! late, and may be replaced before it is used: both are retried up to [`PATIENCE`].

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

/// The longest wait for an element.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The key of an element reference in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser session.
pub(super) struct WebDriver {
    client: reqwest::Client,
    session: String,
}

impl WebDriver {
    /// Starts a browser with these options of Chromium.
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

    /// Opens a URL, and waits until it is loaded.
    pub(super) async fn open(&self, url: &str) {
        self.call(Method::POST, "/url", &json!({ "url": url })).await;
    }

    /// The current URL.
    pub(super) async fn address(&self) -> String {
        let url = self.call(Method::GET, "/url", &Value::Null).await;
        url.as_str().expect("an address").to_owned()
    }

    /// Runs a script, and returns its result.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.call(Method::POST, "/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// The visible text at this selector; empty if there is none, as while a page is loading.
    pub(super) async fn text(&self, css: &str) -> String {
        // In one step, as a live part of the page may be replaced between two.
        let script = format!("return document.querySelector({})?.innerText ?? ''", json!(css));
        let body = json!({ "script": script, "args": [] });
        // During a navigation no script can run.
        let text = self.try_call(Method::POST, "/execute/sync", &body).await.unwrap_or_default();
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks the element at this selector, which must be visible.
    pub(super) async fn click(&self, css: &str) {
        self.on(css, "click", &json!({})).await;
    }

    /// Types into the element at this selector.
    pub(super) async fn write(&self, css: &str, text: &str) {
        self.on(css, "value", &json!({ "text": text })).await;
    }

    /// Calls a command of the Chrome `DevTools` protocol.
    pub(super) async fn devtools(&self, method: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": method, "params": parameters });
        self.call(Method::POST, "/goog/cdp/execute", &body).await
    }

    /// Runs an action on the element at this selector.
    async fn on(&self, css: &str, what: &str, body: &Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let path = format!("{}/{what}", self.find(css).await);
            match self.try_call(Method::POST, &path, body).await {
                Ok(_) => return,
                Err(error) => assert!(
                    error["error"] == "stale element reference" && Instant::now() < deadline,
                    "{what} on {css}: {}",
                    error["message"]
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
        done.unwrap_or_else(|error| panic!("{path} {body}: {}", error["message"]))
    }

    /// The driver's result, or its error.
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
