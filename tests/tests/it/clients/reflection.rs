//! What reflection tells, in both its versions.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use testkit::{fleet::PARTS, gateway::FakeGatewayAndToken, sandbox::Sandbox};
use tonic::{Request, Status, client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse, server_reflection_request::MessageRequest as Question,
    server_reflection_response::MessageResponse as Answer,
};

use crate::raw::{self, Rpc};

/// Their messages are the same.
const VERSIONS: [&str; 2] = ["v1", "v1alpha"];

/// Reflection of one part in one version.
struct Reflection {
    channel: Channel,
    version: &'static str,
}

// === impl Reflection ===

impl Reflection {
    async fn ask(&self, question: Question) -> Result<Answer, Status> {
        let mut client = Grpc::new(self.channel.clone());
        client
            .ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let path = format!(
            "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo",
            self.version
        );
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        };
        let request = Request::new(only(request));
        let codec = ProstCodec::<ServerReflectionRequest, ServerReflectionResponse>::default();
        let mut answers = client
            .streaming(request, path.parse().unwrap(), codec)
            .await?
            .into_inner();
        Ok(answers.message().await?.unwrap().message_response.unwrap())
    }

    async fn services(&self) -> BTreeSet<String> {
        match self.ask(Question::ListServices(String::new())).await.unwrap() {
            Answer::ListServicesResponse(list) => list.service.into_iter().map(|service| service.name).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// The files that answer a question.
    async fn files(&self, question: Question) -> Vec<FileDescriptorProto> {
        match self.ask(question).await.unwrap() {
            Answer::FileDescriptorResponse(files) => {
                let files = files.file_descriptor_proto.iter();
                files
                    .map(|file| FileDescriptorProto::decode(file.as_slice()).unwrap())
                    .collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// All types that are behind a symbol, put together as a client does it.
    async fn resolve(&self, symbol: &str) -> DescriptorPool {
        let mut known = BTreeMap::new();
        let mut new = self.files(Question::FileContainingSymbol(symbol.to_owned())).await;
        while let Some(file) = new.pop() {
            for import in &file.dependency {
                if !known.contains_key(import) {
                    new.extend(self.files(Question::FileByFilename(import.clone())).await);
                }
            }
            known.insert(file.name().to_owned(), file);
        }
        DescriptorPool::from_file_descriptor_set(FileDescriptorSet {
            file: known.into_values().collect(),
        })
        .unwrap()
    }
}

fn only<T>(message: T) -> impl futures_util::Stream<Item = T> {
    futures_util::stream::once(std::future::ready(message))
}

fn service_of(rpc: &Rpc) -> String {
    let path = rpc.path();
    path.trim_start_matches('/').split('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn both_versions_tell_of_all_that_a_part_serves() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    for (part, version) in PARTS
        .into_iter()
        .flat_map(|part| VERSIONS.map(|version| (part, version)))
    {
        let reflection = Reflection {
            channel: sandbox.channels().to(part),
            version,
        };
        let rpcs: Vec<Rpc> = raw::rpcs().into_iter().filter(|rpc| rpc.part() == part).collect();
        let mut services: BTreeSet<String> = rpcs.iter().map(service_of).collect();
        for service in &services {
            let pool = reflection.resolve(service).await;
            let found = pool.get_service_by_name(service).unwrap();
            let methods: BTreeSet<String> = found
                .methods()
                .map(|method| format!("/{service}/{}", method.name()))
                .collect();
            let expected = rpcs
                .iter()
                .filter(|rpc| service_of(rpc) == *service)
                .map(Rpc::path)
                .collect();
            assert_eq!(methods, expected, "{part} {version}");
        }
        for rpc in &rpcs {
            let symbol = rpc.path().trim_start_matches('/').replace('/', ".");
            let files = reflection.files(Question::FileContainingSymbol(symbol.clone())).await;
            assert!(!files.is_empty(), "{part} {version} {symbol}");
        }
        services.insert("grpc.health.v1.Health".to_owned());
        assert_eq!(reflection.services().await, services, "{part} {version}");
        assert!(
            reflection
                .resolve("grpc.health.v1.Health")
                .await
                .get_service_by_name("grpc.health.v1.Health")
                .is_some()
        );
        let unknown = reflection
            .ask(Question::FileContainingSymbol("countersign.Nothing".to_owned()))
            .await;
        let not_found = match &unknown {
            Ok(Answer::ErrorResponse(error)) => error.error_code == tonic::Code::NotFound as i32,
            Err(status) => status.code() == tonic::Code::NotFound,
            Ok(_) => false,
        };
        assert!(not_found, "{part} {version}: {unknown:?}");
    }
}
