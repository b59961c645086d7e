//! Views of the API keys and users.

use actix_web::HttpRequest;

use super::super::layout::PageContext;
use super::super::pages::{keys, users};
use crate::admin::{AdminError, Ended, Scope, Scopes};
use crate::web::session;

/// The list of keys; `made` is a key that was just created.
pub(in crate::web::console) async fn keys(
    request: &HttpRequest,
    cx: &PageContext,
    made: Option<String>,
) -> Result<keys::View, AdminError> {
    let known = session::access(request)?.keys(&cx.viewer.caller).await?;
    let rows = known.into_iter().map(|key| keys::Row {
        state: key.state(cx.now),
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

/// The list of users; `invited` is the user just invited, with the link.
pub(in crate::web::console) async fn users(
    request: &HttpRequest,
    cx: &PageContext,
    invited: Option<(String, String, Ended)>,
) -> Result<users::View, AdminError> {
    let known = session::access(request)?.users(&cx.viewer.caller).await?;
    let rows = known.into_iter().map(|user| users::Row {
        state: user.state(),
        name: user.name,
        scopes: words(user.scopes),
        tenant: user.tenant,
        codes: user.codes_since.is_some(),
        last_sign_in: user.signed_in_at,
    });
    Ok(users::View { rows: rows.collect(), invited })
}

fn words(scopes: Scopes) -> Vec<String> {
    scopes.iter().map(Scope::as_str).map(str::to_owned).collect()
}
