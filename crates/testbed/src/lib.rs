//! What tests and the local environment need around Stocktake: private `PostgreSQL` clusters, sample
//! storages with real files in them, an S3 server, a container registry, and a proxy that injects faults.
//!
//! Nothing here is part of the program; other crates name this one only in their dev-dependencies.

mod bench;
mod certificate;
mod encryption;
mod files;
mod git;
mod gitlab;
mod http;
mod http_client;
mod image_folder;
mod object_server;
mod port;
mod postgres;
mod praefect;
mod proxy;
mod registry;
mod s3;
mod sample;
mod service;
mod wire;

pub use bench::{Cost, bench_argument};
pub use certificate::Certificate;
pub use files::{set_modified, write_file, write_numbered};
pub use git::{GitFormat, GitRepository, git_command, git_reads_reftables};
pub use gitlab::{
    ClusterFault, GitlabBuckets, GitlabCluster, GitlabDatabase, GitlabFixture, GitlabOrphan, GitlabOutcome,
    GitlabRecord, GitlabSchema, GitlabServed, GitlabSetup,
};
pub use http::HttpAnswer;
pub use http_client::{http_client, http_client_without_redirects};
pub use object_server::{ObjectServer, ServerKind};
pub use port::free_port;
pub use postgres::{PgBinaries, PgCluster, TEST_POSTGRES, postgres};
pub use praefect::Praefect;
pub use proxy::{Asked, Fault, FaultProxy};
pub use registry::{
    MANIFEST_TYPES, PushedImage, Registry, RegistryBucket, RegistryDatabase, RegistrySetup, TokenServer,
    digest_of,
};
pub use s3::{S3Facts, S3Server};
pub use sample::{Outcome, Sample, SampleRecord, Served};
pub use wire::Wire;
