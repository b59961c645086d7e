//! Pause, resume, enable and disable for sources, handlers and destinations: a name in the path, a
//! reason in the body.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, ReasonBody};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;

/// The input of a toggle handler: caller, name, reason and state.
pub(super) type Asked =
    (AuthenticatedCaller, web::Path<String>, Body<ReasonBody>, web::Data<AdminState>);

/// The kinds of things that can be toggled.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SwitchWhat)]
pub(super) enum What {
    Source,
    Handler,
    Destination,
}

/// The result of a toggle.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Toggled {
    pub(super) what: What,
    pub(super) name: String,
    /// False if it already had the requested state.
    pub(super) changed: bool,
}
