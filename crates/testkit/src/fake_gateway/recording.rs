//! Answers of a real gateway, byte for byte; `recordings/openclaw-2026.9.6/README.md` says how each came about.

macro_rules! recordings {
    ($($(#[$doc:meta])* $name:ident = $file:literal,)*) => {
        /// A recorded answer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Recording {
            $($(#[$doc])* $name,)*
        }

        impl Recording {
            /// Every recorded answer.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name of its file, without the ending.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $file,)*
                }
            }

            /// The answer: status line, headers and body as they stood on the socket.
            pub const fn bytes(self) -> &'static [u8] {
                match self {
                    $(Self::$name => include_bytes!(concat!(
                        "../../recordings/openclaw-2026.9.6/", $file, ".http"
                    )),)*
                }
            }
        }
    };
}

recordings! {
    /// The agent's own time limit, not streamed.
    AgentTimeout500 = "agent-timeout-becomes-500",
    /// The agent's own time limit, within a stream that carried text.
    AgentTimeoutStream = "agent-timeout-stream",
    /// The model field is of no known form.
    BadModel400 = "bad-model-400",
    /// The gateway is shutting down.
    Draining503 = "draining-503",
    /// `/readyz` of a gateway that is shutting down.
    DrainingReadyz503 = "draining-readyz-503",
    /// The body is no JSON.
    MalformedJson400 = "malformed-json-400",
    /// Several agents, and none named.
    NoAgent400 = "no-agent-400",
    /// No user message.
    NoMessages400 = "no-messages-400",
    /// No token.
    NoToken401 = "no-token-401",
    /// No such path.
    NotFound404 = "not-found-404",
    /// The model's provider answered 400, not streamed.
    Provider400 = "provider-400",
    /// The model's provider answered 400, within a stream.
    Provider400Stream = "provider-400-stream",
    /// The model's provider answered 401, not streamed.
    Provider401 = "provider-401",
    /// The model's provider answered 401, within a stream.
    Provider401Stream = "provider-401-stream",
    /// The model's provider answered 500 to every try, not streamed.
    Provider502 = "provider-500-becomes-502",
    /// The model's provider answered 500 to every try, within a stream.
    Provider500Stream = "provider-500-stream",
    /// The model's provider cut its stream, not streamed.
    ProviderCut408 = "provider-cut-becomes-408",
    /// The model's provider cut its stream, within a stream that carried text.
    ProviderCutStream = "provider-cut-stream",
    /// The provider is not asked for a while, not streamed.
    ProviderDisabled500 = "provider-disabled-500",
    /// The provider is not asked for a while, within a stream.
    ProviderDisabledStream = "provider-disabled-stream",
    /// Too many wrong tokens.
    RateLimited429 = "rate-limited-429",
    /// The right token, from an address with too many wrong ones.
    RateLimitedRightToken429 = "rate-limited-right-token-429",
    /// `/readyz`.
    Readyz = "readyz",
    /// `/healthz`.
    Healthz = "healthz",
    /// A complete answer, not streamed.
    Success = "success",
    /// A complete answer in pieces.
    SuccessStream = "success-stream",
    /// A complete answer in pieces, with usage.
    SuccessStreamUsage = "success-stream-usage",
    /// The body is too large.
    TooLarge413 = "too-large-413",
    /// Result of the tool `agents_list`.
    ToolAgentsList = "tools-invoke-agents-list",
    /// The agent may not use the tool.
    ToolDenied404 = "tools-invoke-denied-404",
    /// A tool that is never served.
    ToolExec404 = "tools-invoke-exec-404",
    /// Result of the tool `sessions_list`.
    ToolSuccess = "tools-invoke-success",
    /// No such agent.
    UnknownAgent400 = "unknown-agent-400",
    /// Wrong method.
    WrongMethod405 = "wrong-method-405",
    /// Wrong token.
    WrongToken401 = "wrong-token-401",
}
