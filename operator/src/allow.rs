//! What a job may ask for: the site's lists and ceilings. They bind when a job is first seen; one that was admitted
//! keeps what it has.

use clap::{Args, ValueEnum};
use transcode_api::{AllowedNetwork, PodSettings, Scheduling, TolerationOperator};
use transcode_engine::ResolvedSpec;

use crate::pod;

/// Lists of names and ceilings. A pattern is a name with at most one `*`, such as `media-*`.
#[derive(Debug, Clone, Args)]
pub struct Allow {
    /// Another ServiceAccount that a job may name; may be given several times.
    #[arg(
        long = "allow-service-account",
        value_name = "NAME",
        env = "TRANSCODE_ALLOW_SERVICE_ACCOUNTS",
        value_delimiter = ','
    )]
    pub service_accounts: Vec<String>,
    /// Secret that stores may name; may be given several times. `*` is any of the job's namespace.
    #[arg(
        long = "allow-secret",
        value_name = "PATTERN",
        env = "TRANSCODE_ALLOW_SECRETS",
        value_delimiter = ',',
        default_value = "transcode-*"
    )]
    pub secrets: Vec<String>,
    /// Private network or host that URLs and S3 endpoints of jobs may lead to, such as 10.96.0.0/16:9000 or
    /// minio.storage.svc:9000; may be given several times. Without a port, 80 and 443 are open; `:*` opens all.
    #[arg(long = "allow-network", value_name = "NETWORK", env = "TRANSCODE_ALLOW_NETWORKS", value_delimiter = ',')]
    pub networks: Vec<AllowedNetwork>,
    /// PriorityClass that a job may name; may be given several times.
    #[arg(
        long = "allow-priority-class",
        value_name = "PATTERN",
        env = "TRANSCODE_ALLOW_PRIORITY_CLASSES",
        value_delimiter = ','
    )]
    pub priority_classes: Vec<String>,
    /// Key of taints that a job may tolerate; may be given several times.
    #[arg(
        long = "allow-toleration",
        value_name = "PATTERN",
        env = "TRANSCODE_ALLOW_TOLERATIONS",
        value_delimiter = ','
    )]
    pub tolerations: Vec<String>,
    /// Label of nodes that a job may select by; may be given several times.
    #[arg(
        long = "allow-node-selector",
        value_name = "PATTERN",
        env = "TRANSCODE_ALLOW_NODE_SELECTORS",
        value_delimiter = ','
    )]
    pub node_selectors: Vec<String>,
    /// Tasks at a time that a job may ask for. Default: any number.
    #[arg(long = "allow-parallel", value_name = "TASKS", env = "TRANSCODE_ALLOW_PARALLEL")]
    pub parallel: Option<u32>,
    /// CPU that a job may ask for a pod, such as 8 or 500m. Default: any.
    #[arg(long = "allow-cpu", value_name = "AMOUNT", env = "TRANSCODE_ALLOW_CPU", value_parser = millicores)]
    pub cpu: Option<u64>,
    /// Memory that a job may ask for a pod, such as 16Gi. Default: any.
    #[arg(long = "allow-memory", value_name = "AMOUNT", env = "TRANSCODE_ALLOW_MEMORY", value_parser = mebibytes)]
    pub memory: Option<u64>,
    /// What becomes of a job that asks for a priority, nodes or resources that are not allowed. The priorities of
    /// Kubernetes itself and the taints of its control plane are refused in any case, unless they are listed.
    #[arg(long = "not-allowed", value_enum, env = "TRANSCODE_NOT_ALLOWED", default_value_t = NotAllowed::Warn)]
    pub otherwise: NotAllowed,
}

/// What becomes of a job that asks for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum NotAllowed {
    /// An Event tells.
    Warn,
    /// It never runs.
    Refuse,
}

/// What is wrong with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// CamelCase.
    pub reason: &'static str,
    /// What is not allowed, and which value of the chart would allow it.
    pub message: String,
    /// Whether the job can never run.
    pub refuses: bool,
}

