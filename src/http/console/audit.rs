//! The audit log, asked for; and its chain, checked.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::desk::{self, AuditQuery};
use super::frame::Stage;
use super::pages::audit::{View, page};
use crate::http::operator::Operator;

/// The hash that the chain is to have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Expected {
    head: String,
}

/// The list.
pub(super) async fn list(
    stage: Stage,
    operator: web::Data<Operator>,
    query: web::Query<AuditQuery>,
) -> HttpResponse {
    let view = desk::audit(&operator.store, &stage.viewer.caller, &query).await;
    stage.answer(view.map(|view| page(&stage, &view)))
}

/// Walks the chain, and says whether it holds. It reads every entry: so it is a form that is
/// posted, and no address that something loads ahead.
pub(super) async fn verify(
    stage: Stage,
    operator: web::Data<Operator>,
    expected: web::Form<Expected>,
) -> HttpResponse {
    let (store, caller) = (&operator.store, &stage.viewer.caller);
    let walked = async {
        let chain = Some(desk::chain(store, caller, &expected.head).await?);
        Ok(View { chain, ..desk::audit(store, caller, &AuditQuery::default()).await? })
    };
    stage.answer(walked.await.map(|view| page(&stage, &view)))
}
