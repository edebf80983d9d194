//! A container registry on loopback: Debian's `docker-registry`, filled over its own API.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::{self, HttpAnswer};
use crate::service::Service;

mod database;
mod push;

pub use database::RegistryDatabase;
pub use push::{MANIFEST_TYPES, PushedImage, digest_of};

/// The variable that names the program, if it is in none of the usual places.
const PROGRAM: &str = "REGISTRY_BIN";

/// How a registry is started.
#[derive(Debug, Clone, Default)]
pub struct RegistrySetup {
    /// The folder that holds its storage; without one, a new folder that is removed with the registry.
    pub folder: Option<PathBuf>,
    /// The bucket that holds its storage instead of a folder.
    pub bucket: Option<RegistryBucket>,
    /// Whether it asks for [`Registry::USER`] and [`Registry::PASSWORD`].
    pub password: bool,
    /// Where it sends its clients for tokens.
    pub token: Option<TokenServer>,
    /// The files with its certificate and the key: then it speaks TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// A bucket of S3 in which a registry keeps its data.
#[derive(Debug, Clone)]
pub struct RegistryBucket {
    /// The URL of the service.
    pub endpoint: String,
    /// The bucket, which is there.
    pub bucket: String,
    /// What the registry calls its root directory.
    pub root: String,
}

/// A token server, as a registry knows it.
#[derive(Debug, Clone)]
pub struct TokenServer {
    /// Its URL.
    pub realm: String,
    /// The file with the certificate of the key that signs its tokens.
    pub certificate: PathBuf,
}

/// A running registry. It ends when this is dropped, or when this process ends in any way.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    folder: PathBuf,
    is_tls: bool,
    password: bool,
    /// Held for its `Drop`.
    _service: Service,
    /// Held for their `Drop`: the configuration, and a storage of our own.
    _folders: Vec<tempfile::TempDir>,
}

impl Registry {
    /// The one user that a registry with a password knows.
    pub const USER: &'static str = "sample";
    /// The password that belongs to it.
    pub const PASSWORD: &'static str = "open-sesame";
    /// The service that tokens are asked for, and who signs them.
    pub const SERVICE: &'static str = "sample-registry";

    /// [`Registry::PASSWORD`] as the registry wants it in its file (bcrypt).
    const HASH: &'static str = "$2b$04$8LIH57EW8sX8YWPHZNb0O.f7jp07zVijsFIn5j6bYUI7wjb3XnI0u";

    /// Starts a registry on a free port of 127.0.0.1; installs the program if it is missing.
    pub fn start(setup: &RegistrySetup) -> anyhow::Result<Self> {
        let program = find_or_install()?;
        let private = tempfile::Builder::new().prefix("stocktake-registry-").tempdir()?;
        let mut folders = Vec::new();
        let folder = if let Some(folder) = &setup.folder {
            folder.clone()
        } else {
            let own = tempfile::tempdir()?;
            let folder = own.path().to_owned();
            folders.push(own);
            folder
        };
        let config = private.path().join("config.yml");
        let passwords = private.path().join("htpasswd");
        fs::write(&passwords, format!("{}:{}\n", Self::USER, Self::HASH))?;
        fs::write(&config, setup.config(&folder, &passwords)?)?;
        folders.push(private);
        let mut command = Command::new(&program);
        // It is made for other connections than its own, and keeps the registry from starting.
        command.env_remove("AWS_CA_BUNDLE");
        let (service, address) = Service::start(command.arg("serve").arg(&config), "listening on ")?;
        let is_tls = setup.tls.is_some();
        Ok(Self { address, folder, is_tls, password: setup.password, _service: service, _folders: folders })
    }

    /// Whether the program is on this machine, so that [`Registry::start`] installs nothing.
    pub fn is_installed() -> bool {
        find().is_ok_and(|found| found.is_some())
    }

    /// Installs the program if it is missing.
    pub fn install() -> anyhow::Result<()> {
        find_or_install().map(drop)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address)
    }

    /// Sends a request to the registry, with the password if it wants one; it must not speak TLS. `target` is
    /// a path with its query, or a URL of this registry.
    pub fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<HttpAnswer> {
        if self.is_tls {
            bail!("this registry speaks TLS; start another on the same folder to fill it");
        }
        let target = target.strip_prefix(&self.url()).unwrap_or(target);
        let proof = STANDARD.encode(format!("{}:{}", Self::USER, Self::PASSWORD));
        let proof = format!("Basic {proof}");
        let password = self.password.then_some(("Authorization", proof.as_str()));
        let headers: Vec<_> = password.into_iter().chain(headers.iter().copied()).collect();
        http::send(self.address, method, target, &headers, body)
    }

    /// The folder of its storage, which holds `docker/registry/v2`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file with the bytes that are stored under this digest.
    pub fn data(&self, digest: &str) -> PathBuf {
        let (algorithm, digits) = digest.split_once(':').unwrap_or(("sha256", digest));
        let start: String = digits.chars().take(2).collect();
        self.folder.join("docker/registry/v2/blobs").join(algorithm).join(start).join(digits).join("data")
    }

    /// The folder of a repository.
    pub fn repository(&self, repository: &str) -> PathBuf {
        self.folder.join("docker/registry/v2/repositories").join(repository)
    }

    /// The file that says what a tag names.
    pub fn tag_link(&self, repository: &str, tag: &str) -> PathBuf {
        self.repository(repository).join("_manifests/tags").join(tag).join("current/link")
    }
}

