//! Software that must be installed on the machine, and its installation where that is possible.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use stocktake_testbed::PgBinaries;

use crate::project::{Project, capture, run};

/// Calls `start` after installing PostgreSQL if the machine has none.
pub(crate) fn postgres<T>(start: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    if PgBinaries::find().is_err() {
        install("postgresql").context("the PostgreSQL server is required")?;
    }
    start()
}

/// The folder of a Python environment with the packages in `requirements`, which is created if necessary.
pub(crate) fn python(project: &Project, requirements: &Path) -> anyhow::Result<PathBuf> {
    let wanted = std::fs::read_to_string(requirements).with_context(|| requirements.display().to_string())?;
    let of = requirements.parent().and_then(Path::file_name).context("requirements lie in a folder")?;
    let folder = project.target.join(format!("{}-venv", of.display()));
    let stamp = folder.join("requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let venv = || capture(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    if let Err(error) = venv() {
        install("python3-venv").with_context(|| format!("Python 3 with venv is required: {error:#}"))?;
        venv()?;
    }
    let pip = folder.join("bin/python");
    run(Command::new(pip)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements))?;
    std::fs::write(stamp, wanted)?;
    Ok(folder)
}

/// Installs a program if it is missing. Its Debian package must have the same name.
pub(crate) fn program(name: &str) -> anyhow::Result<()> {
    match Command::new(name).arg("--version").output() {
        Ok(_) => Ok(()),
        Err(_) => install(name).with_context(|| format!("the program `{name}` is required")),
    }
}

/// Installs a Debian package, if this is Debian and the user is root.
fn install(package: &str) -> anyhow::Result<()> {
    let is_root = rustix::process::geteuid().is_root();
    let has_apt =
        Command::new("apt-get").arg("--version").output().is_ok_and(|output| output.status.success());
    if !is_root || !has_apt {
        bail!("install it (Debian and Ubuntu: `apt-get install {package}`) and try again");
    }
    println!("Installing the Debian package {package} …");
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        run(command
            .args(["-qq", "-o", "Dpkg::Use-Pty=0"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt_get(&["update"])?;
    apt_get(&["install", "--yes", "--no-install-recommends", package])
}
