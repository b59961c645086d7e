//! Handlers of the audit log page.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::layout::PageContext;
use super::pages::audit::{View, page};
use super::present::{self, AuditQuery};
use crate::web::admin::AdminState;

/// The expected hash.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Expected {
    head: String,
}

/// The list.
pub(super) async fn list(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<AuditQuery>,
) -> HttpResponse {
    let view = present::audit(&admin.store, &cx.viewer.caller, &query).await;
    cx.answer(view.map(|view| page(&cx, &view)))
}

/// Verifies the chain. It reads every entry, so it is a posted form and not a link that a browser
/// could prefetch.
pub(super) async fn verify(
    cx: PageContext,
    admin: web::Data<AdminState>,
    expected: web::Form<Expected>,
) -> HttpResponse {
    let (store, caller) = (&admin.store, &cx.viewer.caller);
    let walked = async {
        let chain = Some(present::chain(store, caller, &expected.head).await?);
        Ok(View { chain, ..present::audit(store, caller, &AuditQuery::default()).await? })
    };
    cx.answer(walked.await.map(|view| page(&cx, &view)))
}
