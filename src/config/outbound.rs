//! Requests that the gateway sends.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Requests that the gateway sends.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// Non-public networks that may be reached, also without TLS and on any port.
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<IpNet>,
}
