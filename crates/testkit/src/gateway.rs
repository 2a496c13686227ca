//! Which gateway a test runs against: the fake one, or the real one that `make test` has started.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::{fake_gateway::FakeGateway, fleet::GatewayAddress};

/// Names the run folder of the real gateway.
pub const REAL_GATEWAY_VARIABLE: &str = "COUNTERSIGN_TEST_GATEWAY";

/// A fake gateway, with its token in a file.
#[derive(Debug)]
pub struct FakeGatewayAndToken {
    /// The gateway.
    pub gateway: FakeGateway,
    token: NamedTempFile,
}

/// The real gateway.
#[derive(Debug)]
pub struct RealGateway {
    run: PathBuf,
}

// === impl FakeGatewayAndToken ===

impl FakeGatewayAndToken {
    /// A fake gateway that answers at once.
    pub async fn start() -> Self {
        let token = NamedTempFile::new().unwrap();
        fs::write(token.path(), FakeGateway::TOKEN).unwrap();
        Self {
            gateway: FakeGateway::start().await.unwrap(),
            token,
        }
    }

    /// Where it is.
    pub fn address(&self) -> GatewayAddress {
        GatewayAddress {
            url: self.gateway.url(),
            token_file: self.token_file().to_owned(),
        }
    }

    /// The file with its token.
    pub fn token_file(&self) -> &Path {
        self.token.path()
    }
}

// === impl RealGateway ===

impl RealGateway {
    /// The gateway that `make test` has started for the tests.
    ///
    /// # Panics
    /// When there is none: a test of the real gateway must not pass without it.
    pub fn find() -> Self {
        let run = env::var_os(REAL_GATEWAY_VARIABLE).map(PathBuf::from);
        let run = run.unwrap_or_else(|| {
            panic!("{REAL_GATEWAY_VARIABLE} is not set: run this test by `make test`, which starts the gateway")
        });
        Self { run }
    }

    /// Where it is.
    pub fn address(&self) -> GatewayAddress {
        GatewayAddress {
            url: self.read("gateway.url"),
            token_file: self.run.join("gateway.token"),
        }
    }

    /// The URL of the stand-in model behind it.
    pub fn model_url(&self) -> String {
        self.read("model.url")
    }

    fn read(&self, name: &str) -> String {
        let path = self.run.join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        text.trim().to_owned()
    }
}
