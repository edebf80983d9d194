//! Overlays an installation with the settings of a file.

use std::path::{Path, PathBuf};

use crate::dialect::Dialect;
use crate::fact::Fact;
use crate::file::InstallationError;
use crate::installation::Installation;
use crate::node::Document;
use crate::ruby::{self, Program, Refused};
use crate::settings_reader::SettingsReader;
use crate::{compose, file, helm, rules, secrets, yaml};

impl Installation {
    /// Overlays this with the settings of a file: a `gitlab.yml` or the values of the Helm chart if its name has such an
    /// extension, else a `gitlab.rb`.
    pub fn read(self, file: &Path) -> Result<Self, InstallationError> {
        let text = file::text(file)?;
        if file::is_yaml(file) {
            let document = yaml::document(file, &text)?;
            if helm::is_values(&document) {
                let document = helm::rendered(document, self.kubernetes_secrets.as_deref())?;
                return self.apply(Dialect::Helm, document, None);
            }
            let folder = root_of(file);
            return self.apply(Dialect::Yml, document, folder);
        }
        self.programs(&[Program::file(file.display().to_string(), text)])
    }

    /// Overlays this with the settings of a container: those in the variable `GITLAB_OMNIBUS_CONFIG`, which a file has
    /// (as a whole, in a list of variables, or in a file of Docker Compose), and after them those of a `gitlab.rb`,
    /// which the image reads last.
    pub fn read_container(
        self,
        variable: Option<&Path>,
        configuration: Option<&Path>,
    ) -> Result<Self, InstallationError> {
        let mut programs = Vec::new();
        if let Some(file) = variable {
            programs.push(compose::variable(file)?);
        }
        if let Some(file) = configuration {
            programs.push(Program::file(file.display().to_string(), file::text(file)?));
        }
        let mut installation = self.programs(&programs)?;
        if let (None, Some(file), true) = (variable, configuration, installation.is_silent) {
            installation.notes.push(format!(
                "{} sets nothing: if the container has the variable GITLAB_OMNIBUS_CONFIG, name a file that contains it in \
                 `sources.gitlab.omnibus_config`",
                file.display()
            ));
        }
        Ok(installation)
    }

    /// Takes `db_key_base` out of a `gitlab-secrets.json` or a `secrets.yml`.
    pub fn read_secrets(mut self, file: &Path) -> Result<Self, InstallationError> {
        self.db_key_base = Fact::Known(secrets::db_key_base(file)?);
        Ok(self)
    }

    /// Takes what the installation itself says beside its configuration, when all files were read: paths of a container
    /// become those of this machine, and the registry's folder says whether it has the list of images.
    #[must_use]
    pub fn settled(mut self) -> Self {
        rules::on_this_machine(&mut self);
        rules::look_at_registry(&mut self);
        self
    }

    fn programs(self, programs: &[Program]) -> Result<Self, InstallationError> {
        let volumes = self.volumes.clone();
        let load = move |path: &str| {
            let path = Path::new(path);
            let place = match &volumes {
                Some(volumes) => volumes.of_host(path),
                None => path.is_absolute().then(|| path.to_owned()),
            };
            let place = place.ok_or("it is in an unknown folder")?;
            let text = file::text(&place).map_err(|error| error.why().to_owned())?;
            Ok((place, text))
        };
        let document = ruby::document(programs, &load)
            .map_err(|Refused { name, line, why }| InstallationError::line(Path::new(&name), line, why))?;
        self.apply(Dialect::Rb, document, None)
    }

    fn apply(
        mut self,
        dialect: Dialect,
        document: Document,
        folder: Option<PathBuf>,
    ) -> Result<Self, InstallationError> {
        let folder = self.root.clone().or(folder);
        let mut reader = SettingsReader::new(dialect, document, folder.as_deref());
        self.is_silent = reader.is_silent();
        rules::apply(&mut self, &mut reader)?;
        Ok(self)
    }
}

/// The folder of GitLab's own code, if a `gitlab.yml` is in its usual place there.
fn root_of(file: &Path) -> Option<PathBuf> {
    let config = file.parent().filter(|config| config.ends_with("config") && config.is_absolute())?;
    config.parent().map(ToOwned::to_owned)
}
