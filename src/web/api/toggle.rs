//! Switches: what is held back, or let go on. Sources, handlers and destinations have them, and all
//! are asked alike: a name in the path, a reason in the body.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, ReasonBody};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;

/// What the handler of a switch is given: who, which one, why, and where it is done.
pub(super) type Asked =
    (AuthenticatedCaller, web::Path<String>, Body<ReasonBody>, web::Data<AdminState>);

/// What has a switch.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SwitchWhat)]
pub(super) enum What {
    Source,
    Handler,
    Destination,
}

/// What became of a switch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Toggled {
    pub(super) what: What,
    pub(super) name: String,
    /// False where it was so already.
    pub(super) changed: bool,
}
