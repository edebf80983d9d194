//! The address of the service, as somebody can open it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What URLs of the service begin with, from this host: where it listens on all addresses, the one of the host itself.
pub(crate) fn url_of(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// The same as others open it: as `http.external_url` says, if it does.
pub(crate) fn base_url(external_url: Option<&str>, address: SocketAddr) -> String {
    external_url.map_or_else(|| url_of(address), |url| url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_all_is_opened_as_that_of_the_host() {
        for (address, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:8080", "http://[::1]:8080"),
            ("[fe80::1]:8080", "http://[fe80::1]:8080"),
        ] {
            assert_eq!(url_of(address.parse().unwrap()), url);
        }
        let address = "0.0.0.0:80".parse().unwrap();
        assert_eq!(base_url(Some("https://files.example.com/"), address), "https://files.example.com");
        assert_eq!(base_url(None, address), "http://127.0.0.1:80");
    }
}
