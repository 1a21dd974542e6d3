//! What addresses a user may make this process connect to.
//!
//! The check sits where names become addresses, so the address that is connected to is the one
//! that was checked; a name that answers differently a second time gains nothing.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use transcode_api::{
    AllowedNetwork,
    network::{Place, Ports},
};
use url::{Host, Url};

use crate::error::{Result, StoreError};

/// What may be connected to, beyond public addresses on the usual ports.
///
/// Addresses of metadata services and link-local ones are refused whatever is allowed here.
#[derive(Debug, Clone)]
pub struct GuardPolicy {
    /// What is allowed although it isn't public, or has another port.
    pub allow: Vec<AllowedNetwork>,
    /// Ports that HTTP sources may use everywhere; empty allows any.
    pub ports: Vec<u16>,
    /// Whether `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are followed. The proxy then resolves names, and has
    /// to refuse what must not be reached; literal addresses, ports, the proxy's own name and what `NO_PROXY`
    /// exempts are checked here all the same.
    pub environment_proxy: bool,
}

impl Default for GuardPolicy {
    /// Public addresses, and the ports 80, 443, 8080 and 8443.
    fn default() -> Self {
        Self { allow: Vec::new(), ports: vec![80, 443, 8080, 8443], environment_proxy: false }
    }
}

impl GuardPolicy {
    /// Any address but those of metadata services, and any port: for a person's own machine, who
    /// can connect anywhere already.
    pub fn trusting() -> Self {
        let all = [Ipv4Net::default().into(), Ipv6Net::default().into()];
        let all = all.map(|network| AllowedNetwork { place: Place::Network(network), ports: Ports::All });
        Self { allow: all.into(), ports: Vec::new(), ..Self::default() }
    }

    /// The same for connections to one port of a URL.
    pub(crate) fn at(&self, url: &Url) -> PortPolicy {
        PortPolicy { policy: self.clone(), port: url.port_or_known_default().unwrap_or_default() }
    }

    /// The same for an endpoint of a store, which may have any port where it is public.
    pub(crate) fn at_endpoint(&self, url: &Url) -> PortPolicy {
        GuardPolicy { ports: Vec::new(), ..self.clone() }.at(url)
    }
}

/// What may be connected to on one port.
#[derive(Debug, Clone)]
pub(crate) struct PortPolicy {
    policy: GuardPolicy,
    pub(crate) port: u16,
}

