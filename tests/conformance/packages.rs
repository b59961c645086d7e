//! The programs in which the packages run: `run.mjs` and `run.py`. Each reads requests as JSON
//! lines, and writes an answer for each.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

/// Where a package is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registry {
    Npm,
    Pypi,
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
        })
    }
}

/// The module of a provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Module {
    pub(crate) package: String,
    /// The installed version.
    pub(crate) version: String,
    pub(crate) secret: Option<String>,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: String,
    /// Headers that the sender sends with it, by lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) can_sign: bool,
    pub(crate) can_verify: bool,
    pub(crate) signs: Option<Signer>,
    /// What the sender publishes, by URL.
    pub(crate) keys: BTreeMap<String, String>,
    /// The root of its certificates.
    pub(crate) root: Option<String>,
}

/// What signs in a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signer {
    /// The package.
    Vendor,
    /// The module, since only the sender can sign.
    Ours,
}

/// A request to a source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) query: Option<String>,
    /// By lower-case name.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn set_header(&mut self, name: &str, value: String) {
        self.headers.retain(|(header, _)| header != name);
        self.headers.push((name.to_owned(), value));
    }

    /// The body as text. All bodies here are UTF-8.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// This path or URL with the query of the request.
    pub(crate) fn at(&self, base: &str) -> String {
        match &self.query {
            Some(query) => format!("{base}?{query}"),
            None => base.to_owned(),
        }
    }
}

/// What a package says about a request.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    Accepted,
    Refused(String),
}

/// A request to sign; what is `None` is the module's own.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unsigned<'a> {
    pub(crate) body: Option<&'a [u8]>,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) secret: Option<&'a str>,
    pub(crate) now: i64,
}

/// A running program.
pub(crate) struct Program {
    registry: Registry,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    asked: u64,
}

/// The folder with the programs and their modules.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// The file with what the packages print.
pub(crate) fn log() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance.log")
}

impl Program {
    pub(crate) fn start(registry: Registry) -> Result<Self, String> {
        let folder = folder();
        // Installed by `.ci/conformance`.
        let python = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance/python/bin/python");
        let (program, script, needed) = match registry {
            Registry::Npm => (PathBuf::from("node"), "run.mjs", folder.join("node_modules")),
            Registry::Pypi => (python.clone(), "run.py", python),
        };
        if !needed.exists() {
            return Err(format!("{} is missing: run .ci/conformance", needed.display()));
        }
        let log = OpenOptions::new().create(true).append(true).open(log());
        let mut child = Command::new(&program)
            .arg(folder.join(script))
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.map_err(|error| error.to_string())?)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Ok(Self { registry, child, input, output, asked: 0 })
    }

    pub(crate) fn registry(&self) -> Registry {
        self.registry
    }

    /// The names of the modules.
    pub(crate) fn list(&mut self) -> Result<Vec<String>, String> {
        let mut answer = self.ask(json!({ "op": "list" }))?;
        serde_json::from_value(answer["providers"].take()).map_err(|error| error.to_string())
    }

    pub(crate) fn describe(&mut self, name: &str) -> Result<Module, String> {
        let answer = self.ask(json!({ "op": "describe", "provider": name }))?;
        serde_json::from_value(answer).map_err(|error| error.to_string())
    }

    /// Lets the module sign a request to this URL.
    pub(crate) fn sign(
        &mut self,
        name: &str,
        url: &str,
        unsigned: Unsigned<'_>,
    ) -> Result<Request, String> {
        let headers: BTreeMap<_, _> = unsigned.headers.iter().copied().collect();
        let mut question = json!({
            "op": "sign", "provider": name, "method": "POST", "url": url, "headers": headers,
            "now": unsigned.now,
        });
        if let Some(body) = unsigned.body {
            question["body_base64"] = STANDARD.encode(body).into();
        }
        if let Some(secret) = unsigned.secret {
            question["secret"] = secret.into();
        }
        let answer = self.ask(question)?;
        let signed_url = answer["url"].as_str().unwrap_or_default();
        let query = match signed_url.strip_prefix(url) {
            Some("") => None,
            Some(rest) if rest.starts_with('?') => Some(rest[1..].to_owned()),
            _ => return Err(format!("it signed another URL: {signed_url}")),
        };
        if answer["method"] != "POST" {
            return Err(format!("it signed another method: {}", answer["method"]));
        }
        let headers = answer["headers"].as_object().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let headers = headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let body = STANDARD.decode(text(&answer["body_base64"]));
        Ok(Request { query, headers, body: body.map_err(|error| error.to_string())? })
    }

    /// Lets the package verify a request to this URL, with this secret or the module's own.
    pub(crate) fn verify(
        &mut self,
        name: &str,
        url: &str,
        request: &Request,
        secret: Option<&str>,
        now: i64,
    ) -> Result<Verdict, String> {
        let headers: BTreeMap<_, _> = request.headers.iter().cloned().collect();
        let mut question = json!({
            "op": "verify", "provider": name, "method": "POST", "url": request.at(url),
            "headers": headers, "body_base64": STANDARD.encode(&request.body), "now": now,
        });
        if let Some(secret) = secret {
            question["secret"] = secret.into();
        }
        let answer = self.ask(question)?;
        Ok(match answer["ok"].as_bool() {
            Some(true) => Verdict::Accepted,
            _ => Verdict::Refused(answer["error"].as_str().unwrap_or_default().to_owned()),
        })
    }

    fn ask(&mut self, mut question: Value) -> Result<Value, String> {
        self.asked += 1;
        question["id"] = self.asked.into();
        let mut line = format!("{question}\n");
        let registry = self.registry;
        let broken = |error: std::io::Error| format!("the program for {registry}: {error}");
        self.input.write_all(line.as_bytes()).map_err(broken)?;
        line.clear();
        if self.output.read_line(&mut line).map_err(broken)? == 0 {
            return Err(format!("the program for {registry} has ended"));
        }
        let answer: Value =
            serde_json::from_str(&line).map_err(|error| format!("{error} in {line}"))?;
        if answer["id"] != self.asked {
            return Err(format!("an answer to another question: {line}"));
        }
        // A refused request has an error too.
        match (answer.get("ok"), answer["error"].as_str()) {
            (None, Some(error)) => Err(error.to_owned()),
            _ => Ok(answer),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
