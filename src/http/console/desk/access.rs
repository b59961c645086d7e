//! The views of keys and people.

use actix_web::HttpRequest;

use super::super::frame::Stage;
use super::super::pages::{keys, people};
use crate::http::session;
use crate::operator::{Ended, OperatorError, Scope, Scopes};

/// The list of keys; `made` is one that was just made.
pub(in crate::http::console) async fn keys(
    request: &HttpRequest,
    stage: &Stage,
    made: Option<String>,
) -> Result<keys::View, OperatorError> {
    let known = session::access(request)?.keys(&stage.viewer.caller).await?;
    let rows = known.into_iter().map(|key| keys::Row {
        state: key.state(stage.now),
        id: key.id,
        name: key.name,
        scopes: words(key.scopes),
        tenant: key.tenant,
        created_at: key.created_at,
        created_by: key.created_by,
        expires_at: key.expires_at,
        last_used: key.last_used_at,
    });
    Ok(keys::View { rows: rows.collect(), made })
}

/// The list of people; `invited` is who was just invited, with the link.
pub(in crate::http::console) async fn people(
    request: &HttpRequest,
    stage: &Stage,
    invited: Option<(String, String, Ended)>,
) -> Result<people::View, OperatorError> {
    let known = session::access(request)?.people(&stage.viewer.caller).await?;
    let rows = known.into_iter().map(|person| people::Row {
        state: person.state(),
        name: person.name,
        scopes: words(person.scopes),
        tenant: person.tenant,
        codes: person.codes_since.is_some(),
        last_sign_in: person.signed_in_at,
    });
    Ok(people::View { rows: rows.collect(), invited })
}

fn words(scopes: Scopes) -> Vec<String> {
    scopes.iter().map(Scope::as_str).map(str::to_owned).collect()
}