impl PortPolicy {
    /// Refuses a URL by its scheme, credentials or literal address. Names are checked when they are resolved.
    pub(crate) fn check_url(&self, url: &Url) -> Result<()> {
        let refuse = |why: &dyn fmt::Display| Err(StoreError::refused(redact(url), why));
        if !matches!(url.scheme(), "http" | "https") {
            return refuse(&format!("the scheme `{}` is not allowed", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse(&"a URL may not hold credentials");
        }
        let literal = match url.host() {
            None => return refuse(&"it names no host"),
            // Nothing that is allowed has this port: no need to ask for the name's addresses.
            Some(Host::Domain(_)) if !self.is_usual() && self.policy.allow.is_empty() => {
                return refuse(&format!("port {} is not allowed; an administrator can allow it", self.port));
            }
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        };
        self.check(literal, None).or_else(|why| refuse(&why))
    }

    /// Refuses an address, with the reason.
    fn check(&self, ip: IpAddr, host: Option<&str>) -> Result<(), Forbidden> {
        let (seen, port) = (embedded(ip).unwrap_or(ip), self.port);
        if let Some(kind) = never(seen) {
            return Err(Forbidden { ip, kind, port: None });
        }
        let opens = |open: &AllowedNetwork| open.opens(seen, host, port) || open.opens(ip, host, port);
        if self.policy.allow.iter().any(opens) {
            return Ok(());
        }
        match not_public(seen) {
            Some(kind) => Err(Forbidden { ip, kind, port: Some(port) }),
            None if !self.is_usual() => Err(Forbidden { ip, kind: "not allowed on that port", port: Some(port) }),
            None => Ok(()),
        }
    }

    /// Whether the port may be used everywhere.
    fn is_usual(&self) -> bool {
        self.policy.ports.is_empty() || self.policy.ports.contains(&self.port)
    }
}

/// An address that may not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{ip} is {kind}{}", advice(*.ip, *.port))]
pub struct Forbidden {
    ip: IpAddr,
    kind: &'static str,
    /// The port that could be allowed, if any can.
    port: Option<u16>,
}

fn advice(ip: IpAddr, port: Option<u16>) -> String {
    let Some(port) = port else { return String::new() };
    format!("; an administrator can allow {}", SocketAddr::new(ip, port))
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64, 6to4.
fn embedded(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = ip else { return None };
    let s = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let inner = match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => v4(high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => return None,
    };
    Some(IpAddr::V4(inner))
}

/// Addresses that no policy allows.
fn never(ip: IpAddr) -> Option<&'static str> {
    const METADATA: &str = "the address of a cloud's metadata service";
    match ip {
        IpAddr::V4(v4) => match v4.octets() {
            [169, 254, ..] => Some("link-local, where metadata services are"),
            // Alibaba; Oracle; Azure's host agent.
            [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => Some(METADATA),
            [0, ..] => Some("unspecified"),
            [255, 255, 255, 255] => Some("a broadcast address"),
            [224..=239, ..] => Some("a multicast address"),
            _ => None,
        },
        IpAddr::V6(v6) => match v6.segments() {
            [0xfd00, 0xec2, ..] => Some(METADATA),                  // Amazon
            [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Some(METADATA), // Google
            [first, ..] if first & 0xffc0 == 0xfe80 => Some("link-local"),
            [first, ..] if first & 0xff00 == 0xff00 => Some("a multicast address"),
            _ if v6.is_unspecified() => Some("unspecified"),
            _ => None,
        },
    }
}

/// Why an address isn't reachable for everyone; see IANA's registries of special-purpose addresses.
fn not_public(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(v4) => match v4.octets() {
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("a private address"),
            [127, ..] => Some("a loopback address"),
            [100, 64..=127, ..] => Some("shared address space (carrier-grade NAT)"),
            [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [240..=255, ..] => Some("reserved"),
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("for documentation"),
            _ => None,
        },
        IpAddr::V6(v6) => match v6.segments() {
            _ if v6 == Ipv6Addr::LOCALHOST => Some("a loopback address"),
            [first, ..] if first & 0xfe00 == 0xfc00 => Some("a private address"),
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("for documentation"),
            [0x2001, 0..=0x1ff, ..] => Some("reserved (Teredo and other protocols)"),
            [first, ..] if first & 0xe000 != 0x2000 => Some("reserved"),
            _ => None,
        },
    }
}

/// A URL for messages: no credentials, no query (which may be a signature), no fragment.
pub(crate) fn redact(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    // These fail only for URLs that can't have credentials.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.into()
}

/// The guard's refusal among the causes of an error, if that is why a request failed.
pub(crate) fn refusal(error: &(dyn Error + 'static)) -> Option<Forbidden> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<Forbidden>() {
            return Some(*found);
        }
        next = cause.source();
    }
    None
}

/// Resolves names to the addresses that the policy allows.
#[derive(Debug, Clone)]
pub(crate) struct GuardedDns(pub(crate) PortPolicy);

impl GuardedDns {
    async fn lookup(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let found: Vec<_> = tokio::net::lookup_host((name, 0)).await?.collect();
        let checked: Vec<_> = found.into_iter().map(|a| self.0.check(a.ip(), Some(name)).map(|()| a)).collect();
        let allowed: Vec<_> = checked.iter().filter_map(|c| c.ok()).collect();
        match checked.into_iter().find_map(Result::err) {
            Some(forbidden) if allowed.is_empty() => Err(forbidden.into()),
            _ => Ok(allowed),
        }
    }
}

impl Resolve for GuardedDns {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let allowed = guard.lookup(name.as_str()).await?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

impl ResolveDns for GuardedDns {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let allowed = self.lookup(name).await.map_err(ResolveDnsError::new)?;
            Ok(allowed.into_iter().map(|a| a.ip()).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &GuardPolicy, ip: &str) -> bool {
        at(policy, 443).check(ip.parse().unwrap(), None).is_ok()
    }

    fn at(policy: &GuardPolicy, port: u16) -> PortPolicy {
        PortPolicy { policy: policy.clone(), port }
    }

    #[test]
    fn public_addresses_pass() {
        for ip in ["1.1.1.1", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"] {
            assert!(check(&GuardPolicy::default(), ip), "{ip}");
        }
    }

    #[test]
    fn others_need_permission() {
        let refused = [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "127.0.0.1",
            "100.64.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "240.0.0.1",
            "::1",
            "fc00::1",
            "fd12::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fec0::1",
            "4000::1",
            "100::1",
        ];
        for ip in refused {
            assert!(!check(&GuardPolicy::default(), ip), "{ip}");
            assert!(check(&GuardPolicy::trusting(), ip), "{ip}");
        }
        let some = GuardPolicy { allow: vec!["10.1.0.0/16".parse().unwrap()], ..GuardPolicy::default() };
        assert!(check(&some, "10.1.2.3") && check(&some, "::ffff:10.1.2.3"));
        assert!(!check(&some, "10.2.0.1"));
        let refused = at(&some, 9000).check("10.1.2.3".parse().unwrap(), None).unwrap_err();
        assert_eq!(refused.to_string(), "10.1.2.3 is a private address; an administrator can allow 10.1.2.3:9000");
    }

    #[test]
    fn metadata_never_passes() {
        let refused = [
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "100.100.100.200",
            "168.63.129.16",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ];
        for ip in refused {
            assert!(!check(&GuardPolicy::trusting(), ip), "{ip}");
        }
    }

    #[test]
    fn urls() {
        let policy = GuardPolicy::default();
        let check = |url: &str| Url::parse(url).map(|url| policy.at(&url).check_url(&url)).unwrap();
        check("https://example.com/a.mp4?X-Amz-Signature=s").unwrap();
        check("http://example.com:8080/").unwrap();
        for url in [
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://example.com:22/",
            "http://user:pw@example.com/",
            "http://127.0.0.1/",
            "http://[::1]/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://127.1/",
            "http://[::ffff:169.254.169.254]/",
        ] {
            let message = check(url).unwrap_err().to_string();
            assert!(!message.contains("pw"), "{message}");
        }
    }

    #[tokio::test]
    async fn names_are_checked_when_resolved() {
        let lookup = async |policy: GuardPolicy, port| GuardedDns(at(&policy, port)).lookup("localhost").await;
        let error = lookup(GuardPolicy::default(), 80).await.unwrap_err();
        assert!(refusal(error.as_ref()).is_some());
        assert!(!lookup(GuardPolicy::trusting(), 22).await.unwrap().is_empty());
        let named = GuardPolicy { allow: vec!["localhost:9000".parse().unwrap()], ..GuardPolicy::default() };
        assert!(lookup(named.clone(), 9000).await.is_ok() && lookup(named, 80).await.is_err());
    }
}
