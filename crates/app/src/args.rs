//! The command line.

mod accept;
mod filter;
mod import_report;
mod looks;
mod token;
mod values;
mod verify;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use stocktake_domain::Model;
use toml::Value;

use crate::scan::Layout;
use crate::settings::Override;

pub(crate) use accept::AcceptArguments;
pub(crate) use import_report::ImportReportArguments;
pub(crate) use looks::{
    ExportArguments, ExportFormat, JobsCommand, ListFormat, ModelsArguments, OrphansArguments, ShowArguments,
    StatusArguments,
};
pub(crate) use token::{TokenCommand, TokenCreateArguments};
pub(crate) use verify::VerifyArguments;

/// Stocktake keeps a catalogue of stored files with their checksums, verifies the content against it, and
/// serves the Data management API.
#[derive(Debug, Clone, Parser)]
#[command(name = "stocktake", version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("STOCKTAKE_REVISION"), ")"))]
#[command(propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The configuration file [default: the variable `STOCKTAKE_CONFIG`, or the first that there is of ./stocktake.toml,
    /// ~/.config/stocktake/stocktake.toml and /etc/stocktake/stocktake.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The database instead of the configured one (database.url). Whoever may list this host's processes can read it:
    /// put a URL with a password into the variable `STOCKTAKE__DATABASE__URL` instead
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// What to log, for example debug (log.level)
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
    /// Show no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Whether results and the log are coloured; auto: on a terminal, unless the variable `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) color: clap::ColorChoice,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Serve the API, and run the worker and the scheduler
    ///
    /// Runs pending database migrations first. Stops within 10 seconds on SIGTERM or SIGINT and releases its unfinished
    /// records; stops immediately on a second signal. The API is at `/api/v4/admin/data_management`, what else there is at
    /// /api/v1, a description of all at /api/openapi.json, the console at /console, metrics at /metrics. On SIGHUP it reads the configuration again and logs what log.level
    /// then says; all else needs a restart.
    #[command(after_help = "Example:\n  stocktake serve --listen 127.0.0.1:8080")]
    Serve(ServeArguments),
    /// Run only the checksum worker
    ///
    /// Run it on any number of hosts with one PostgreSQL database, for example with `--storage` on the hosts that have the
    /// disks. Stops like `serve`.
    #[command(after_help = "Example:\n  stocktake worker --config worker.toml --storage main")]
    Worker(WorkerArguments),
    /// Checksum everything that is due, in the foreground
    ///
    /// Shows progress, then a summary. With `--all`, `--identifiers`, `--state`, `--sample` or a filter, the selected records
    /// are recalculated even if they are not due.
    ///
    /// Exit status: 0 all that was meant was read and is good, or none of it was due; 1 a record is failed, whether or not
    /// all could be read; 2 none is failed, but some were not read, or there is no such record, or it could not run; 130 it
    /// was interrupted. Failed are, with `--identifiers`, `--state`, `--sample` or a filter, records that failed in this
    /// run, and otherwise all failed records of the models, also those of earlier runs.
    #[command(
        after_help = "Examples:\n  stocktake verify\n  stocktake verify uploads --all --stop-after 4h\n  stocktake verify \
                            lfs_objects --identifiers 1,2 --json\n  stocktake verify --storage main --path 'docs/**' --dry-run\n  \
                            stocktake verify --older-than 30d --sample 5%"
    )]
    Verify(VerifyArguments),
    /// Tell what changed in a folder since the last time
    ///
    /// Needs no configuration and no catalogue. The first time it reads every file and makes a baseline, in
    /// `$XDG_STATE_HOME/stocktake` (`~/.local/state/stocktake`). Later it reads every file again and lists what is different:
    /// `D` damaged (other content, though size and time of change say that nobody touched it), `!` unreadable, `R` removed
    /// or, with `->`, renamed, `M` modified (other content and another size or time), `A` added. What is added, modified or
    /// renamed is in the baseline from then on; what is damaged or removed is told again until it is as before, or
    /// accepted. An interrupted run loses nothing. Exit status: 0 nothing is damaged, removed or unreadable, 1 something
    /// is, 2 it could not run.
    #[command(
        after_help = "Examples:\n  stocktake check /srv/photos\n  stocktake check /srv/photos --json | jq -r \
                            '.changes[] | select(.change == \"damaged\") | .path'"
    )]
    Check(CheckArguments),
    /// Show how many records are in which state, what is wrong, and what is being read
    ///
    /// Exit status: 0 no record needs attention, 1 a record does, or something keeps records from being read, 2 it could not
    /// run, or no record was ever read: there is none, or all wait or are switched off.
    #[command(
        after_help = "Examples:\n  stocktake status --json\n  stocktake status --storage main --older-than 30d"
    )]
    Status(StatusArguments),
    /// Add or update records from lines of JSON
    ///
    /// Each line is one record: `{"record_identifier": 5, "storage": "main", "path": "ab/cd/file.bin"}`. Optional keys:
    /// `created_at` (RFC 3339), `file_size` (bytes), `expected_checksum` (`sha256:`, `sha1:` or `md5:`, and the digest in
    /// hexadecimal), `rule` (what that digest and size are of, if not of the stored bytes: `secure_file:<key data>`,
    /// `terraform_state:<project id>`, `pipeline_artifact:<project id>`, `portable_pdb`, `length:<bytes>` or
    /// `unresolved:<reason>`), `mutable` (true if the content may change legitimately) and `disabled` (true if the record
    /// is not to be verified). docs/import.md explains them. If a line is wrong, nothing is written. Exit status: 0 the records
    /// are in the catalogue, 2 nothing was imported: a line is wrong, there is none, or it could not run.
    #[command(
        after_help = "Examples:\n  stocktake import uploads uploads.ndjson\n  generate | stocktake import \
                            uploads -"
    )]
    Import(ImportArguments),
    /// Judge records by what their object store reports of its objects
    ///
    /// Reads a list of S3 Inventory (CSV, also compressed, or Parquet) or the completion report of an S3 Batch Operations job
    /// "Compute checksum", and compares the records of a storage with it: sizes, `ETag`s that are an MD5, and checksums that
    /// the store computed. Give it the report's `manifest.json`, downloaded with the files that it names; files alone need
    /// `--columns` and `--as-of`. A record whose object is another is altered. One that a complete inventory does not name, or
    /// of which the store could say nothing, or that failed before and may be good again, is read at once. What was looked at
    /// after the report was made stays as it is. docs/object-storage.md says what a report proves and what not. If a row is
    /// wrong, nothing is judged. Exit status: 0 nothing speaks against the records that the report is about, 1 a record is
    /// altered or missing, or could not be read, 2 nothing was judged: the report cannot be used, or it could not run.
    #[command(
        after_help = "Examples:\n  stocktake import-report lfs_objects lfs 2026-11-27T01-00Z/manifest.json\n  stocktake \
                            import-report lfs_objects lfs job-f8fb9d89/manifest.json --dry-run\n  stocktake import-report uploads \
                            uploads list.csv.gz --columns 'Bucket, Key, Size, ETag' --as-of 2026-11-27T01:00:00Z"
    )]
    ImportReport(ImportReportArguments),
    /// Make a record of every file below a storage
    ///
    /// When run again, it adds records for new files, and reports those whose file is gone, or is none any more (a pipe, a
    /// device), which are read at once: `status` and `export` know of them. New records are numbered upwards from the
    /// largest identifier, in the order of their paths. Records are never removed; `accept` retires one whose file was deleted
    /// on purpose, and a scan that finds the file again takes the record back. A file that cannot be read, and a folder
    /// that cannot be listed, becomes a record too, which fails when it is verified; the record of a folder is disabled by
    /// the next scan that can list it. Symbolic links, pipes and devices are counted, and are no records. The size of a file
    /// that may still be written is not recorded. Nothing is done if the storage is empty although records lie in it, or is
    /// another one than before. Exit status: 0 everything was looked at and nothing is missing, 1 something is missing or
    /// could not be looked at, 2 it could not run.
    #[command(
        after_help = "Examples:\n  stocktake scan uploads main\n  stocktake scan lfs_objects lfs --layout lfs"
    )]
    Scan(ScanArguments),
    /// Bring the catalogue in line with the configured GitLab
    ///
    /// Reads every row once: adds new records, updates those whose row was changed, deletes those whose row no longer
    /// exists. Resumes where an earlier run was interrupted. If all or half of a model's rows seem to be deleted, its
    /// records are kept unless `--accept-deletions` is given. `--check` reads no row: it is the first thing to run. Exit
    /// status: 0 all models were read, 1 some could not be read or kept records, 2 it could not run. `serve` does the same in
    /// the background.
    #[command(
        after_help = "Examples:\n  stocktake sync --check\n  stocktake sync\n  stocktake sync lfs_objects uploads --accept-deletions"
    )]
    Sync(SyncArguments),
    /// List files and repositories that no row of the configured GitLab claims
    ///
    /// Syncs the catalogue first, then lists every storage of the GitLab. GitLab's temporary and internal folders are
    /// skipped, and files in folders that no rule knows are counted apart. In the folder or bucket of a container registry,
    /// with a GitLab or without, it lists blobs that no manifest names, manifests that no tag reaches (a client may still pull
    /// them by their digest), and uploads that were not finished. Deletes nothing. Exit status: 0 all storages were listed, 1 some or some of their folders could not be
    /// listed, 2 it could not run.
    #[command(
        after_help = "Examples:\n  stocktake orphans\n  stocktake orphans --format csv --older-than 1d > orphans.csv"
    )]
    Orphans(OrphansArguments),
    /// Print the findings, one for each record
    ///
    /// The records whose last attempt failed, or those in a state: the location of each, what is wrong with it, and to whom it belongs.
    #[command(
        after_help = "Examples:\n  stocktake export > failed.csv\n  stocktake export uploads --state succeeded --format json\n  \
                            stocktake export --kind missing,altered --owner group --since 2d"
    )]
    Export(ExportArguments),
    /// Print the SQL statements that allow a database role to read what Stocktake needs from a GitLab
    ///
    /// They grant access to some columns of some tables. Run them in GitLab's database as its owner, and again after an
    /// upgrade of GitLab.
    #[command(after_help = "Example:\n  stocktake grants stocktake | sudo gitlab-psql")]
    Grants {
        /// The role, which must exist
        #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
        role: String,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Accept the current content of altered records as correct
    ///
    /// Shows each record, with what was recorded of it on the left and its content as it is now on the right, and asks. The
    /// acceptance is kept, with the reason and with what it replaced (`stocktake show` tells it), and `--undo` takes it back.
    /// Records that were not found altered, and files of 0 bytes, are refused without `--force`. Exit status: 0 all were
    /// accepted, 2 some were not, or nobody could be asked.
    #[command(
        after_help = "Examples:\n  stocktake accept uploads 17 18 --reason \"re-encoded in May\"\n  stocktake accept --kind altered \
                            --storage main --path 'docs/**' --yes\n  stocktake accept --undo uploads 17\n  stocktake accept --undo \
                            --storage main --path 'docs/**' --yes"
    )]
    Accept(AcceptArguments),
    /// Show everything about one record, and what to do
    ///
    /// Takes a model and an identifier; or a path: that of a record in its storage, with or without the storage in front
    /// (`main:a/b`), or a file's below the root of a storage, absolute or seen from the current folder.
    #[command(
        after_help = "Examples:\n  stocktake show uploads 17\n  stocktake show main:docs/letter.odt --json"
    )]
    Show(ShowArguments),
    /// List the models that have records, and where these lie
    ///
    /// A model is a kind of content, as the Data management API names it. Each record belongs to one, and its identifier is
    /// unique in it. The model says whether a record is a file, a git repository or a container repository, and whether its
    /// content may change. Files of no special kind are `uploads`.
    #[command(after_help = "Example:\n  stocktake models --all")]
    Models(ModelsArguments),
    /// List and cancel bulk jobs
    ///
    /// A bulk job marks the records of a selection for recalculation, in the background. The API makes them.
    #[command(after_help = "Examples:\n  stocktake jobs --json\n  stocktake jobs cancel 17")]
    Jobs {
        #[command(subcommand)]
        command: Option<JobsCommand>,
        /// Print one JSON document
        #[arg(long, global = true)]
        json: bool,
    },
    /// Create, list and revoke access tokens
    #[command(
        subcommand,
        after_help = "Example:\n  stocktake token create monitoring --admin --scope read_api"
    )]
    Token(TokenCommand),
    /// Apply database migrations and print which
    ///
    /// Commands that write do this themselves before they begin; this one does nothing else. Commands that only read leave
    /// the schema as it is, and say so if it is older or newer than the program.
    #[command(after_help = "Example:\n  stocktake migrate --config production.toml")]
    Migrate {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Write a commented configuration, and try it
    ///
    /// Writes ./stocktake.toml, or the file that --config names; one that is there is left as it is. Nothing is written if the
    /// folder cannot be read or the database cannot be used.
    #[command(after_help = "Example:\n  stocktake init /srv/data")]
    Init {
        /// The folder with the content, which becomes the storage `main`
        folder: Option<PathBuf>,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Tell whether everything is there that the configuration speaks of
    ///
    /// Looks at the configuration, the database, the storages, the tokens and the GitLab. Changes nothing. Exit status: 0
    /// nothing is wrong, 1 something is, 2 it could not run.
    #[command(after_help = "Example:\n  stocktake doctor")]
    Doctor {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print what makes a shell complete commands and options
    #[command(after_help = "Example:\n  stocktake completions bash > /etc/bash_completion.d/stocktake")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    #[command(after_help = "Example:\n  stocktake version")]
    Version {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print the effective configuration and the origin of each value, with secrets masked
    #[command(after_help = "Example:\n  STOCKTAKE__HTTP__LISTEN=127.0.0.1:9000 stocktake config")]
    Config {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArguments {
    /// The address to listen on (http.listen); port 0 chooses a free port and logs it
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Do not checksum in this process (worker.enabled)
    #[arg(long)]
    no_worker: bool,
    #[command(flatten)]
    work: WorkOptions,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WorkerArguments {
    #[command(flatten)]
    work: WorkOptions,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WorkOptions {
    #[command(flatten)]
    threads: ThreadOptions,
    /// Only records in this storage; several are separated by commas (worker.storages)
    #[arg(long, alias = "storages", value_name = "NAME")]
    storage: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ThreadOptions {
    /// Threads that calculate digests, 0 for one per core (worker.concurrency)
    #[arg(long, value_name = "NUMBER")]
    concurrency: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArguments {
    /// The folder
    pub(crate) path: PathBuf,
    /// Take everything as it is now for good: damaged files with their new content, removed ones as not there
    #[arg(long)]
    pub(crate) accept: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ImportArguments {
    /// The model: what kind of content it is, in the words of the API. Files of no special kind are `uploads`, bare git
    /// repositories `projects`; `stocktake models --all` lists all
    pub(crate) model: Model,
    /// The file with one JSON object a line; - is standard input
    pub(crate) file: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ScanArguments {
    /// The model: what kind of content it is, in the words of the API. Files of no special kind are `uploads`, bare git
    /// repositories `projects`; `stocktake models --all` lists all
    pub(crate) model: Model,
    /// The storage's name in the configuration
    pub(crate) storage: String,
    /// In which layout the names of files are the SHA-256 of their content, which new records are then compared with; and
    /// with `lfs` and `registry` also records of earlier scans
    #[arg(long, value_enum, default_value_t)]
    pub(crate) layout: Layout,
    /// Go on even if the storage is empty or another one than before
    #[arg(long)]
    pub(crate) believe_missing: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SyncArguments {
    /// The models; none means all
    #[arg(value_name = "MODEL")]
    pub(crate) models: Vec<Model>,
    /// Delete the records of rows that no longer exist, however many they are
    #[arg(long)]
    pub(crate) accept_deletions: bool,
    /// Say what would be read from where, what is not understood and which rights are missing, and read no row
    #[arg(long, conflicts_with_all = ["models", "accept_deletions"])]
    pub(crate) check: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Arguments {
    /// The options, as the topmost layer of the configuration.
    pub(crate) fn overrides(&self) -> Vec<Override> {
        let mut layer = Vec::new();
        set(&mut layer, "database.url", self.global.database.as_ref(), "--database");
        set(&mut layer, "log.level", self.global.log.as_ref(), "--log");
        match &self.command {
            Command::Serve(arguments) => {
                set(&mut layer, "http.listen", arguments.listen.as_ref(), "--listen");
                if arguments.no_worker {
                    layer.push(("worker.enabled", Value::Boolean(false), "--no-worker"));
                }
                arguments.work.set(&mut layer);
            }
            Command::Worker(arguments) => arguments.work.set(&mut layer),
            Command::Verify(arguments) => arguments.threads.set(&mut layer),
            Command::Check(_)
            | Command::Status(_)
            | Command::Import(_)
            | Command::ImportReport(_)
            | Command::Scan(_)
            | Command::Sync(_)
            | Command::Orphans(_)
            | Command::Export(_)
            | Command::Grants { .. }
            | Command::Accept(_)
            | Command::Show(_)
            | Command::Models(_)
            | Command::Jobs { .. }
            | Command::Token(_)
            | Command::Migrate { .. }
            | Command::Config { .. }
            | Command::Init { .. }
            | Command::Doctor { .. }
            | Command::Completions { .. }
            | Command::Version { .. } => {}
        }
        layer
    }
}

impl WorkOptions {
    fn set(&self, layer: &mut Vec<Override>) {
        self.threads.set(layer);
        set(layer, "worker.storages", self.storage.as_ref(), "--storage");
    }
}

impl ThreadOptions {
    fn set(&self, layer: &mut Vec<Override>) {
        set(layer, "worker.concurrency", self.concurrency.as_ref(), "--concurrency");
    }
}

fn set(layer: &mut Vec<Override>, key: &'static str, text: Option<&String>, option: &'static str) {
    layer.extend(text.map(|text| (key, Value::String(text.clone()), option)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_configuration_file_is_taken_before_and_after_the_words() {
        for words in [["--config", "a.toml", "status"], ["status", "--config", "a.toml"]] {
            let arguments = Arguments::try_parse_from(["stocktake"].into_iter().chain(words)).unwrap();
            assert_eq!(arguments.global.config, Some(PathBuf::from("a.toml")));
        }
    }

    #[test]
    fn every_command_has_an_example() {
        fn look(command: &clap::Command) {
            for sub in command.get_subcommands() {
                let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.starts_with("Example"), "{}", sub.get_name());
                assert!(sub.get_about().is_some(), "{}", sub.get_name());
                look(sub);
            }
        }
        look(&<Arguments as clap::CommandFactory>::command());
    }

    #[test]
    fn options_are_the_topmost_layer() {
        let words = ["stocktake", "serve", "--listen", "[::1]:0", "--no-worker", "--database", "sqlite://x"];
        let keys: Vec<_> =
            Arguments::try_parse_from(words).unwrap().overrides().iter().map(|(key, ..)| *key).collect();
        assert_eq!(keys, ["database.url", "http.listen", "worker.enabled"]);
    }
}
