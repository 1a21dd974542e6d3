//! A namespace of one test, with its jobs and its part of the bucket.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{ConfigMap, Namespace, Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use transcode_api::{FanOut, TranscodeJob, TranscodeJobStatus, status::Phase};
use transcode_storage::{S3Store, Store};

use crate::{Site, wait::until};

/// A namespace that enforces Pod Security `restricted`, with the Secret `s3`.
pub struct Space {
    /// The cluster.
    pub site: Site,
    /// Its name; a prefix of the same name in the bucket is its own too.
    pub name: String,
}

impl Space {
    /// A new one.
    pub async fn new(test: &str) -> Result<Self> {
        let site = Site::new().await?;
        let now = jiff::Timestamp::now().as_millisecond() % 1_000_000_000;
        let name = format!("e2e-{}-{now}", test.replace('_', "-"));
        let labels = BTreeMap::from([("pod-security.kubernetes.io/enforce".into(), "restricted".into())]);
        let metadata = ObjectMeta { name: Some(name.clone()), labels: Some(labels), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        Api::all(site.client.clone()).create(&PostParams::default(), &namespace).await?;
        let space = Space { site, name };
        let keys = ["accessKeyId", "secretAccessKey"];
        let keys = keys.iter().map(|key| Ok(((*key).to_owned(), space.site.key(key)?))).collect::<Result<_>>()?;
        space.secret("s3", keys).await?;
        Ok(space)
    }

    /// Objects of a kind.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.site.client.clone(), &self.name)
    }

    /// Objects of a kind, as the API server sends them.
    pub fn dynamic<K>(&self) -> Api<DynamicObject>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        Api::namespaced_with(self.site.client.clone(), &self.name, &ApiResource::erase::<K>(&()))
    }

    /// Makes a Secret.
    pub async fn secret(&self, name: &str, keys: BTreeMap<String, String>) -> Result<()> {
        let metadata = ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
        let secret = Secret { metadata, string_data: Some(keys), ..Secret::default() };
        self.api().create(&PostParams::default(), &secret).await?;
        Ok(())
    }

    /// This test's part of the bucket.
    pub fn store(&self) -> Result<S3Store> {
        self.site.store(&self.name)
    }

    /// Puts a file into this test's part of the bucket.
    pub async fn upload(&self, file: &Path, key: &str) -> Result<()> {
        let content = tokio::fs::read(file).await?;
        Ok(self.store()?.put(key, content.into()).await?)
    }

    /// Fetches everything below a prefix of this test's part of the bucket.
    pub async fn download(&self, prefix: &str, folder: &Path) -> Result<()> {
        let store = self.site.store(&format!("{}/{prefix}", self.name))?;
        let keys: Vec<String> = store.list("").map_ok(|meta| meta.key).try_collect().await?;
        ensure!(!keys.is_empty(), "there is nothing below {prefix}");
        for key in keys {
            let content = store.get_bytes(&key, 1 << 30).await?;
            let path = folder.join(&key);
            tokio::fs::create_dir_all(path.parent().context("no folder")?).await?;
            tokio::fs::write(path, content).await?;
        }
        Ok(())
    }

    /// Keys below a prefix of this test's part of the bucket.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self.store()?.list(prefix).map_ok(|meta| meta.key).try_collect().await?)
    }

    /// A job from `source/<key>` to `<name>/`; `rest` are further members of `spec`, YAML.
    pub fn job(&self, name: &str, key: &str, formats: &str, rest: &str) -> Result<TranscodeJob> {
        let input = format!("s3: {{store: s3, bucket: {}, key: {}/{key}}}", self.site.bucket, self.name);
        self.job_of(name, &input, formats, rest)
    }

    /// A job from any input. One that does not say how its tasks are cut gets many.
    pub fn job_of(&self, name: &str, input: &str, formats: &str, rest: &str) -> Result<TranscodeJob> {
        let yaml = self.manifest(name, input, formats, rest);
        let mut job: TranscodeJob = serde_saphyr::from_str(&yaml).with_context(|| yaml)?;
        // The clips are small; many pods are what most tests are about.
        let options = job.spec.options.get_or_insert_default();
        options.video.get_or_insert_default().fan_out.get_or_insert(FanOut::ChunkRendition);
        Ok(job)
    }

    /// The same as it is written.
    pub fn manifest(&self, name: &str, input: &str, formats: &str, rest: &str) -> String {
        let (endpoint, bucket, space) = (&self.site.endpoint, &self.site.bucket, &self.name);
        format!(
            "apiVersion: transcode.media/v1alpha1\nkind: TranscodeJob\nmetadata: {{name: {name}}}\nspec:\n  \
             stores: [{{name: s3, s3: {{endpoint: \"{endpoint}\"}}, credentials: {{secretRef: {{name: s3}}}}}}]\n  \
             inputs: [{{name: main, {input}}}]\n  \
             outputs: [{{name: main, s3: {{store: s3, bucket: {bucket}, prefix: {space}/{name}}}, formats: {formats}}}]\n\
             {rest}\n"
        )
    }

    /// Creates a job.
    pub async fn create(&self, job: &TranscodeJob) -> Result<()> {
        self.api().create(&PostParams::default(), job).await?;
        Ok(())
    }

    /// Changes a job's spec.
    pub async fn change(&self, name: &str, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.api::<TranscodeJob>().patch(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Watches a job until its status is as it should be.
    pub async fn until(&self, name: &str, holds: impl Fn(&TranscodeJobStatus) -> bool) -> Result<TranscodeJobStatus> {
        let status = |job: Option<&TranscodeJob>| job.and_then(|job| job.status.clone()).unwrap_or_default();
        let job = until(&self.api(), name, |job| holds(&status(job))).await?;
        Ok(status(job.as_ref()))
    }

    /// Watches a job to its end, and tells of any but the expected one.
    pub async fn ends(&self, name: &str, phase: Phase) -> Result<TranscodeJobStatus> {
        let over = |status: &TranscodeJobStatus| matches!(status.phase, Some(Phase::Succeeded | Phase::Failed));
        let status = self.until(name, over).await?;
        ensure!(status.phase == Some(phase), "{name} ended as {:?}: {:?}", status.phase, status.message);
        Ok(status)
    }

    /// Jobs of a stage, such as `encode`; a stage of a rendition too.
    pub async fn jobs(&self, stage: &str) -> Result<Vec<Job>> {
        let all = self.api::<Job>().list(&ListParams::default()).await?.items;
        let of = |job: &Job| job.labels().get("transcode.media/stage").is_some_and(|found| found.starts_with(stage));
        Ok(all.into_iter().filter(of).collect())
    }

    /// ConfigMaps of jobs.
    pub async fn files(&self) -> Result<Vec<ConfigMap>> {
        let of_jobs = ListParams::default().labels("transcode.media/job-uid");
        Ok(self.api::<ConfigMap>().list(&of_jobs).await?.items)
    }

    /// All pods.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        Ok(self.api::<Pod>().list(&ListParams::default()).await?.items)
    }

    /// Deletes a job.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.api::<TranscodeJob>().delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Deletes the namespace; a test that failed leaves it to be looked at.
    pub async fn end(self) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.site.client.clone());
        api.delete(&self.name, &DeleteParams::background()).await?;
        Ok(())
    }
}
