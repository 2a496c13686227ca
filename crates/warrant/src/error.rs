//! What can be wrong with an identifier, a key, a token, or the tie between a token and an action.

/// A text that is not what its type demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {expected}")]
pub struct ParseError {
    /// What the text should have been.
    pub expected: &'static str,
}

/// Why a key or a key set was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The private key is not an Ed25519 key in PKCS#8 PEM.
    #[error("not an Ed25519 private key in PKCS#8 PEM")]
    InvalidPrivateKey,
    /// The private key could not be written as PKCS#8 PEM.
    #[error("the private key could not be encoded")]
    Encoding,
    /// The public key is no point on the curve, or a weak one.
    #[error("not a usable Ed25519 public key")]
    InvalidPublicKey,
    /// The key set is not JSON of the expected form.
    #[error("malformed key set: {0}")]
    MalformedKeySet(String),
    /// A key is not an Ed25519 signature key (`kty` OKP, `crv` Ed25519, `alg` `EdDSA`, `use` sig).
    #[error("a key of the set is not an Ed25519 signature key")]
    ForeignKey,
    /// A key set for publication contains a private key.
    #[error("the key set contains a private key")]
    PrivateKey,
    /// The `kid` is not the thumbprint (RFC 7638) of its key.
    #[error("key id `{kid}` is not the thumbprint of its key")]
    WrongKeyId {
        /// The identifier as given.
        kid: String,
    },
    /// The same key stands in the set twice.
    #[error("key `{kid}` stands in the set twice")]
    DuplicateKey {
        /// The key's identifier.
        kid: String,
    },
}

/// Why a seal was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The text is not a key identifier and a base64url signature.
    #[error("malformed seal")]
    Malformed,
    /// None of the pinned keys has this identifier.
    #[error("key `{kid}` is not known")]
    UnknownKey {
        /// The identifier.
        kid: String,
    },
    /// The signature is not one of that key over this.
    #[error("the signature is not over exactly these bytes")]
    BadSignature,
}

/// Why a verdict or a warrant was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token exceeds [`crate::MAX_TOKEN_BYTES`].
    #[error("token is too long")]
    TooLong,
    /// The token is no compact JWS of the expected form, or a claim has an impossible value.
    #[error("malformed token: {0}")]
    Malformed(&'static str),
    /// The header's `typ` is not the one demanded: a token of another kind.
    #[error("token is of another type")]
    WrongType,
    /// The header's `alg` is not `EdDSA`.
    #[error("token is not signed with EdDSA")]
    WrongAlgorithm,
    /// The key is not among those pinned for this issuer and type.
    #[error("key `{kid}` is not known for this issuer")]
    UnknownKey {
        /// The identifier that the header gave.
        kid: String,
    },
    /// The signature does not match.
    #[error("signature does not match")]
    BadSignature,
    /// The claims are validly signed but are not those of this type.
    #[error("claims are not as expected: {0}")]
    InvalidClaims(String),
    /// `iss` is not the pinned issuer.
    #[error("token is of another issuer")]
    WrongIssuer,
    /// `aud` is not this verifier's audience.
    #[error("token is for another audience")]
    WrongAudience,
    /// `exp` has passed.
    #[error("token has expired")]
    Expired,
    /// `iat` or `nbf` lies in the future by more than [`crate::CLOCK_LEEWAY`].
    #[error("token is not valid yet")]
    NotYetValid,
    /// `exp` - `iat` exceeds what the type permits.
    #[error("token lives longer than its type permits")]
    LifetimeTooLong,
}

/// How a valid token and the thing it is presented with do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingError {
    /// The action's digest is not the one that was signed.
    #[error("action differs from the signed one")]
    Action,
    /// The tenants differ.
    #[error("tenant differs from the signed one")]
    Tenant,
    /// The runs differ.
    #[error("run differs from the signed one")]
    Run,
    /// The issuers of the requester's identity differ.
    #[error("requester's issuer differs from the signed one")]
    Issuer,
    /// The requesters differ.
    #[error("requester differs from the signed one")]
    Requester,
    /// The agents differ.
    #[error("agent differs from the signed one")]
    Agent,
    /// The reason or the safe alternative is not what the classifier said.
    #[error("reason or safe alternative differs from what was signed")]
    Reason,
    /// The approval is not the one of the run.
    #[error("approval is not the one of the run")]
    Approval,
    /// The warrant was granted on another verdict.
    #[error("verdict is not the one that the warrant names")]
    Verdict,
    /// The warrant's risk is not the verdict's.
    #[error("risk differs from the verdict's")]
    Risk,
    /// The warrant's policy is not the verdict's.
    #[error("policy differs from the verdict's")]
    Policy,
}
