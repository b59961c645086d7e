//! A headless Chromium, driven by its chromedriver. Each test starts its own, and stops both by
//! process id.

use std::io::{BufRead, BufReader};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::webdriver::{PATIENCE, WebDriver};
use crate::harness::programs::skip_without;
use crate::harness::{API_KEY, Gateway};

/// The widths of a desktop and of a phone.
pub(super) const WIDTHS: [u32; 2] = [1280, 390];
/// Both preferred color schemes.
pub(super) const THEMES: [&str; 2] = ["light", "dark"];

pub(super) struct Browser {
    pub(super) driver: WebDriver,
    at: String,
}

/// The chromedriver; dropping this stops it.
struct Chromedriver(Child);

impl Drop for Chromedriver {
    fn drop(&mut self) {
        // It may have exited already.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// The folder for pictures of the documentation, if set. They are committed as `docs/images`.
pub(super) fn documentation() -> Option<PathBuf> {
    std::env::var_os("SEALPOST_SCREENSHOTS").map(PathBuf::from)
}

/// Skips the current test if there is no browser.
pub(super) fn is_missing() -> bool {
    skip_without("the browser", &["chromium", "chromedriver"])
}

/// Starts a browser for the console of `gateway`, runs `work` with it, and stops it even if that
/// panics.
pub(super) async fn with_browser(gateway: &Gateway, work: impl AsyncFnOnce(&Browser)) {
    with_browser_at(&gateway.operator_url(""), work).await;
}

/// The same, for the console at this URL.
pub(super) async fn with_browser_at(at: &str, work: impl AsyncFnOnce(&Browser)) {
    let (program, port) = start();
    let profile = tempfile::tempdir().expect("a folder");
    let folder = format!("--user-data-dir={}", profile.path().display());
    let mut arguments = vec![
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--no-first-run",
        "--force-color-profile=srgb",
        &folder,
    ];
    if nix::unistd::geteuid().is_root() {
        // Its sandbox does not work for root.
        arguments.push("--no-sandbox");
    }
    let options = json!({ "binary": find("chromium"), "args": arguments });
    let driver = WebDriver::begin(port, options).await;
    let browser = Browser { driver, at: at.to_owned() };
    let done = AssertUnwindSafe(work(&browser)).catch_unwind().await;
    browser.driver.end().await;
    drop(program);
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

/// Starts chromedriver on a free port. One that is taken meanwhile on the other address family ends
/// it: then the next one is tried.
fn start() -> (Chromedriver, u16) {
    (0..5).find_map(|_| start_once()).expect("the port of chromedriver")
}

/// Starts chromedriver, which prints its port; `None` if it has ended instead.
fn start_once() -> Option<(Chromedriver, u16)> {
    let mut child = Command::new(find("chromedriver"))
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver starts");
    let output = child.stdout.take().expect("its output");
    let program = Chromedriver(child);
    let mut lines = BufReader::new(output).lines();
    let port = lines.find_map(|line| {
        let line = line.expect("a line");
        let (_, port) = line.split_once("started successfully on port ")?;
        Some(port.trim_end_matches('.').parse().expect("a port"))
    })?;
    // Its further output must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Some((program, port))
}

fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    let found = std::env::split_paths(&path).map(|folder| folder.join(program));
    let found = found.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{program} is not found"))
}

impl Browser {
    /// Sends the administrator's key with every request.
    pub(super) async fn show_token(&self) {
        self.show_key(API_KEY).await;
    }

    /// Sends this key with every request.
    pub(super) async fn show_key(&self, key: &str) {
        let headers = json!({ "headers": { "authorization": format!("Bearer {key}") } });
        self.cdp("Network.enable", json!({})).await;
        self.cdp("Network.setExtraHTTPHeaders", headers).await;
    }

    /// Emulates this preferred theme and screen width.
    pub(super) async fn look(&self, theme: &str, width: u32) {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        let height = if width > 600 { 900 } else { 844 };
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Opens a page of the console.
    pub(super) async fn open(&self, path: &str) {
        self.driver.open(&format!("{}{path}", self.at)).await;
    }

    /// Runs a script on the page, and returns its result.
    pub(super) async fn ask(&self, script: &str) -> Value {
        self.driver.run(script).await
    }

    /// The path and the query of the current page.
    pub(super) async fn path(&self) -> String {
        let url = self.driver.address().await;
        url.strip_prefix(&self.at).expect("a page of the console").to_owned()
    }

    /// Waits until this path is open.
    pub(super) async fn wait_for_path(&self, path: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let here = self.path().await;
            if here == path {
                return;
            }
            assert!(Instant::now() < deadline, "expected {path}, at {here}");
        }
    }

    /// Waits until the current page contains this text.
    pub(super) async fn wait_for_text(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = self.text().await;
            if shown.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "{text} does not appear: {shown}");
        }
    }

    /// The text of the current page.
    pub(super) async fn text(&self) -> String {
        self.driver.text("body").await
    }

    /// Clicks the element at this selector.
    pub(super) async fn click(&self, css: &str) {
        self.driver.click(css).await;
    }

    /// Types into the element at this selector.
    pub(super) async fn write(&self, css: &str, text: &str) {
        self.driver.write(css, text).await;
    }

    /// Saves pictures of a page in both themes and at both widths, and fails if it is wider than its
    /// screen or violates a rule for all pages.
    pub(super) async fn keep(&self, name: &str, path: &str) {
        for width in WIDTHS {
            for theme in THEMES {
                self.look(theme, width).await;
                self.open(path).await;
                let what = format!("{name}, {theme}, {width}");
                let wide = self.ask("return document.documentElement.scrollWidth").await;
                assert!(wide.as_u64().unwrap() <= u64::from(width), "{what}: {wide} wide");
                let wrong = self.ask(include_str!("page_rules.js")).await;
                assert_eq!(wrong, json!([]), "{what}");
                self.picture(&format!("{name}-{theme}-{width}")).await;
            }
        }
        self.look("light", WIDTHS[0]).await;
    }

    /// Saves a picture of the whole current page.
    pub(super) async fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        self.save(&folder, name, true).await;
    }

    /// Saves a picture of a page for the documentation, if `SEALPOST_SCREENSHOTS` is set.
    pub(super) async fn document(&self, name: &str, path: &str) {
        let Some(folder) = documentation() else { return };
        self.look("light", WIDTHS[0]).await;
        self.open(path).await;
        self.save(&folder, name, false).await;
    }

    async fn save(&self, folder: &Path, name: &str, whole: bool) {
        let all = json!({ "format": "png", "captureBeyondViewport": whole });
        let shot = self.cdp("Page.captureScreenshot", all).await;
        let png = STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64");
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), png).expect("a file");
    }

    async fn cdp(&self, method: &str, parameters: Value) -> Value {
        self.driver.devtools(method, parameters).await
    }
}
