//! A real Chromium without a window, driven by the chromedriver that came with it. Both are this
//! test's own: they end with it, by their own ids.

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
use crate::harness::programs::lacks;
use crate::harness::{API_KEY, Gateway};

/// The width of a desk's screen and of a phone's.
pub(super) const WIDTHS: [u32; 2] = [1280, 390];
/// Both themes, as the browser is told that people prefer them.
pub(super) const THEMES: [&str; 2] = ["light", "dark"];

/// The browser.
pub(super) struct Browser {
    pub(super) driver: WebDriver,
    at: String,
}

/// The program that drives it; it ends with this value.
struct Chromedriver(Child);

impl Drop for Chromedriver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// The folder for pictures of the documentation, if they are wanted: they are committed as
/// `docs/images`.
pub(super) fn documentation() -> Option<PathBuf> {
    std::env::var_os("SEALPOST_SCREENSHOTS").map(PathBuf::from)
}

/// Leaves the current test out where there is no browser.
pub(super) fn is_missing() -> bool {
    lacks("the browser", &["chromium", "chromedriver"])
}

/// Starts a browser for the console of `gateway`, lets `work` use it, and ends it, whatever
/// becomes of the work.
pub(super) async fn with_browser(gateway: &Gateway, work: impl AsyncFnOnce(&Browser)) {
    with_browser_at(&gateway.operator_url(""), work).await;
}

/// The same, for the console at this address.
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

/// Starts chromedriver on a port that it picks itself, and says.
fn start() -> (Chromedriver, u16) {
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
    });
    // What it says later must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (program, port.expect("chromedriver says its port"))
}

fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    let found = std::env::split_paths(&path).map(|folder| folder.join(program));
    let found = found.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{program} is not found"))
}

impl Browser {
    /// Sends the key that may everything with everything.
    pub(super) async fn show_token(&self) {
        self.show_key(API_KEY).await;
    }

    /// Sends this key with everything.
    pub(super) async fn show_key(&self, key: &str) {
        let headers = json!({ "headers": { "authorization": format!("Bearer {key}") } });
        self.cdp("Network.enable", json!({})).await;
        self.cdp("Network.setExtraHTTPHeaders", headers).await;
    }

    /// Pretends that somebody prefers this theme, on a screen of this width.
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

    /// What a script on the page gives.
    pub(super) async fn ask(&self, script: &str) -> Value {
        self.driver.run(script).await
    }

    /// The path of the page that is open, with its query.
    pub(super) async fn path(&self) -> String {
        let url = self.driver.address().await;
        url.strip_prefix(&self.at).expect("a page of the console").to_owned()
    }

    /// Waits until a page is open to which the one before is on its way.
    pub(super) async fn arrives_at(&self, path: &str) {
        let given_up = Instant::now() + PATIENCE;
        loop {
            let here = self.path().await;
            if here == path {
                return;
            }
            assert!(Instant::now() < given_up, "never came to {path} from {here}");
        }
    }

    /// Waits until the page that is open says this.
    pub(super) async fn comes_to_say(&self, text: &str) {
        let given_up = Instant::now() + PATIENCE;
        loop {
            let says = self.text().await;
            if says.contains(text) {
                return;
            }
            assert!(Instant::now() < given_up, "it never says {text}: {says}");
        }
    }

    /// The text of the page that is open.
    pub(super) async fn text(&self) -> String {
        self.driver.text("body").await
    }

    /// Clicks what this selector finds.
    pub(super) async fn click(&self, css: &str) {
        self.driver.click(css).await;
    }

    /// Types into what this selector finds.
    pub(super) async fn write(&self, css: &str, text: &str) {
        self.driver.write(css, text).await;
    }

    /// Keeps pictures of a page in both themes and at both widths, for a person to look at, and
    /// fails where it is wider than its screen or has what no page may have.
    pub(super) async fn keep(&self, name: &str, path: &str) {
        for width in WIDTHS {
            for theme in THEMES {
                self.look(theme, width).await;
                self.open(path).await;
                let what = format!("{name}, {theme}, {width}");
                let wide = self.ask("return document.documentElement.scrollWidth").await;
                assert!(wide.as_u64().unwrap() <= u64::from(width), "{what}: {wide} wide");
                let wrong = self.ask(include_str!("wrong.js")).await;
                assert_eq!(wrong, json!([]), "{what}");
                self.picture(&format!("{name}-{theme}-{width}")).await;
            }
        }
        self.look("light", WIDTHS[0]).await;
    }

    /// Keeps a picture of the whole page that is open.
    pub(super) async fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        self.save(&folder, name, true).await;
    }

    /// Saves a picture of a page for the documentation, if `SEALPOST_SCREENSHOTS` names a folder.
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
