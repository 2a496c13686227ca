//! The OpenClaw Gateway over HTTP: instructions as streamed chat completions, tool calls as tool invocations.
//!
//! The gateway has no deadlines of its own and ignores idempotency keys, so a request is sent once and never again:
//! no retries, no redirects, no proxies, and deadlines of ours. Its keep-alive ends after 5 s; pooled connections are
//! given up well before.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, future::BoxFuture};
use reqwest::{
    Client, Response, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use warrant::{Action, Verdict};

use self::{
    chat::{ChatStream, Step},
    sse::SseParser,
};
use super::{Answer, Gateway, GatewayRequest, Progress};

mod chat;
mod outcome;
mod prompt;
mod request;
mod sse;

const POOL_IDLE: Duration = Duration::from_secs(2);
const READY_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// What one event may hold besides the output itself: names, quotes, escapes.
const EVENT_OVERHEAD: usize = 64 * 1024;
const SESSION_KEY: &str = "x-openclaw-session-key";

/// How long to wait for what, and how much to take.
#[derive(Debug, Clone, Copy)]
pub struct GatewayLimits {
    /// For a connection.
    pub connect_timeout: Duration,
    /// Between two pieces of an answer, and for the first.
    pub idle_timeout: Duration,
    /// For the whole of an execution.
    pub execution_timeout: Duration,
    /// Of output; more than that ends the run.
    pub max_output_bytes: usize,
}

/// An OpenClaw Gateway.
#[derive(Debug)]
pub struct OpenClawGateway {
    client: Client,
    url: String,
    limits: GatewayLimits,
}

/// Why the gateway can't be talked to at all.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The URL is of no use. It isn't shown: it may hold a password.
    #[error("the gateway's URL is not an http or https URL without user name, query and fragment")]
    InvalidUrl,
    /// The token can't stand in a header.
    #[error("the gateway token contains characters that a header can't carry")]
    InvalidToken,
    /// The HTTP client could not be made.
    #[error("make the HTTP client")]
    Client(#[from] reqwest::Error),
}

// === impl OpenClawGateway ===

impl OpenClawGateway {
    /// A gateway at this URL, with its token. Nothing is sent yet.
    pub fn new(url: &str, token: &SecretString, limits: GatewayLimits) -> Result<Self, GatewayError> {
        let parsed = Url::parse(url).map_err(|_| GatewayError::InvalidUrl)?;
        let is_http = matches!(parsed.scheme(), "http" | "https");
        // A user name would be sent in place of the token.
        let names_user = !parsed.username().is_empty() || parsed.password().is_some();
        if !is_http || names_user || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(GatewayError::InvalidUrl);
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| GatewayError::InvalidToken)?;
        authorization.set_sensitive(true);
        let client = Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(limits.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .default_headers(HeaderMap::from_iter([
                (AUTHORIZATION, authorization),
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (ACCEPT, HeaderValue::from_static("text/event-stream, application/json")),
            ]))
            .build()?;
        Ok(Self {
            client,
            url: url.trim_end_matches('/').to_owned(),
            limits,
        })
    }

    async fn is_ready(&self) -> bool {
        let question = self
            .client
            .get(format!("{}/readyz", self.url))
            .timeout(READY_TIMEOUT)
            .send();
        question.await.is_ok_and(|response| response.status().is_success())
    }

    async fn carry_out(&self, request: &GatewayRequest, progress: &mut dyn Progress) -> Answer {
        let sending = self
            .client
            .post(format!("{}{}", self.url, request.path))
            .header(SESSION_KEY, &request.session_key)
            .body(request.body.clone())
            .send();
        let response = match timeout(self.limits.idle_timeout, sending).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => return outcome::not_connected(),
            Ok(Err(error)) => {
                tracing::debug!(error = %error.without_url(), "the gateway did not answer");
                return Answer::unknown("the connection to the gateway broke before it answered");
            }
            Err(_) => return Answer::unknown(self.silence("before it answered")),
        };
        if request.path == request::TOOL_PATH {
            return self.read_tool(response, progress).await;
        }
        match response.status().as_u16() {
            200 if is_event_stream(&response) => self.read_chat(response, progress).await,
            200 => Answer::unknown("the gateway's answer is not a stream of events"),
            status => match self.read_body(response, MAX_ERROR_BYTES).await {
                Ok(body) => outcome::of_refusal(status, &body),
                // Whether the status is final stands in the body.
                Err(why) => Answer::unknown(format!("the gateway answered {status}; {why}")),
            },
        }
    }

    async fn read_chat(&self, mut response: Response, progress: &mut dyn Progress) -> Answer {
        let max_output = self.limits.max_output_bytes;
        let mut parser = SseParser::new(max_output.saturating_add(EVENT_OVERHEAD));
        let mut stream = ChatStream::default();
        loop {
            let bytes = match self.next_piece(&mut response).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return stream.broken("the gateway's stream ended without `[DONE]`"),
                Err(why) => return stream.broken(&why),
            };
            let events = match parser.push(&bytes) {
                Ok(events) => events,
                Err(error) => return stream.broken(&error.to_string()),
            };
            for event in events {
                match stream.event(&event, max_output, progress) {
                    Step::Continue => {}
                    Step::Done => return stream.done(),
                    Step::Stop(why) => return stream.broken(&why),
                }
            }
        }
    }

    async fn read_tool(&self, response: Response, progress: &mut dyn Progress) -> Answer {
        let status = response.status().as_u16();
        match self.read_body(response, self.limits.max_output_bytes).await {
            Ok(body) => {
                let (answer, result) = outcome::of_tool_answer(status, &body);
                if let Some(result) = result {
                    progress.output(result);
                }
                answer
            }
            // Whether the status is final stands in the body.
            Err(why) => Answer::unknown(format!("the gateway answered {status}; {why}")),
        }
    }

    async fn read_body(&self, mut response: Response, max_bytes: usize) -> Result<Bytes, String> {
        let mut body = BytesMut::new();
        while let Some(bytes) = self.next_piece(&mut response).await? {
            if body.len().saturating_add(bytes.len()) > max_bytes {
                return Err(format!("the gateway's answer is longer than {max_bytes} bytes"));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body.freeze())
    }

    async fn next_piece(&self, response: &mut Response) -> Result<Option<Bytes>, String> {
        match timeout(self.limits.idle_timeout, response.chunk()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(_)) => Err("the connection to the gateway broke in the middle of its answer".to_owned()),
            Err(_) => Err(self.silence("in the middle of its answer")),
        }
    }

    fn silence(&self, when: &str) -> String {
        format!(
            "the gateway was silent for {} {when}",
            humantime::format_duration(self.limits.idle_timeout)
        )
    }
}

impl Gateway for OpenClawGateway {
    fn prepare(&self, action: &Action, verdict: &Verdict) -> GatewayRequest {
        request::prepare(action, verdict)
    }

    fn ready(&self) -> BoxFuture<'_, bool> {
        self.is_ready().boxed()
    }

    fn send<'a>(&'a self, request: &'a GatewayRequest, progress: &'a mut dyn Progress) -> BoxFuture<'a, Answer> {
        let limit = self.limits.execution_timeout;
        async move {
            timeout(limit, self.carry_out(request, progress))
                .await
                .unwrap_or_else(|_| {
                    Answer::unknown(format!("not finished after {}", humantime::format_duration(limit)))
                })
        }
        .boxed()
    }
}

fn is_event_stream(response: &Response) -> bool {
    let media_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.starts_with("text/event-stream"))
}

#[cfg(test)]
mod tests;
