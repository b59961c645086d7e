//! The environment variables, read once and in one place.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// Variables by name. Tests pass a map.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    path: Option<OsString>,
}

impl Environment {
    /// The environment of this process; variables that are not UTF-8 are left out.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { variables, path: std::env::var_os("PATH") }
    }

    /// A variable; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The search path of programs.
    pub fn path(&self) -> Option<&std::ffi::OsStr> {
        self.path.as_deref()
    }

    pub fn temp_dir(&self) -> PathBuf {
        self.get("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
    }

    /// The settings that variables override, as path and text: `SEALPOST_INGEST__LISTEN` is
    /// `ingest.listen`.
    pub(super) fn overrides(&self) -> impl Iterator<Item = (Vec<String>, &str)> {
        self.variables.iter().filter_map(|(name, value)| {
            let path = name.strip_prefix("SEALPOST_")?;
            let path: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            // A name without `__` is not a setting: it is a secret or an option of the command
            // line.
            (path.len() > 1).then_some((path, value.as_str()))
        })
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let variables =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, path: None }
    }
}
