//! Requests that the gateway sends.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Requests that the gateway sends.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// Non-public networks that may be reached, also without TLS and on any port.
    pub allow: Vec<IpNet>,
}