impl RegistrySetup {
    fn config(&self, folder: &Path, passwords: &Path) -> anyhow::Result<String> {
        let mut text = String::new();
        writeln!(text, "version: 0.1\nlog: {{level: info}}")?;
        match &self.bucket {
            None => writeln!(text, "storage:\n  filesystem: {{rootdirectory: {}}}", folder.display())?,
            Some(RegistryBucket { endpoint, bucket, root }) => {
                writeln!(text, "storage:\n  s3:\n    accesskey: test\n    secretkey: made-up-word")?;
                writeln!(text, "    region: us-east-1\n    regionendpoint: {endpoint}\n    secure: false")?;
                writeln!(text, "    bucket: {bucket}\n    rootdirectory: {root}")?;
                writeln!(text, "  redirect: {{disable: true}}")?;
            }
        }
        writeln!(text, "  delete: {{enabled: true}}\n  maintenance: {{uploadpurging: {{enabled: false}}}}")?;
        writeln!(text, "validation: {{manifests: {{urls: {{allow: ['^https://']}}}}}}")?;
        writeln!(text, "http:\n  addr: 127.0.0.1:0\n  secret: made-up-word")?;
        if let Some((certificate, key)) = &self.tls {
            let (certificate, key) = (certificate.display(), key.display());
            writeln!(text, "  tls: {{certificate: {certificate}, key: {key}}}")?;
        }
        if self.password {
            writeln!(text, "auth:\n  htpasswd: {{realm: sample, path: {}}}", passwords.display())?;
        }
        if let Some(TokenServer { realm, certificate }) = &self.token {
            let service = Registry::SERVICE;
            writeln!(text, "auth:\n  token:\n    realm: {realm}\n    service: {service}")?;
            writeln!(text, "    issuer: {service}\n    rootcertbundle: {}", certificate.display())?;
        }
        Ok(text)
    }
}

/// The program: named by the environment, in `PATH` or where Debian puts it.
fn find() -> anyhow::Result<Option<PathBuf>> {
    if let Some(path) = env::var_os(PROGRAM).map(PathBuf::from) {
        if path.is_file() {
            return Ok(Some(path));
        }
        bail!("{PROGRAM} names {}, which is no file", path.display());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).chain([PathBuf::from("/usr/bin")]);
    Ok(places.find_map(|folder| Some(folder.join("docker-registry")).filter(|path| path.is_file())))
}

/// The program; its package is installed if it is missing.
fn find_or_install() -> anyhow::Result<PathBuf> {
    if let Some(found) = find()? {
        return Ok(found);
    }
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends", "docker-registry"]] {
        // Several test processes may come here at once: one waits for the other.
        let mut command = Command::new("apt-get");
        command.args(["-o", "DPkg::Lock::Timeout=600"]).args(arguments);
        let output = command.env("DEBIAN_FRONTEND", "noninteractive").output();
        let is_done = output.as_ref().is_ok_and(|output| output.status.success());
        if !is_done {
            bail!("docker-registry was not found in {PROGRAM} or PATH, and apt-get cannot install it");
        }
    }
    find()?.context("docker-registry was installed, and is not in PATH")
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_registry_is_filled_and_goes_with_its_owner() {
        let registry = Registry::start(&RegistrySetup::default()).unwrap();
        let image = registry.push_image("group/image", "1.0", true, &[b"layer"]).unwrap();
        registry.push_index("group/image", "all", true, &[&image]).unwrap();
        assert_eq!(fs::read_to_string(registry.tag_link("group/image", "1.0")).unwrap(), image.manifest);
        assert_eq!(fs::read(registry.data(&image.layers[0])).unwrap(), b"layer");
        let list = registry.request("GET", "/v2/group/image/tags/list", &[], &[]).unwrap();
        let list = String::from_utf8(list.body).unwrap();
        assert!(list.contains(r#""1.0""#) && list.contains(r#""all""#), "{list}");
        let (address, folder) = (registry.address(), registry.folder().to_owned());
        drop(registry);
        assert!(TcpStream::connect(address).is_err() && !folder.exists());
    }

    #[test]
    fn a_registry_that_cannot_start_says_why() {
        let tls = Some((PathBuf::from("/no/certificate"), PathBuf::from("/no/key")));
        let error = Registry::start(&RegistrySetup { tls, ..RegistrySetup::default() }).unwrap_err();
        assert!(format!("{error:#}").contains("/no/certificate"), "{error:#}");
    }
}
