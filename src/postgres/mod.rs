//! The managed local cluster.
/// How to reach a managed cluster.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// a
    pub socket_dir: std::path::PathBuf,
    /// b
    pub port: u16,
    /// c
    pub user: String,
}
