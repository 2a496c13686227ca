//! Paging as in AIP-158: sizes with a default and a cap, opaque tokens bound to their listing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proto::common::v1::ErrorReason;
use sha2::{Digest as _, Sha256};
use tonic::Status;

use crate::{
    fault::{Code, status},
    violations::Violations,
};

const SCOPE_BYTES: usize = 8;

/// The page size to use: `default` when none was asked for, at most `max`.
pub fn size(violations: &mut Violations, requested: i32, default: usize, max: usize) -> usize {
    match usize::try_from(requested) {
        Ok(0) => default,
        Ok(size) => size.min(max),
        Err(_) => {
            violations.add("page_size", "must not be negative");
            default
        }
    }
}

/// A token that continues after `position` in the listing that `scope` describes (RPC, parent, filter, caller).
pub fn encode(scope: &str, position: &str) -> String {
    let mut bytes = scope_tag(scope).to_vec();
    bytes.extend_from_slice(position.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position in `token`; `None` for the first page. A token of another listing is refused.
pub fn decode(domain: &str, scope: &str, token: &str) -> Result<Option<String>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    position(scope, token).map(Some).ok_or_else(|| {
        status(
            domain,
            Code::InvalidArgument,
            ErrorReason::InvalidPageToken,
            "`page_token` is malformed or belongs to another listing",
        )
    })
}

fn position(scope: &str, token: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (tag, position) = bytes.split_at_checked(SCOPE_BYTES)?;
    (tag == scope_tag(scope)).then_some(())?;
    String::from_utf8(position.to_vec()).ok()
}

fn scope_tag(scope: &str) -> [u8; SCOPE_BYTES] {
    let digest = Sha256::digest(scope.as_bytes());
    let mut tag = [0; SCOPE_BYTES];
    tag.copy_from_slice(digest.first_chunk::<SCOPE_BYTES>().unwrap_or(&[0; SCOPE_BYTES]));
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_belong_to_their_listing() {
        let token = encode("ListTraces|risk = RED|alice", "42");
        assert_eq!(
            decode("d", "ListTraces|risk = RED|alice", &token).unwrap().as_deref(),
            Some("42")
        );
        assert!(decode("d", "ListTraces||alice", &token).is_err());
        assert!(decode("d", "ListTraces||alice", "!").is_err());
        assert_eq!(decode("d", "any", "").unwrap(), None);
    }
}
