//! Who a request is taken to come from.

use actix_web::test::TestRequest;

use super::*;

/// The client of a request from this peer with these headers, behind proxies in `10.0.0.0/8` and `2001:db8:1::/48`.
fn client(peer: &str, headers: &[(&'static str, &str)]) -> Client {
    let mut request = TestRequest::get().peer_addr(peer.parse().unwrap());
    for (name, value) in headers {
        request = request.append_header((*name, *value));
    }
    let trusted = ["10.0.0.0/8", "2001:db8:1::/48"].map(|text| text.parse().unwrap());
    Client::of(request.to_http_request().head(), &trusted)
}

/// The same of a trusted peer: the address, and what was asked for.
fn reported(headers: &[(&'static str, &str)]) -> (String, Option<&'static str>, Option<String>) {
    let client = client("10.0.0.1:1000", headers);
    assert!(!client.has_ignored_headers, "{headers:?}");
    (client.address.to_string(), client.scheme, client.host)
}

fn address(headers: &[(&'static str, &str)]) -> String {
    reported(headers).0
}

const FORWARDED: &str = "Forwarded";
const FOR: &str = "X-Forwarded-For";
const PROTO: &str = "X-Forwarded-Proto";
const HOST: &str = "X-Forwarded-Host";

#[test]
fn networks_are_addresses_or_in_cidr_notation() {
    for text in ["10.0.0.1", "10.0.0.0/8", "10.1.2.3/8", "::1", "2001:db8::/32", "0.0.0.0/0"] {
        assert!(text.parse::<Network>().is_ok(), "{text}");
    }
    assert_eq!("10.0.0.1".parse::<Network>().unwrap().to_string(), "10.0.0.1/32");
    for text in ["", "proxy.test", "10.0.0.0/33", "10.0.0", "::1/129", "10.0.0.1:80"] {
        assert_eq!(text.parse::<Network>(), Err(NotANetwork(text.to_owned())), "{text}");
    }
}

#[test]
fn nobody_else_is_believed() {
    for (name, value) in [(FORWARDED, "for=192.0.2.9"), (FOR, "192.0.2.9"), (PROTO, "https"), (HOST, "x")] {
        for peer in ["192.0.2.1:1000", "[2001:db8:2::1]:1000", "[::ffff:192.0.2.1]:1000"] {
            let found = client(peer, &[(name, value)]);
            let own = peer.parse::<std::net::SocketAddr>().unwrap().ip().to_canonical();
            let expected = Client { address: own, scheme: None, host: None, has_ignored_headers: true };
            assert_eq!(found, expected, "{name}");
        }
    }
    assert!(!client("192.0.2.1:1000", &[("Host", "x")]).has_ignored_headers);
}

#[test]
fn nodes_have_several_forms() {
    let rows = [
        ("192.0.2.9", "192.0.2.9"),
        ("192.0.2.9:4711", "192.0.2.9"),
        ("192.0.2.9:_port", "192.0.2.9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        ("2001:db8::9", "2001:db8::9"),
        ("[::ffff:192.0.2.9]", "192.0.2.9"),
        // Not an address: the proxy is the last that is known.
        ("unknown", "10.0.0.1"),
        ("_hidden", "10.0.0.1"),
        ("[2001:db8::9", "10.0.0.1"),
        ("999.0.2.9", "10.0.0.1"),
    ];
    for (node, expected) in rows {
        assert_eq!(address(&[(FOR, node)]), expected, "{node}");
        for element in [format!("for=\"{node}\""), format!("proto=http; FOR = \"{node}\" ;by=_x")] {
            assert_eq!(address(&[(FORWARDED, element.as_str())]), expected, "{element}");
        }
    }
    assert_eq!(address(&[(FORWARDED, "for=192.0.2.9;proto=https")]), "192.0.2.9");
    assert_eq!(address(&[(FORWARDED, r#"ext="a,b;for=192.0.2.1\"";for="192.0\.2.9""#)]), "192.0.2.9");
    for broken in ["", ",", ";", "for", "for=", "for=\"192.0.2.9", "=192.0.2.9", "\"for=192.0.2.9"] {
        assert_eq!(address(&[(FORWARDED, broken)]), "10.0.0.1", "{broken}");
    }
}

#[test]
fn the_last_hop_that_is_not_trusted_is_the_client() {
    let rows = [
        ("192.0.2.8, 192.0.2.9", "192.0.2.9"),
        ("192.0.2.8,192.0.2.9,10.1.1.1, 2001:db8:1::1", "192.0.2.9"),
        // What stands left of it, a client may have written itself.
        ("10.9.9.9, 192.0.2.9, 10.1.1.1", "192.0.2.9"),
        ("192.0.2.8, unknown, 10.1.1.1", "10.1.1.1"),
        ("192.0.2.8, , 10.1.1.1", "192.0.2.8"),
        ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
    ];
    for (list, expected) in rows {
        assert_eq!(address(&[(FOR, list)]), expected, "{list}");
        let elements = list.split(',').map(str::trim).filter(|node| !node.is_empty());
        let elements: Vec<_> = elements.map(|node| format!("for=\"[{node}]\"")).collect();
        assert_eq!(address(&[(FORWARDED, elements.join(", ").as_str())]), expected, "{list}");
    }
    assert_eq!(address(&[(FOR, "192.0.2.8"), (FOR, "192.0.2.9"), (FOR, "10.1.1.1")]), "192.0.2.9");
}

#[test]
fn of_two_headers_that_disagree_neither_is_believed() {
    let agreed = reported(&[(FORWARDED, "for=192.0.2.9;proto=https"), (FOR, "192.0.2.9"), (HOST, "x")]);
    assert_eq!(agreed, ("192.0.2.9".to_owned(), Some("https"), Some("x".to_owned())));
    let spoofed = reported(&[(FORWARDED, "for=192.0.2.8;host=evil"), (FOR, "192.0.2.9"), (PROTO, "https")]);
    assert_eq!(spoofed, ("10.0.0.1".to_owned(), None, None));
    assert_eq!(address(&[(FORWARDED, "for=192.0.2.9"), (PROTO, "https")]), "192.0.2.9");
}

#[test]
fn scheme_and_host_are_those_of_the_outermost_proxy() {
    let one =
        reported(&[(FORWARDED, "host=evil, for=192.0.2.9;proto=HTTPS;host=\"a.test:81\", for=10.1.1.1")]);
    assert_eq!(one, ("192.0.2.9".to_owned(), Some("https"), Some("a.test:81".to_owned())));
    let lists =
        [(FOR, "192.0.2.8, 192.0.2.9, 10.1.1.1"), (PROTO, "ftp, https, http"), (HOST, "x, a.test, b")];
    assert_eq!(reported(&lists), ("192.0.2.9".to_owned(), Some("https"), Some("a.test".to_owned())));
    let singles = [(FOR, "192.0.2.9, 10.1.1.1"), (PROTO, "https"), (HOST, "a.test")];
    assert_eq!(reported(&singles), ("192.0.2.9".to_owned(), Some("https"), Some("a.test".to_owned())));
    let only = reported(&[(PROTO, "https"), (HOST, "a.test")]);
    assert_eq!(only, ("10.0.0.1".to_owned(), Some("https"), Some("a.test".to_owned())));
    let unfit = reported(&[(PROTO, "javascript"), (HOST, "a>b\"")]);
    assert_eq!(unfit, ("10.0.0.1".to_owned(), None, None));
}

#[test]
fn a_host_that_no_url_can_have_is_not_told() {
    for host in ["münchen.test", "a b", "a/b", "a@b"] {
        assert_eq!(reported(&[(HOST, host)]).2, None, "{host}");
    }
}
