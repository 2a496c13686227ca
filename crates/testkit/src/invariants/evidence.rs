//! What a history holds, read with nothing but the format of lines and public keys.

use std::{collections::BTreeMap, time::UNIX_EPOCH};

use chassis::semconv::{self, event};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use warrant::{VERDICT_AUDIENCE, Verdict, VerdictVerifier, Warrant, WarrantVerifier};

use super::History;
use crate::{
    authority::{VERDICTS, WARRANTS, key},
    fake_gateway::RecordedRequest,
};

const SESSION_HEADER: &str = "x-openclaw-session-key";

/// A history that was read.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) history: &'a History,
    /// All lines, in the order of the export.
    pub(super) lines: Vec<Line>,
    /// Positions in `lines`, trace by trace.
    traces: BTreeMap<String, Vec<usize>>,
    /// Each request with the hash that a covering `execution.started` must name.
    pub(super) requests: Vec<(String, &'a RecordedRequest)>,
}

/// A line of the log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    #[serde(skip)]
    pub(super) leaf: String,
    v: u8,
    pub(super) index: String,
    pub(super) event_id: String,
    pub(super) trace_id: String,
    pub(super) trace_seq: String,
    pub(super) trace_prev: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(rename = "occurred_at")]
    _occurred_at: String,
    pub(super) recorded_at: String,
    pub(super) producer: String,
    pub(super) actor: Actor,
    pub(super) risk: Option<String>,
    pub(super) action_digest: Option<String>,
    pub(super) attrs: BTreeMap<String, String>,
    pub(super) content: Option<Content>,
}

/// Who did it.
#[derive(Debug, Deserialize)]
pub(super) struct Actor {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: String,
}

/// Content of a line; that of a blob isn't in it.
#[derive(Debug, Deserialize)]
pub(super) struct Content {
    pub(super) text: Option<String>,
}

/// All lines of one trace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace<'a> {
    pub(super) id: &'a str,
    lines: &'a [Line],
    positions: &'a [usize],
}

/// What an `execution.started` proves by itself.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) verdict: Verdict,
    pub(super) warrant: Warrant,
}

// === impl Evidence ===

impl<'a> Evidence<'a> {
    pub(super) fn read(history: &'a History) -> Result<Self, String> {
        let lines = history.log.split_inclusive(|byte| *byte == b'\n').map(Line::read);
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        let mut traces = BTreeMap::<_, Vec<_>>::new();
        for (position, line) in lines.iter().enumerate() {
            traces.entry(line.trace_id.clone()).or_default().push(position);
        }
        let requests = history
            .requests
            .iter()
            .map(|request| (request.sha256(), request))
            .collect();
        Ok(Self {
            history,
            lines,
            traces,
            requests,
        })
    }

    pub(super) fn traces(&self) -> impl Iterator<Item = Trace<'_>> {
        let lines = self.lines.as_slice();
        self.traces
            .iter()
            .map(move |(id, positions)| Trace { id, lines, positions })
    }

    pub(super) fn trace(&self, id: &str) -> Option<Trace<'_>> {
        let (id, positions) = self.traces.get_key_value(id)?;
        Some(Trace {
            id,
            lines: &self.lines,
            positions,
        })
    }

    /// How many requests with one of the hashes that a trace names have reached the gateway.
    pub(super) fn effects(&self, trace: Trace<'_>) -> usize {
        let named = |hash: &str| {
            trace
                .all(event::EXECUTION_STARTED)
                .any(|line| line.attr(semconv::GATEWAY_REQUEST_SHA256) == hash)
        };
        self.requests.iter().filter(|(hash, _)| named(hash)).count()
    }
}

/// The session that a request asked the gateway for.
pub(super) fn session(request: &RecordedRequest) -> &str {
    request.header(SESSION_HEADER).unwrap_or_default()
}

// === impl Line ===

impl Line {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = || String::from_utf8_lossy(bytes).into_owned();
        let exact = bytes
            .strip_suffix(b"\n")
            .ok_or_else(|| format!("the export ends within a line: {}", text()))?;
        let mut line: Self = serde_json::from_slice(exact).map_err(|error| format!("no line: {error}: {}", text()))?;
        if line.v != 1 {
            return Err(format!("a line of another version: {}", text()));
        }
        line.leaf = hex::encode(Sha256::new().chain_update([0]).chain_update(exact).finalize());
        Ok(line)
    }

    /// An attribute; empty if there is none.
    pub(super) fn attr(&self, key: &str) -> &str {
        self.attrs.get(key).map_or("", String::as_str)
    }

    /// Where in the log it stands.
    pub(super) fn position(&self) -> Option<u64> {
        self.index.parse().ok()
    }

    /// `issuer#subject` of whoever asked.
    pub(super) fn requester(&self) -> String {
        format!("{}#{}", self.attr(semconv::ISSUER), self.attr(semconv::REQUESTER))
    }

    /// Verifies the signatures in an `execution.started`, and that verdict and warrant belong together.
    pub(super) fn proof(&self) -> Result<Proof, String> {
        let at = |what: &str, error: &dyn std::error::Error| format!("{} of {}: {error}", what, self.trace_id);
        let (verdict_jws, warrant_jws) = (self.attr(semconv::VERDICT_JWS), self.attr(semconv::WARRANT_JWS));
        let keys = |name| warrant::KeySet::from(key(name).public().clone());
        // When they were good is told by the order of events; the far future leaves that open.
        let later = UNIX_EPOCH + std::time::Duration::from_secs(u64::from(u32::MAX));
        let verdict = VerdictVerifier::new(VERDICTS, VERDICT_AUDIENCE, keys("verdict"))
            .verify_ignoring_expiry(verdict_jws, later)
            .map_err(|error| at("verdict", &error))?;
        let warrant = WarrantVerifier::new(WARRANTS, "executor-svc", keys("warrant"))
            .verify_ignoring_expiry(warrant_jws, later)
            .map_err(|error| at("warrant", &error))?;
        warrant
            .check_verdict(verdict_jws, &verdict)
            .map_err(|error| at("warrant and verdict", &error))?;
        Ok(Proof { verdict, warrant })
    }
}

// === impl Trace ===

impl<'a> Trace<'a> {
    /// Its lines, in the order of the log.
    pub(super) fn lines(self) -> impl Iterator<Item = &'a Line> {
        self.positions
            .iter()
            .filter_map(move |position| self.lines.get(*position))
    }

    /// Its lines of one type.
    pub(super) fn all(self, kind: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines().filter(move |line| line.kind == kind)
    }

    /// Its first line of a type.
    pub(super) fn first(self, kind: &'a str) -> Option<&'a Line> {
        self.all(kind).next()
    }
}