/// Priorities that Kubernetes keeps for itself begin so
/// (<https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/#priorityclass>).
const SYSTEM_PRIORITY: &str = "system-";
/// Taints of nodes that are no workers begin so
/// (<https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane-taint>).
const NODE_ROLE: &str = "node-role.kubernetes.io/";

impl Allow {
    /// The first name that a job may not use.
    pub fn names(&self, spec: &ResolvedSpec, default_account: &str) -> Option<Objection> {
        let refused = |reason, message| Some(Objection { reason, message, refuses: true });
        if let Some(account) = &spec.scheduling.service_account_name
            && account != default_account
            && !self.service_accounts.contains(account)
        {
            let words = format!(
                "spec.scheduling.serviceAccountName: the operator does not allow `{account}`; allow.serviceAccounts of the chart can"
            );
            return refused("ServiceAccountNotAllowed", words);
        }
        let secret = pod::secrets(spec).into_iter().find(|name| !listed(&self.secrets, name))?;
        let words = format!(
            "spec.stores: the operator does not allow the Secret `{secret}`; allow.secrets of the chart can, and has {}",
            list(&self.secrets)
        );
        refused("SecretNotAllowed", words)
    }

    /// The first thing that one layer of a job asks of the scheduler and may not: its own spec, or a profile of its
    /// namespace. What the site itself says, in its defaults and in ClusterTranscodeProfiles, is not asked.
    pub fn scheduling(&self, asked: &Scheduling) -> Option<Objection> {
        let parallel = asked.max_parallel.filter(|asked| self.parallel.is_some_and(|most| *asked > most));
        let parallel = parallel.map(|asked| {
            let most = self.parallel.unwrap_or(asked);
            self.objects("maxParallel", &format!("{asked} is more than {most}"), "maxParallel", false)
        });
        let pods = [("encode", &asked.encode), ("light", &asked.light)];
        parallel.or_else(|| pods.into_iter().find_map(|(kind, settings)| self.pod(kind, settings.as_ref()?)))
    }

    fn pod(&self, kind: &str, asked: &PodSettings) -> Option<Objection> {
        let objects = |field: &str, why: &str, value: &str, always| {
            Some(self.objects(&format!("{kind}.{field}"), why, value, always))
        };
        if let Some(class) = asked.priority_class_name.as_ref().filter(|class| !listed(&self.priority_classes, class)) {
            let why = format!("`{class}` is not allowed");
            return objects("priorityClassName", &why, "priorityClasses", class.starts_with(SYSTEM_PRIORITY));
        }
        for asked in asked.tolerations.iter().flatten() {
            let key = asked.key.clone().unwrap_or_default();
            if listed(&self.tolerations, &key) {
                continue;
            }
            let all = key.is_empty() && asked.operator == Some(TolerationOperator::Exists);
            let why = if all { "every taint is not allowed".into() } else { format!("`{key}` is not allowed") };
            return objects("tolerations", &why, "tolerations", all || key.starts_with(NODE_ROLE));
        }
        let mut labels = asked.node_selector.iter().flatten().map(|(label, _)| label);
        if let Some(label) = labels.find(|label| !listed(&self.node_selectors, label)) {
            return objects("nodeSelector", &format!("`{label}` is not allowed"), "nodeSelectors", false);
        }
        let resources = asked.resources.clone().unwrap_or_default();
        let most = |text: Option<String>, read: fn(&str) -> Result<u64, String>, most: Option<u64>| {
            text.filter(|text| read(text).is_ok_and(|asked| most.is_some_and(|most| asked > most)))
        };
        let cpu = most(resources.cpu, millicores, self.cpu).or(most(resources.cpu_limit, millicores, self.cpu));
        if let Some(cpu) = cpu {
            return objects("resources", &format!("{cpu} of CPU is too much"), "cpu", false);
        }
        let memory = most(resources.memory, mebibytes, self.memory)?;
        objects("resources", &format!("{memory} of memory is too much"), "memory", false)
    }

    fn objects(&self, field: &str, why: &str, value: &str, always: bool) -> Objection {
        let message = format!("spec.scheduling.{field}: {why}; allow.{value} of the chart can allow it");
        Objection { reason: "SchedulingNotAllowed", message, refuses: always || self.otherwise == NotAllowed::Refuse }
    }
}

