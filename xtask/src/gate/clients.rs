//! Third-party clients: python-gitlab uses the API, Schemathesis tests it against its OpenAPI description.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};
use stocktake_testbed::{Outcome, PgCluster, Sample};

use crate::api::Api;
use crate::installation::Database;
use crate::machine;
use crate::project::{Profile, Project, run as run_command};
use crate::sample_service::SampleService;

/// What Schemathesis checks in every response.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth";

/// The number of cases for each operation of the API.
const EXAMPLES: &str = "60";

/// Runs both clients on both databases.
pub(super) fn run(project: &Project) -> anyhow::Result<()> {
    let binary = project.build(Profile::Dev)?;
    let scripts = project.root.join("xtask/clients");
    let python = machine::python(project, &scripts.join("requirements.txt"))?;
    let clients = Clients { scripts: &scripts, python: &python, binary: &binary };
    clients.on(Database::Sqlite).context("on SQLite")?;
    let cluster = machine::postgres(PgCluster::start)?;
    clients.on(Database::Postgres(cluster)).context("on PostgreSQL")
}

struct Clients<'a> {
    scripts: &'a Path,
    python: &'a Path,
    binary: &'a Path,
}

impl Clients<'_> {
    fn on(&self, database: Database) -> anyhow::Result<()> {
        let folder = tempfile::Builder::new().prefix("stocktake-clients-").tempdir()?;
        let service = SampleService::start(self.binary, folder.path(), database)?;
        let SampleService { mut serve, api, installation: _installation, served: _served, sample } = service;
        let result = self.python_gitlab(folder.path(), &api, &sample).and_then(|()| self.schemathesis(&api));
        result.with_context(|| format!("the service's log ends:\n{}", serve.log_end()))?;
        serve.terminate()
    }

    fn python_gitlab(&self, folder: &Path, api: &Api, sample: &Sample) -> anyhow::Result<()> {
        let file = folder.join("sample.json");
        std::fs::write(&file, serde_json::to_string(&expected(sample))?)?;
        let mut command = Command::new(self.python.join("bin/python"));
        command.arg(self.scripts.join("gitlab_client.py")).args([&api.base, &api.token]).arg(file);
        run_command(&mut command)
    }

    fn schemathesis(&self, api: &Api) -> anyhow::Result<()> {
        let mut command = Command::new(self.python.join("bin/schemathesis"));
        command
            .args(["run", &format!("{}/api/openapi.json", api.base)])
            .args(["--header", &format!("PRIVATE-TOKEN: {}", api.token)])
            .args(["--checks", CHECKS, "--max-examples", EXAMPLES])
            .args(["--phases", "examples,coverage,fuzzing,stateful"])
            .args(["--seed", "1", "--generation-deterministic"])
            .args(["--warnings", "off", "--continue-on-failure", "--no-color"])
            .current_dir(self.python);
        run_command(&mut command)
    }
}

/// The records that the script expects, as JSON.
fn expected(sample: &Sample) -> Value {
    let record = |record: &stocktake_testbed::SampleRecord| {
        let (checksum, failure) = match &record.outcome {
            Outcome::Succeeded(digest) => (Some(digest), None),
            Outcome::Failed { text, .. } => (None, Some(text)),
        };
        json!({ "model": record.model, "identifier": record.identifier, "checksum": checksum, "failure": failure })
    };
    sample.records.iter().map(record).collect()
}
