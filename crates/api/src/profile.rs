//! Profiles: options that many jobs share. Same fields as a job, without inputs and outputs.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    job::{ProcessingOptions, Retry, WorkData},
    scheduling::Scheduling,
    storage::StoreSpec,
};

/// Refers to a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileRef {
    /// Which kind of profile.
    pub kind: ProfileKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("title" = "a DNS name: lower-case letters, digits, `-` and `.`"))]
    pub name: String,
}

/// The two kinds of profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ProfileKind {
    /// One of the job's namespace.
    TranscodeProfile,
    /// One of the cluster.
    ClusterTranscodeProfile,
}

macro_rules! profile_fields {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// Object stores; merged by name, each entry whole.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
            pub stores: Option<Vec<StoreSpec>>,
            /// What is done to the media.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub options: Option<ProcessingOptions>,
            /// Where and how wide it runs.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub scheduling: Option<Scheduling>,
            /// How often and how fast failed tasks are tried again.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub retry: Option<Retry>,
            /// What becomes of intermediate data.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub work_data: Option<WorkData>,
        }
    };
}

profile_fields! {
    /// Options that the jobs of one namespace share.
    #[derive(CustomResource, Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
    #[kube(
        group = "transcode.media",
        version = "v1alpha1",
        kind = "TranscodeProfile",
        plural = "transcodeprofiles",
        singular = "transcodeprofile",
        category = "transcode",
        namespaced,
        derive = "PartialEq"
    )]
    ProfileSpec
}

profile_fields! {
    /// Options that all jobs of the cluster share.
    #[derive(CustomResource, Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
    #[kube(
        group = "transcode.media",
        version = "v1alpha1",
        kind = "ClusterTranscodeProfile",
        plural = "clustertranscodeprofiles",
        singular = "clustertranscodeprofile",
        category = "transcode",
        derive = "PartialEq"
    )]
    ClusterProfileSpec
}

impl From<ClusterProfileSpec> for ProfileSpec {
    fn from(spec: ClusterProfileSpec) -> Self {
        let ClusterProfileSpec { stores, options, scheduling, retry, work_data } = spec;
        ProfileSpec { stores, options, scheduling, retry, work_data }
    }
}
