//! Warns about secret files that other users can read or change.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use toml::Value;

use super::{Environment, File, MASTER_KEY_FILE};

/// Others may read it, or the group or others may change it.
const EXPOSED: u32 = 0o026;

/// A warning for each secret file in the configuration that is accessible to other users.
pub(super) fn exposed(file: &File, environment: &Environment) -> Vec<String> {
    let mut files = Vec::new();
    if let Ok(value) = Value::try_from(file) {
        find(&value, &mut files);
    }
    files.extend(environment.get(MASTER_KEY_FILE).map(str::to_owned));
    files.sort();
    files.dedup();
    files.iter().filter_map(|path| warning(Path::new(path))).collect()
}

/// Collects every `{ file = "…" }`.
fn find(value: &Value, files: &mut Vec<String>) {
    match value {
        Value::Table(table) => match (table.len(), table.get("file")) {
            (1, Some(Value::String(path))) => files.push(path.clone()),
            _ => table.values().for_each(|value| find(value, files)),
        },
        Value::Array(values) => values.iter().for_each(|value| find(value, files)),
        _ => {}
    }
}

fn warning(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    let path = path.display();
    (mode & EXPOSED != 0).then(|| {
        format!(
            "secret file `{path}` is accessible to other users (mode {mode:04o}): run \
             chmod 600 {path}"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};

    use super::*;

    #[test]
    fn exposed_secret_file_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["source", "channel", "master"] {
            std::fs::write(folder.path().join(name), "a-secret-0123456789abcdef").unwrap();
        }
        let text = format!(
            "[alerts]\ndiscord = {{ file = \"{}\" }}\n[[source]]\nname = \"a\"\nprovider = \"stripe\"\n\
             secrets = [{{ file = \"{}\" }}, {{ env = \"file\" }}]\n",
            path("channel"),
            path("source")
        );
        let file: File = toml::from_str(&text).unwrap();
        let master = path("master");
        let environment: Environment = [(MASTER_KEY_FILE, &*master)].into_iter().collect();
        for (mode, is_exposed) in [
            (0o400, false),
            (0o600, false),
            (0o640, false),
            (0o644, true),
            (0o620, true),
            (0o666, true),
        ] {
            for name in ["source", "channel", "master"] {
                set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
            }
            let warnings = exposed(&file, &environment);
            assert_eq!(warnings.len(), if is_exposed { 3 } else { 0 }, "{mode:o}: {warnings:?}");
            let is_helpful =
                |warning: &String| warning.contains("chmod 600 ") && !warning.contains("a-secret");
            assert!(warnings.iter().all(is_helpful), "{warnings:?}");
        }
    }
}
