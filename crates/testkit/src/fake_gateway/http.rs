//! As much of HTTP/1.1 as the fake gateway needs: requests in, and bytes out that a test controls to the last one.

use std::{collections::BTreeMap, io, str};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _};

const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A request as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Reads one request; `None` when the client closed the connection instead. Bytes beyond it stay in `buffer`.
pub(super) async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<Option<RecordedRequest>> {
    let head_end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if buffer.len() > MAX_HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head: Vec<u8> = buffer.drain(..head_end).collect();
    let mut request = parse_head(&head).ok_or(io::ErrorKind::InvalidData)?;
    let length = request
        .headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    request.body = buffer.drain(..length).collect();
    Ok(Some(request))
}

fn parse_head(head: &[u8]) -> Option<RecordedRequest> {
    let mut lines = str::from_utf8(head).ok()?.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(RecordedRequest {
        method,
        path,
        headers,
        body: Vec::new(),
    })
}

/// The head of a streamed answer.
pub(super) const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
    Cache-Control: no-cache\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The end of a streamed answer.
pub(super) const STREAM_END: &str = "0\r\n\r\n";

/// One chunk of a streamed answer that holds one event.
pub(super) fn event(data: &str) -> String {
    format!("{:x}\r\ndata: {data}\n\n\r\n", data.len() + 8)
}

/// An answer with its length.
pub(super) fn answer(status: u16, media_type: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Fake\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}")
}

// === impl RecordedRequest ===

impl RecordedRequest {
    /// The body as text; empty if it is none.
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap_or_default()
    }

    /// The hash by which `execution.started` names what goes out, computed from what came in.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new_with_prefix("countersign/gateway-request/v1");
        let session = self.header("x-openclaw-session-key").unwrap_or_default();
        for part in [self.path.as_bytes(), session.as_bytes(), &self.body] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        format!("sha256:{}", hex::encode(hasher.finalize()))
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}
