//! Private networks and hosts that a site allows jobs to connect to.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

/// Ports that are allowed when none is given: HTTP and HTTPS.
const USUAL: [u16; 2] = [80, 443];

/// A private network or host that jobs may connect to: `10.96.0.0/16`, `10.96.0.0/16:9000`, `[fd00::/8]:9000`,
/// `minio.storage.svc:9000`. Without a port, 80 and 443 are allowed; `:*` allows every port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedNetwork {
    /// The destination.
    pub place: Place,
    /// Its ports.
    pub ports: Ports,
}

/// The destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Addresses.
    Network(IpNet),
    /// A host name, in lower case; its addresses don't matter.
    Host(String),
}

/// Which ports are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// 80 and 443.
    Usual,
    /// One.
    One(u16),
    /// All.
    All,
}

/// The text is not an allowed network in any form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a network, such as 10.96.0.0/16:9000, nor a host, such as minio.storage.svc:9000")]
pub struct NotANetwork(String);

impl AllowedNetwork {
    /// Whether a connection to an address, by the name of a host if it had one, and to a port is allowed.
    pub fn opens(&self, ip: IpAddr, host: Option<&str>, port: u16) -> bool {
        let port = match self.ports {
            Ports::Usual => USUAL.contains(&port),
            Ports::One(open) => open == port,
            Ports::All => true,
        };
        port && match &self.place {
            Place::Network(network) => network.contains(&ip),
            Place::Host(name) => host.is_some_and(|host| host.trim_end_matches('.').eq_ignore_ascii_case(name)),
        }
    }
}

impl FromStr for AllowedNetwork {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.into());
        // An IPv6 network has colons of its own: it is in brackets when a port follows.
        let (place, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((place, "")) => (place, None),
            Some((place, port)) => (place, Some(port.strip_prefix(':').ok_or_else(wrong)?)),
            None if text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok() => (text, None),
            None => text.rsplit_once(':').map_or((text, None), |(place, port)| (place, Some(port))),
        };
        let ports = match port {
            None => Ports::Usual,
            Some("*") => Ports::All,
            Some(port) => Ports::One(port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?),
        };
        let network = place.parse::<IpNet>().or_else(|_| place.parse::<IpAddr>().map(IpNet::from));
        let place = match network {
            Ok(network) => Place::Network(network),
            Err(_) if is_host(place) => Place::Host(place.to_ascii_lowercase()),
            Err(_) => return Err(wrong()),
        };
        Ok(AllowedNetwork { place, ports })
    }
}

/// Whether the text is a host name (RFC 1123 2.1): its last label has a letter, so no address is one.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inside && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let labels = text.len() <= 253 && text.split('.').all(label);
    labels && text.split('.').next_back().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()))
}

impl fmt::Display for AllowedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.place {
            Place::Network(IpNet::V6(network)) if self.ports != Ports::Usual => format!("[{network}]"),
            Place::Network(network) => network.to_string(),
            Place::Host(name) => name.clone(),
        };
        match self.ports {
            Ports::Usual => write!(f, "{place}"),
            Ports::One(port) => write!(f, "{place}:{port}"),
            Ports::All => write!(f, "{place}:*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> AllowedNetwork {
        text.parse().unwrap()
    }

    #[test]
    fn forms() {
        for text in ["10.0.0.0/8", "10.96.0.90/32:9000", "fd00::/8", "[fd00::/8]:9000", "minio.storage.svc:9000", "a:*"]
        {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(read("10.96.0.90:9000").to_string(), "10.96.0.90/32:9000");
        assert_eq!(read("[::1]").to_string(), "::1/128");
        for text in
            ["", ":80", "10.0.0.0/33", "10.0.0.0/8:0", "10.0.0.0/8:65536", "a_b:80", "-a", "[fd00::/8]9000", "10.0"]
        {
            assert!(text.parse::<AllowedNetwork>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bare_network_opens_the_ports_of_the_web() {
        let opens = |text: &str, ip: &str, host, port| read(text).opens(ip.parse().unwrap(), host, port);
        assert!(opens("10.0.0.0/8", "10.1.2.3", None, 443) && opens("10.0.0.0/8", "10.1.2.3", Some("x"), 80));
        assert!(!opens("10.0.0.0/8", "10.1.2.3", None, 9000) && !opens("10.0.0.0/8", "11.1.2.3", None, 443));
        assert!(opens("10.0.0.0/8:9000", "10.1.2.3", None, 9000) && !opens("10.0.0.0/8:9000", "10.1.2.3", None, 443));
        assert!(opens("10.0.0.0/8:*", "10.1.2.3", None, 22));
        assert!(opens("Minio.svc:9000", "10.1.2.3", Some("minio.SVC."), 9000));
        assert!(
            !opens("minio.svc:9000", "10.1.2.3", None, 9000) && !opens("minio.svc:9000", "10.1.2.3", Some("m"), 9000)
        );
    }
}
