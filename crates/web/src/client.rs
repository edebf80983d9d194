//! The client of a request: its address, and the scheme and host that it asked for. Behind a proxy these are what the
//! proxy says, if it is one that is trusted.

mod forwarded;

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use actix_web::dev::RequestHead;
use actix_web::http::header::X_FORWARDED_FOR;
use ipnet::IpNet;

use forwarded::Hop;

pub use forwarded::is_host;

/// The addresses of one or several proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// A text that is neither an IP address nor a network in CIDR notation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an IP address nor a network such as 10.0.0.0/8")]
pub struct NotANetwork(String);

impl FromStr for Network {
    type Err = NotANetwork;

    /// From an IPv4 or IPv6 address, or a network in CIDR notation.
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        address.or_else(|_| text.parse()).map(Self).map_err(|_| NotANetwork(text.to_owned()))
    }
}

impl Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Who sent a request, and what it asked for, as far as proxies say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The client's address: of the addresses that the request passed, the last that is no trusted proxy's.
    pub address: IpAddr,
    /// `http` or `https`, if a trusted proxy says which.
    pub scheme: Option<&'static str>,
    /// The host, if a trusted proxy says which.
    pub host: Option<String>,
    /// Whether there are headers of a proxy that is not trusted.
    pub has_ignored_headers: bool,
}

impl Client {
    /// The client of a request, where the proxies with these addresses are believed and no others.
    ///
    /// A proxy may pass on, as the client sent it, whichever of `Forwarded` and `X-Forwarded-For` it does not write
    /// itself. Where both are there and name different clients, neither is believed and the proxy counts as the client.
    pub fn of(head: &RequestHead, trusted: &[Network]) -> Self {
        let peer = head.peer_addr.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        let mut client = Self { address: peer, scheme: None, host: None, has_ignored_headers: false };
        if !is_trusted(peer, trusted) {
            client.has_ignored_headers = forwarded::is_in(head.headers());
            return client;
        }
        let (x_hops, hops) = (forwarded::x_forwarded(head.headers()), forwarded::standard(head.headers()));
        let x_origin = origin(peer, &x_hops, trusted);
        let standard = origin(peer, &hops, trusted);
        let has_both = head.headers().contains_key(X_FORWARDED_FOR) && !hops.is_empty();
        if has_both && x_origin.address != standard.address {
            return client;
        }
        let address = if hops.is_empty() { x_origin.address } else { standard.address };
        let scheme = x_origin.hop.and_then(|hop| hop.scheme);
        let host = x_origin.hop.and_then(|hop| hop.host.clone());
        client.address = address;
        client.scheme = scheme.or_else(|| standard.hop?.scheme);
        client.host = host.or_else(|| standard.hop?.host.clone());
        client
    }
}

/// Where a request came from.
struct Origin<'a> {
    address: IpAddr,
    /// What the outermost trusted proxy says of the request it got.
    hop: Option<&'a Hop>,
}

/// The origin of a request that passed these hops, the nearest last. Each hop is what the next one says, so that the
/// first from the right that is not trusted, or has no address, is the last that can be believed.
fn origin<'a>(peer: IpAddr, hops: &'a [Hop], trusted: &[Network]) -> Origin<'a> {
    let mut origin = Origin { address: peer, hop: None };
    for hop in hops.iter().rev() {
        origin.hop = Some(hop);
        let Some(address) = hop.address else { break };
        origin.address = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    origin
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.0.contains(&address))
}

#[cfg(test)]
mod tests;
