//! Credentials from a folder, as Kubernetes projects a Secret.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use crate::error::{Result, StoreError};

/// How long what was read is used: the kubelet updates a changed Secret about every minute.
const FRESH: Duration = Duration::from_secs(300);

/// A folder with one file per value. Its content is never shown.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Reads once, so that a missing file is told before any work is done.
    pub(super) fn new(uri: &str, folder: &Path) -> Result<Self> {
        let folder = Self(folder.to_owned());
        folder.read().map_err(|why| StoreError::misconfigured(uri, why))?;
        Ok(folder)
    }

    fn read(&self) -> Result<Credentials, String> {
        let id = self.required("accessKeyId")?;
        let secret = self.required("secretAccessKey")?;
        let token = self.value("sessionToken")?;
        Ok(Credentials::new(id, secret, token, Some(SystemTime::now() + FRESH), "folder"))
    }

    fn required(&self, name: &str) -> Result<String, String> {
        self.value(name)?.ok_or_else(|| {
            format!("the credentials in {} lack `{name}`: add it to the Secret or folder", self.0.display())
        })
    }

    /// The content of a file, without blanks around it; `None` when missing or empty.
    fn value(&self, name: &str) -> Result<Option<String>, String> {
        let path = self.0.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|t| !t.is_empty())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{} can't be read: {error}", path.display())),
        }
    }
}

impl ProvideCredentials for Folder {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.read().map_err(CredentialsError::invalid_configuration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_projected_secret() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Folder::new("s3://b/", folder.path()).unwrap_err().to_string();
        assert!(missing.contains("accessKeyId"), "{missing}");
        fs::write(folder.path().join("accessKeyId"), "id\n").unwrap();
        fs::write(folder.path().join("secretAccessKey"), "hush\n").unwrap();
        let source = Folder::new("s3://b/", folder.path()).unwrap();
        let read = source.read().unwrap();
        assert_eq!((read.access_key_id(), read.secret_access_key(), read.session_token()), ("id", "hush", None));
        assert!(!format!("{source:?} {read:?}").contains("hush"));
        fs::write(folder.path().join("sessionToken"), "token").unwrap();
        assert_eq!(source.read().unwrap().session_token(), Some("token"));
    }
}
