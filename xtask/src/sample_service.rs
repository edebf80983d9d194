//! A Stocktake that serves the sample.

use std::path::Path;

use stocktake_testbed::{Sample, Served};

use crate::api::Api;
use crate::installation::{Database, Installation};
use crate::process::Process;

/// The sample, where it lies, and a service that has verified it.
pub(crate) struct SampleService {
    pub(crate) serve: Process,
    pub(crate) api: Api,
    pub(crate) installation: Installation,
    pub(crate) served: Served,
    pub(crate) sample: Sample,
}

impl SampleService {
    /// Writes the sample below the folder, starts the service, and waits until every record is verified.
    pub(crate) fn start(binary: &Path, folder: &Path, database: Database) -> anyhow::Result<Self> {
        let sample = Sample::write(&folder.join("storage"))?;
        let served = sample.serve()?;
        let installation = Installation::new(binary, folder, database, &[], &served.configuration)?;
        installation.run(&["migrate"])?;
        installation.import_sample(&sample)?;
        let api = installation.api()?;
        let mut serve = installation.start("serve", &["serve"])?;
        api.wait_until_ready(&mut serve)?;
        api.wait_until_done(&sample.models(), &mut serve)?;
        Ok(Self { serve, api, installation, served, sample })
    }
}
