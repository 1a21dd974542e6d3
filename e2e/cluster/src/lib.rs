//! The product on a real cluster, installed and used as its users do.
//!
//! ```text
//! site.rs   the cluster and its S3 server, from the environment    wait.rs   watching until something holds
//! space.rs  a namespace of one test, its jobs, what is in them     film.rs   a job that is half done
//! *.sh      a cluster of plain binaries
//! ```
//!
//! `make e2e` brings a cluster up, installs the chart and runs the tests. With `E2E_KUBECONFIG` they
//! run on any other cluster that has the product installed; see [`site::Site`] for what else it needs.

pub mod film;
pub mod site;
pub mod space;
pub mod wait;

pub use site::Site;
pub use space::Space;
