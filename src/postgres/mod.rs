//! The managed local cluster.
