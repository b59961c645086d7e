//! Views of the sources and the settings.

use super::super::pages::settings;
use super::super::pages::sources::{Count, One, Row, Secret, View};
use super::super::parts::link_path;
use crate::admin::{AdminError, Caller, Scope, SecretView, Setup, SourceView, Totals};
use crate::web::admin::AdminState;

/// The list.
pub(in crate::web::console) async fn sources(
    admin: &AdminState,
    caller: &Caller,
) -> Result<View, AdminError> {
    let sources = admin.monitoring.sources(caller).await?;
    Ok(View { rows: sources.iter().map(row).collect() })
}

/// One source.
pub(in crate::web::console) async fn source(
    admin: &AdminState,
    caller: &Caller,
    name: &str,
) -> Result<One, AdminError> {
    let view = admin.monitoring.source(caller, name).await?;
    let facts = &view.facts;
    let own = view.urls.first().zip(facts.paths.first());
    let base = own.and_then(|(url, path)| url.strip_suffix(path.as_str())).unwrap_or_default();
    Ok(One {
        row: row(&view),
        urls: view.urls.clone(),
        is_public: view.is_public,
        actions: facts.actions.clone(),
        scheme: format!(
            "Header {}; tolerance {} s in the past, {} s in the future",
            facts.headers.join(", "),
            facts.max_age,
            facts.max_future
        ),
        handlers: facts.handlers.clone(),
        traffic: traffic(&view, caller),
        secrets: view.secrets.iter().map(secret).collect(),
        paused: view
            .pause
            .as_ref()
            .map(|pause| (pause.paused_at, pause.paused_by.clone(), pause.why.clone())),
        test: Some(format!("sealpost sources test {} --to {base}", facts.name)),
    })
}

/// The settings, by section.
pub(in crate::web::console) fn settings(
    admin: &AdminState,
    caller: &Caller,
) -> Result<settings::View, AdminError> {
    let mut sections: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for setting in admin.monitoring.settings(caller)? {
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
        is_paused: view.pause.is_some(),
        keeps_rejected: view.facts.keep_rejected,
        secrets: view.facts.secrets.len() as u64,
    }
}

/// The traffic counts; rejection reasons follow the number of rejected requests.
fn traffic(view: &SourceView, caller: &Caller) -> Vec<Count> {
    let name = link_path(&view.facts.name);
    let events = format!("/events?source={name}");
    let dead = format!("/dead-letters/all?source={name}&which=all");
    let held = view.facts.keep_rejected.filter(|_| caller.may(Scope::SecretsWrite));
    let held = held.map(|_| format!("/rejected-requests?source={name}"));
    let count = |what: &str, of: &dyn Fn(&Totals) -> u64, href: Option<String>| Count {
        what: what.to_owned(),
        hour: of(&view.hour),
        day: of(&view.day),
        href,
    };
    let mut counts = vec![
        count("Requests", &Totals::received, None),
        count("New events", &|totals| totals.accepted, Some(events.clone())),
        count("Duplicates", &|totals| totals.duplicates, None),
        count("Chunks", &|totals| totals.chunks, Some("/transfers".to_owned())),
        count("Quarantined", &|totals| totals.quarantined, Some(dead.clone())),
        count("Rejected", &|totals| totals.refused, held.clone()),
    ];
    counts.extend(view.day.reasons.iter().map(|(reason, _)| {
        let of = |totals: &Totals| {
            let known = totals.reasons.iter().find(|(known, _)| known == reason);
            known.map_or(0, |(_, count)| *count)
        };
        count(&format!("Rejected: {reason}"), &of, held.clone())
    }));
    counts.extend([
        count("Handled", &|totals| totals.handled, Some(format!("{events}&state=done"))),
        count("Failed attempts", &|totals| totals.retries, None),
        count("Dead letters", &|totals| totals.dead, Some(dead)),
    ]);
    counts
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
