//! Sources, and the settings.

use super::super::pages::settings;
use super::super::pages::sources::{One, Row, Secret, View};
use crate::http::operator::Operator;
use crate::operator::{Caller, OperatorError, SecretView, Setup, SourceView};

/// The list.
pub(in crate::http::console) async fn sources(
    operator: &Operator,
    caller: &Caller,
) -> Result<View, OperatorError> {
    let sources = operator.insight.sources(caller).await?;
    Ok(View { rows: sources.iter().map(row).collect() })
}

/// One source.
pub(in crate::http::console) async fn source(
    operator: &Operator,
    caller: &Caller,
    name: &str,
) -> Result<One, OperatorError> {
    let view = operator.insight.source(caller, name).await?;
    let facts = &view.facts;
    let own = view.urls.first().zip(facts.paths.first());
    let base = own.and_then(|(url, path)| url.strip_suffix(path.as_str())).unwrap_or_default();
    Ok(One {
        row: row(&view),
        urls: view.urls.clone(),
        is_public: view.is_public,
        actions: facts.actions.clone(),
        scheme: format!(
            "Signature in {}; at most {} s old, at most {} s from the future",
            facts.headers.join(", "),
            facts.max_age,
            facts.max_future
        ),
        handlers: facts.handlers.clone(),
        secrets: view.secrets.iter().map(secret).collect(),
        held: view
            .hold
            .as_ref()
            .map(|hold| (hold.paused_at, hold.paused_by.clone(), hold.why.clone())),
        test: Some(format!("sealpost sources test {} --to {base}", facts.name)),
    })
}

/// The settings, by section.
pub(in crate::http::console) fn settings(
    operator: &Operator,
    caller: &Caller,
) -> Result<settings::View, OperatorError> {
    let mut sections: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for setting in operator.insight.settings(caller)? {
        let (section, key) = setting.key.split_once('.').unwrap_or(("", &setting.key));
        let pair = (key.to_owned(), setting.value.clone());
        match sections.last_mut() {
            Some((title, pairs)) if title == section => pairs.push(pair),
            _ => sections.push((section.to_owned(), vec![pair])),
        }
    }
    Ok(settings::View { sections })
}

fn row(view: &SourceView) -> Row {
    let state = match view.setup {
        Setup::Disabled => "disabled",
        Setup::Waiting => "waiting",
        Setup::Refusing => "refusing",
        Setup::Receiving => "ok",
    };
    Row {
        name: view.facts.name.clone(),
        provider: view.facts.provider.clone(),
        tenant: view.facts.tenant.clone(),
        state: state.to_owned(),
        verified_at: view.last_event,
        is_paused: view.hold.is_some(),
        holds_refused: view.facts.hold_refused,
        secrets: view.facts.secrets.len() as u64,
    }
}

fn secret(secret: &SecretView) -> Secret {
    let state = match (secret.place, secret.removable) {
        (None, _) => "no longer configured",
        (Some(_), true) => "unused: safe to remove",
        (Some(_), false) => "active",
    };
    Secret {
        fingerprint: secret.fingerprint.clone(),
        state: state.to_owned(),
        first_used: secret.first_at,
        last_used: secret.last_at,
        uses: secret.requests,
    }
}
