//! GitLab's own configuration, as its administrator writes it: for Omnibus, and for an installation from source.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::places::{GITALY, OBJECTS, PLACES, PUBLIC, REGISTRY};
use crate::s3::S3Server;

/// The server that the buckets need, and the files that speak of it. It stops when this is dropped.
#[derive(Debug)]
pub struct GitlabServed {
    /// The object storage, over plain HTTP.
    pub s3: S3Server,
    /// `gitlab.rb`, as of an Omnibus installation.
    pub gitlab_rb: PathBuf,
    /// `gitlab.yml`, as of an installation from source; it says the same.
    pub gitlab_yml: PathBuf,
    /// `gitlab-secrets.json`.
    pub secrets: PathBuf,
}

pub(super) fn serve(folder: &Path, db_key_base: &str) -> anyhow::Result<GitlabServed> {
    let s3 = S3Server::start(&folder.join(OBJECTS))?;
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        anyhow::Ok(path)
    };
    let secrets = format!("{{\n  \"gitlab_rails\": {{\n    \"db_key_base\": \"{db_key_base}\"\n  }}\n}}\n");
    Ok(GitlabServed {
        gitlab_rb: write("gitlab.rb", ruby(folder, &s3.endpoint())?)?,
        gitlab_yml: write("gitlab.yml", yaml(folder, &s3.endpoint())?)?,
        secrets: write("gitlab-secrets.json", secrets)?,
        s3,
    })
}

fn ruby(folder: &Path, endpoint: &str) -> Result<String, std::fmt::Error> {
    let path = |below: &str| folder.join(below).display().to_string();
    let mut text = String::from("external_url 'http://gitlab.example.com'\n\n");
    for place in PLACES {
        writeln!(text, "gitlab_rails['{}'] = '{}'", place.setting, path(place.folder))?;
    }
    writeln!(text, "gitlab_rails['uploads_storage_path'] = '{}'", path(PUBLIC))?;
    writeln!(text, "gitlab_rails['external_diffs_enabled'] = true")?;
    writeln!(text, "gitlab_rails['registry_path'] = '{}'", path(REGISTRY))?;
    writeln!(text, "\n# All buckets have one connection.\ngitlab_rails['object_store']['enabled'] = true")?;
    write!(
        text,
        "gitlab_rails['object_store']['connection'] = {{\n  'provider' => 'AWS',\n  'region' => '{}',\n  \
         'endpoint' => '{endpoint}',\n  'path_style' => true,\n  'aws_access_key_id' => '{}',\n  \
         'aws_secret_access_key' => '{}'\n}}\n",
        S3Server::REGION,
        S3Server::ACCESS_KEY,
        S3Server::SECRET_KEY
    )?;
    for place in PLACES {
        let object = format!("gitlab_rails['object_store']['objects']['{}']", place.name);
        match place.bucket {
            Some(bucket) => writeln!(text, "{object}['bucket'] = '{bucket}'")?,
            None => writeln!(text, "{object}['enabled'] = false")?,
        }
    }
    text.push_str("\ngitaly['configuration'] = {\n  storage: [\n");
    for (name, below) in GITALY {
        writeln!(text, "    {{\n      name: '{name}',\n      path: '{}',\n    }},", path(below))?;
    }
    text.push_str("  ],\n}\n");
    Ok(text)
}

fn yaml(folder: &Path, endpoint: &str) -> Result<String, std::fmt::Error> {
    let path = |below: &str| folder.join(below).display().to_string();
    let mut text = String::from("production: &base\n  gitlab:\n    host: gitlab.example.com\n");
    for place in PLACES {
        let folder = path(place.folder);
        match place.name {
            "uploads" => {
                let public = path(PUBLIC);
                write!(text, "  uploads:\n    storage_path: \"{public}\"\n    base_dir: uploads/-/system\n")?;
            }
            "pages" => write!(text, "  pages:\n    enabled: true\n    path: \"{folder}\"\n")?,
            name => write!(text, "  {name}:\n    enabled: true\n    storage_path: \"{folder}\"\n")?,
        }
    }
    write!(
        text,
        "  object_store:\n    enabled: true\n    connection:\n      provider: AWS\n      region: {}\n      \
         endpoint: \"{endpoint}\"\n      path_style: true\n      aws_access_key_id: {}\n      \
         aws_secret_access_key: {}\n    objects:\n",
        S3Server::REGION,
        S3Server::ACCESS_KEY,
        S3Server::SECRET_KEY
    )?;
    for place in PLACES {
        match place.bucket {
            Some(bucket) => writeln!(text, "      {}:\n        bucket: {bucket}", place.name)?,
            None => writeln!(text, "      {}:\n        enabled: false", place.name)?,
        }
    }
    write!(text, "  registry:\n    enabled: true\n    path: \"{}\"\n", path(REGISTRY))?;
    text.push_str("  repositories:\n    storages:\n");
    for (name, below) in GITALY {
        writeln!(text, "      {name}:\n        path: \"{}\"", path(below))?;
    }
    text.push_str("\ndevelopment:\n  <<: *base\n");
    Ok(text)
}
