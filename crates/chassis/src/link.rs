//! How one part calls another: over a socket, or in the same process straight into the other part's own layers.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt as _;
use http::{HeaderMap, Uri, header::AUTHORIZATION};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::net::TcpStream;
use tonic::{Status, body::Body, transport::Channel};
use tower::{Service, ServiceExt as _};

use crate::{
    BoxError,
    auth::Credential,
    context::{REQUEST_ID_HEADER, TIMEOUT_HEADER, TRACEPARENT_HEADER},
    corked::Corked,
    layers::PartService,
    part::PartName,
};

/// Headers whose values are new with every call.
const NEW_HEADERS: [&str; 3] = [TIMEOUT_HEADER, REQUEST_ID_HEADER, TRACEPARENT_HEADER];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A way to call one part; cheap to clone. It adds this part's own credential to every call.
#[derive(Clone)]
pub struct Link {
    target: PartName,
    credential: Option<Arc<Credential>>,
    transport: Transport,
}

type Connection = TokioIo<Corked<TcpStream>>;

#[derive(Clone)]
enum Transport {
    Remote(Channel),
    Local(PartService),
}

// === impl Link ===

impl Link {
    /// A link over HTTP/2 to `url`. Connects when first used, and again when the connection was lost.
    ///
    /// A URL of another scheme than `http` is refused: parts speak no TLS, and whoever writes `https` wants no plain text.
    pub fn connect(target: PartName, url: &str, credential: Option<Arc<Credential>>) -> Result<Self, BoxError> {
        if !url.starts_with("http://") {
            return Err(
                format!("{target}: not an http:// URL; for TLS, put a proxy or a mesh between the parts").into(),
            );
        }
        let channel = tonic::transport::Endpoint::from_shared(url.to_owned())?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(connector());
        Ok(Self {
            target,
            credential,
            transport: Transport::Remote(channel),
        })
    }

    pub(crate) const fn local(target: PartName, service: PartService, credential: Option<Arc<Credential>>) -> Self {
        Self {
            target,
            credential,
            transport: Transport::Local(service),
        }
    }

    /// The part at the other end.
    pub const fn target(&self) -> PartName {
        self.target
    }

    /// Whether the part at the other end says that it is ready (`grpc.health.v1`, service `""`).
    pub async fn is_ready(&self) -> bool {
        use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        request.set_timeout(CONNECT_TIMEOUT);
        let mut client = HealthClient::new(self.clone());
        let answer = tokio::time::timeout(CONNECT_TIMEOUT, client.check(request)).await;
        matches!(answer, Ok(Ok(response)) if response.get_ref().status() == ServingStatus::Serving)
    }

    fn authorize(&self, request: &mut http::Request<Body>) -> Result<(), BoxError> {
        let Some(credential) = &self.credential else {
            return Ok(());
        };
        request
            .headers_mut()
            .insert(AUTHORIZATION, credential.authorization(self.target)?);
        Ok(())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Remote(_) => "remote",
            Transport::Local(_) => "local",
        };
        f.debug_struct("Link")
            .field("target", &self.target)
            .field("transport", &transport)
            .finish_non_exhaustive()
    }
}

impl Service<http::Request<Body>> for Link {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.transport {
            Transport::Remote(channel) => channel.poll_ready(context).map_err(Into::into),
            Transport::Local(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if let Err(error) = self.authorize(&mut request) {
            return Box::pin(async { Err(error) });
        }
        match &mut self.transport {
            Transport::Remote(channel) => {
                keep_out_of_table(request.headers_mut());
                let answer = channel.call(request);
                Box::pin(async move { Ok(answer.await?) })
            }
            Transport::Local(service) => {
                // What this part's own layers left in the request is not the other part's business.
                request.extensions_mut().clear();
                let answer = service.call(request);
                Box::pin(async move { answer.await.map_err(|never| match never {}) })
            }
        }
    }
}

/// Marks what HTTP/2 is to send without remembering it (never indexed, RFC 7541 §6.2.3): a dozen calls would fill the table
/// of headers with values that don't come again, and the tokens in it would have to be sent anew.
fn keep_out_of_table(headers: &mut HeaderMap) {
    for name in NEW_HEADERS {
        if let Some(value) = headers.get_mut(name) {
            value.set_sensitive(true);
        }
    }
}

/// The call's result, or `DEADLINE_EXCEEDED`: a part that hangs must not hold up its callers.
///
/// Not an `async fn`: that would keep room for the call, which has kilobytes, twice.
pub fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> impl Future<Output = Result<T, Status>> {
    tokio::time::timeout(limit, call)
        .map(|answer| answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time"))))
}

fn connector() -> impl Service<Uri, Response = Connection, Error = BoxError, Future: Send> + Send {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
        .map_response(|connected: TokioIo<TcpStream>| TokioIo::new(Corked::new(connected.into_inner())))
        .map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_hangs_is_not_waited_for() {
        let hanging = std::future::pending::<Result<(), Status>>();
        let status = within(Duration::from_secs(9), hanging).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
        assert!(fault::outcome_unknown(&status));
    }

    #[tokio::test]
    async fn only_http_is_spoken() {
        let connect = |url| Link::connect(PartName::Trace, url, None);
        connect("http://127.0.0.1:7104").unwrap();
        for url in ["https://127.0.0.1:7104", "127.0.0.1:7104", "unix:/run/trace"] {
            let error = connect(url).unwrap_err().to_string();
            assert!(error.contains("trace-svc: not an http:// URL"), "{url}: {error}");
        }
    }
}
