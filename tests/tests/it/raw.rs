//! Every RPC of the contract, called with bytes: none is forgotten, and bytes may be anything.

use std::time::Duration;

use chassis::PartName;
use prost::{
    Message as _,
    bytes::{Buf as _, BufMut as _},
};
use prost_types::FileDescriptorSet;
use testkit::clients::{Channels, Tokens};
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    service::interceptor::InterceptedService,
    transport::Channel,
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// One RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rpc {
    /// Such as `TraceService/GetTrace`.
    pub(crate) name: String,
    package: String,
}

/// Bytes in, bytes out.
#[derive(Debug, Clone, Copy, Default)]
struct BytesCodec;

/// All RPCs of the contract, in its order.
pub(crate) fn rpcs() -> Vec<Rpc> {
    let descriptors = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut rpcs = Vec::new();
    for file in descriptors
        .file
        .iter()
        .filter(|file| file.package().starts_with("countersign."))
    {
        for service in &file.service {
            rpcs.extend(service.method.iter().map(|method| Rpc {
                name: format!("{}/{}", service.name(), method.name()),
                package: file.package().to_owned(),
            }));
        }
    }
    rpcs
}

/// The RPC of this name.
pub(crate) fn rpc(name: &str) -> Rpc {
    rpcs()
        .into_iter()
        .find(|rpc| rpc.name == name)
        .unwrap_or_else(|| panic!("there is no {name}"))
}

/// Calls the RPC at the part that serves it, with an empty message.
pub(crate) async fn call(channels: &Channels, rpc: &Rpc, tokens: &Tokens) -> Result<(), Status> {
    send(channels, rpc, tokens, Vec::new()).await
}

/// Calls the RPC at this channel's part, whichever that is, with an empty message.
pub(crate) async fn call_at(channel: Channel, rpc: &Rpc, tokens: &Tokens) -> Result<(), Status> {
    call_path(channel, &rpc.path(), tokens).await
}

/// Calls whatever this path is, with an empty message.
pub(crate) async fn call_path(channel: Channel, path: &str, tokens: &Tokens) -> Result<(), Status> {
    send_at(channel, path, tokens, Vec::new()).await
}

/// Calls the RPC at the part that serves it, with these bytes for a message, and waits until it begins to answer.
pub(crate) async fn send(channels: &Channels, rpc: &Rpc, tokens: &Tokens, message: Vec<u8>) -> Result<(), Status> {
    send_at(channels.to(rpc.part()), &rpc.path(), tokens, message).await
}

async fn send_at(channel: Channel, path: &str, tokens: &Tokens, message: Vec<u8>) -> Result<(), Status> {
    // A stream is what all answers can be read as.
    let mut client = Grpc::new(InterceptedService::new(channel, tokens.clone()));
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let mut request = Request::new(message);
    request.set_timeout(TIMEOUT);
    let mut answer = client
        .server_streaming(request, path.parse().unwrap(), BytesCodec)
        .await?
        .into_inner();
    answer.message().await.map(drop)
}

// === impl Rpc ===

impl Rpc {
    /// The part that serves it.
    pub(crate) fn part(&self) -> PartName {
        match self.package.as_str() {
            "countersign.governance.v1" => PartName::Orchestrator,
            "countersign.classification.v1" => PartName::Classifier,
            "countersign.approval.v1" => PartName::Approval,
            "countersign.execution.v1" => PartName::Executor,
            "countersign.trace.v1" => PartName::Trace,
            other => panic!("no part serves {other}"),
        }
    }

    /// Such as `/countersign.trace.v1.TraceService/GetTrace`.
    pub(crate) fn path(&self) -> String {
        format!("/{}.{}", self.package, self.name)
    }
}

// === impl BytesCodec ===

impl Codec for BytesCodec {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}
