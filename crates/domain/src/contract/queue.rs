//! The suite of the port [`Queue`](crate::ports::Queue).

pub mod claims;
pub mod leases;
pub mod maintenance;
pub mod results;
pub mod signals;
