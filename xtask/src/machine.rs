//! Software that must be installed on the machine, and its installation where that is possible.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use stocktake_testbed::PgBinaries;

use crate::project::{Project, capture, files_below, run};

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

/// Installs the gateway of Ceph that speaks S3, and what it needs to keep objects, if the machine has none.
pub(crate) fn rados_gateway() -> anyhow::Result<()> {
    for (name, package) in
        [("ceph-mon", "ceph-mon"), ("ceph-osd", "ceph-osd"), ("ceph", "ceph-common"), ("radosgw", "radosgw")]
    {
        program(name, package)?;
    }
    Ok(())
}

/// Installs the object stores that tests run against, where [`stocktake_testbed::ObjectServer`] looks for them.
pub(crate) fn object_servers(project: &Project) -> anyhow::Result<()> {
    let listed = project.root.join("xtask/servers");
    let environment = python(project, &listed.join("requirements.txt"))?;
    let link = environment.join("bin/fake-gcs-server");
    if !link.exists() {
        let found = files_below(&environment.join("lib"))?.into_iter().find(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("fake-gcs-server-linux-"))
        });
        std::os::unix::fs::symlink(found.context("the package brings no fake-gcs-server for Linux")?, link)?;
    }
    node(project, &listed)
}

/// Installs the packages of npm that are listed in this folder.
fn node(project: &Project, listed: &Path) -> anyhow::Result<()> {
    const LISTS: [&str; 2] = ["package.json", "package-lock.json"];
    let folder = project.target.join("servers-node");
    let stamp = folder.join("installed.json");
    let wanted = std::fs::read_to_string(listed.join("package-lock.json"))?;
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    program("node", "nodejs")?;
    program("npm", "npm")?;
    std::fs::create_dir_all(&folder)?;
    for list in LISTS {
        std::fs::copy(listed.join(list), folder.join(list))?;
    }
    let arguments = ["ci", "--omit=dev", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"];
    run(Command::new("npm").args(arguments).args(["--loglevel", "error"]).current_dir(&folder))?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

/// Installs the Debian package of a program if it is missing.
pub(crate) fn program(name: &str, package: &str) -> anyhow::Result<()> {
    match Command::new(name).arg("--version").output() {
        Ok(_) => Ok(()),
        Err(_) => install(package).with_context(|| format!("the program `{name}` is required")),
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
