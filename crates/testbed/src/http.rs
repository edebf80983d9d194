//! A small HTTP client for the services that tests start: one request on one connection, its target byte for byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::Context as _;

/// What a server answered.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status, for example 200.
    pub status: u16,
    /// Names as they were sent, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// The value of the header of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Sends a request to what listens at this address, without TLS. `target` is a path with its query, passed on as it is.
pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> anyhow::Result<HttpAnswer> {
    let mut head = Vec::new();
    write!(head, "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n")?;
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n")?;
    }
    write!(head, "Content-Length: {}\r\n\r\n", body.len())?;
    let mut stream = TcpStream::connect(address).with_context(|| format!("nobody listens on {address}"))?;
    stream.write_all(&head)?;
    stream.write_all(body)?;
    read_answer(&mut BufReader::new(stream), method)
}

fn read_answer(stream: &mut BufReader<TcpStream>, method: &str) -> anyhow::Result<HttpAnswer> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut answer = HttpAnswer {
        status: status.with_context(|| format!("no HTTP answer: {line:?}"))?,
        headers: Vec::new(),
        body: Vec::new(),
    };
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        answer.headers.push((name.to_owned(), value.trim().to_owned()));
    }
    if method == "HEAD" {
        return Ok(answer);
    }
    if answer.header("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        answer.body = read_chunks(stream)?;
    } else {
        stream.read_to_end(&mut answer.body)?;
    }
    Ok(answer)
}

fn read_chunks(stream: &mut BufReader<TcpStream>) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).with_context(|| format!("no chunk: {line:?}"))?;
        let read = stream.take(size).read_to_end(&mut body)?;
        if size == 0 || u64::try_from(read)? < size {
            return Ok(body);
        }
        stream.read_line(&mut line)?;
    }
}
