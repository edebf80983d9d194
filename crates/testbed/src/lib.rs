//! What tests and the local environment need around Stocktake: private `PostgreSQL` clusters and sample
//! storages with real files in them.
//!
//! Nothing here is part of the program; other crates name this one only in their dev-dependencies.

mod files;
mod postgres;
mod sample;

pub use files::{write_file, write_numbered};
pub use postgres::{PgBinaries, PgCluster, TEST_POSTGRES, postgres};
pub use sample::{Outcome, Sample, SampleRecord};