fn list(patterns: &[String]) -> String {
    if patterns.is_empty() { "none".into() } else { patterns.join(", ") }
}

fn listed(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// Whether a name fits a pattern such as `media-*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail),
    }
}

/// An amount of CPU as Kubernetes writes it: `2`, `1.5`, `500m`.
fn millicores(text: &str) -> Result<u64, String> {
    let number = match text.strip_suffix('m') {
        Some(milli) => milli.parse::<u64>().ok(),
        None => text
            .parse::<f64>()
            .ok()
            .filter(|cores| (0.0..1e6).contains(cores))
            .map(|cores| (cores * 1000.0).round() as u64),
    };
    number.ok_or_else(|| "it is an amount of CPU such as 2 or 500m".into())
}

/// An amount of memory as jobs write it: `512Mi`, `4Gi`, `1Ti`.
fn mebibytes(text: &str) -> Result<u64, String> {
    let units = [("Mi", 0), ("Gi", 10), ("Ti", 20)];
    let number = units.into_iter().find_map(|(unit, shift)| {
        text.strip_suffix(unit)?.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift))
    });
    number.ok_or_else(|| "it is an amount of memory such as 512Mi or 16Gi".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        allow: Allow,
    }

    fn objection(flags: &[&str], scheduling: Value) -> Option<(String, bool)> {
        let allow = Flags::try_parse_from(["operator"].iter().chain(flags)).unwrap().allow;
        allow.scheduling(&serde_json::from_value(scheduling).unwrap()).map(|o| (o.message, o.refuses))
    }

    #[test]
    fn patterns_have_one_star() {
        assert!(matches("media-*", "media-eu") && matches("*", "any") && matches("s3", "s3"));
        assert!(!matches("media-*", "other") && !matches("s3", "s3-admin") && !matches("a*a", "a"));
    }

    #[test]
    fn the_control_plane_is_nobodys() {
        let class = |name: &str| json!({"encode": {"priorityClassName": name}});
        let (words, refuses) = objection(&[], class("system-node-critical")).unwrap();
        let expected = "spec.scheduling.encode.priorityClassName: `system-node-critical` is not allowed; allow.priorityClasses of the chart can allow it";
        assert_eq!((&*words, refuses), (expected, true));
        assert_eq!(objection(&["--allow-priority-class=system-*"], class("system-node-critical")), None);
        for taint in [
            json!({"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}),
            json!({"operator": "Exists"}),
        ] {
            let asked = json!({"light": {"tolerations": [taint]}});
            assert!(objection(&["--allow-toleration=video"], asked.clone()).unwrap().1, "{asked}");
        }
    }

    #[test]
    fn what_is_not_listed_is_told_and_can_be_refused() {
        let asked = [
            json!({"encode": {"priorityClassName": "high"}}),
            json!({"encode": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}}),
            json!({"light": {"nodeSelector": {"pool": "video"}}}),
            json!({"maxParallel": 101}),
            json!({"encode": {"resources": {"cpu": "8.001"}}}),
            json!({"encode": {"resources": {"cpuLimit": "8001m"}}}),
            json!({"encode": {"resources": {"memory": "17Gi"}}}),
        ];
        let ceilings = ["--allow-parallel=100", "--allow-cpu=8", "--allow-memory=16Gi"];
        let lists = ["--allow-priority-class=high", "--allow-toleration=gpu", "--allow-node-selector=p*"];
        for asked in asked {
            assert!(!objection(&ceilings, asked.clone()).unwrap().1, "{asked}");
            let strict = ceilings.iter().chain(&["--not-allowed=Refuse"]).copied().collect::<Vec<_>>();
            assert!(objection(&strict, asked.clone()).unwrap().1, "{asked}");
            assert_eq!(objection(&lists, asked.clone()), None, "{asked}");
        }
        let within = json!({"maxParallel": 100, "encode": {"resources": {"cpu": "8", "memory": "16Gi"}}});
        assert_eq!(objection(&ceilings, within), None);
    }
}
