//! Secrets come from files, never from arguments or the environment.

use std::{fs, path::Path};

use secrecy::SecretString;

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("read secret file `{path}`")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is empty.
    #[error("secret file `{0}` is empty")]
    Empty(String),
}

/// Reads the secret in `path`; one final line break is not part of it.
pub fn read(path: &Path) -> Result<SecretString, SecretError> {
    let name = || path.display().to_string();
    let text = fs::read_to_string(path).map_err(|source| SecretError::Read { path: name(), source })?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(SecretError::Empty(name()));
    }
    Ok(SecretString::from(secret))
}
