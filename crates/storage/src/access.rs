//! What a job's YAML names, opened: its stores and its output, with what the site gives to reach them.

use std::{path::Path, sync::Arc};

use transcode_api::{AllowedNetwork, HttpInput, Output, SecretKeyRef, StoreSpec};

use crate::{
    FileStore, GuardPolicy, S3Store, Store,
    error::{Result, StoreError},
};

/// The stores of a job, and how the site lets them be reached.
#[derive(Debug, Clone)]
pub struct Access<'a> {
    /// Stores that inputs and outputs refer to.
    pub stores: &'a [StoreSpec],
    /// Folder with a folder for each Secret that the job refers to.
    pub credentials_dir: Option<&'a str>,
    /// Where user-given endpoints may lead.
    pub policy: GuardPolicy,
}

impl<'a> Access<'a> {
    /// `allow` are networks and hosts that are not public.
    pub fn new(
        stores: &'a [StoreSpec],
        credentials_dir: Option<&'a str>,
        allow: &[AllowedNetwork],
        environment_proxy: bool,
    ) -> Self {
        let policy = GuardPolicy { allow: allow.to_vec(), environment_proxy, ..GuardPolicy::default() };
        Access { stores, credentials_dir, policy }
    }

    /// A bucket below a prefix. Nothing is sent yet.
    pub fn s3(&self, store: &str, bucket: &str, prefix: &str) -> Result<S3Store> {
        let wrong = |why: String| StoreError::Misconfigured { uri: format!("s3://{bucket}/{prefix}"), why };
        let spec = self.stores.iter().find(|s| s.name == store);
        let spec = spec.ok_or_else(|| wrong(format!("no store is named `{store}`")))?;
        // Never other credentials than those that the store names.
        let folder = match (&spec.credentials, self.credentials_dir) {
            (None, _) => None,
            (Some(credentials), Some(dir)) => Some(Path::new(dir).join(&credentials.secret_ref.name)),
            (Some(credentials), None) => {
                let secret = &credentials.secret_ref.name;
                return Err(wrong(format!(
                    "store `{store}` takes its credentials from the Secret `{secret}`, and there is no folder of Secrets; with the local engine say --credentials-dir DIR, with the files accessKeyId and secretAccessKey in DIR/{secret}"
                )));
            }
        };
        S3Store::new(spec, bucket, prefix, folder.as_deref(), &self.policy)
    }

    /// The URL of a source. What a Secret holds is part of no error.
    pub fn url(&self, http: &HttpInput) -> Result<String> {
        let Some(SecretKeyRef { name, key }) = &http.url_secret_ref else {
            return Ok(http.url.clone().unwrap_or_default());
        };
        let wrong = |why: String| StoreError::Misconfigured { uri: format!("Secret {name}, key {key}"), why };
        let folder = self.credentials_dir.ok_or_else(|| {
            wrong(format!(
                "it has the source's URL, and there is no folder of Secrets; with the local engine say --credentials-dir DIR, with the URL in the file DIR/{name}/{key}"
            ))
        })?;
        let path = Path::new(folder).join(name).join(key);
        let text =
            std::fs::read_to_string(&path).map_err(|e| wrong(format!("{} can't be read: {e}", path.display())))?;
        match text.trim() {
            url if url.starts_with("https://") || url.starts_with("http://") => Ok(url.to_owned()),
            _ => Err(wrong("it has to hold an http or https URL, and holds something else".into())),
        }
    }

    /// The store below an output's prefix or folder.
    pub fn output(&self, output: &Output) -> Result<Arc<dyn Store>> {
        match (&output.file, &output.s3) {
            (Some(file), _) => Ok(Arc::new(FileStore::new(&file.path)?)),
            (_, Some(object)) => Ok(Arc::new(self.s3(&object.store, &object.bucket, &object.prefix)?)),
            _ => {
                Err(StoreError::Misconfigured { uri: "spec.outputs[0]".into(), why: "it names no destination".into() })
            }
        }
    }
}
