//! Approvals as they are shown.

use proto::approval::v1::{self as approval, approval::State};
use serde::Serialize;

use super::{ActionView, Fields, mode, outcome, risk, seconds, time, word};
use crate::{
    console::{Palette, Tone},
    escape,
    table::Table,
};

/// An approval as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ApprovalView {
    pub(crate) name: String,
    pub(crate) run: String,
    pub(crate) state: String,
    pub(crate) risk: String,
    pub(crate) action: ActionView,
    pub(crate) action_digest: String,
    pub(crate) etag: String,
    pub(crate) revision: u32,
    pub(crate) rule_ids: Vec<String>,
    pub(crate) reason: String,
    pub(crate) safe_alternative: String,
    pub(crate) policy_digest: String,
    pub(crate) verdict_jws: String,
    pub(crate) votes: Vec<VoteView>,
    pub(crate) mode: String,
    pub(crate) attempt: u32,
    pub(crate) outcome: String,
    pub(crate) outcome_detail: String,
    pub(crate) cancel_requested: bool,
    pub(crate) close_reason: String,
    pub(crate) create_time: Option<String>,
    pub(crate) update_time: Option<String>,
    pub(crate) expire_time: Option<String>,
    pub(crate) decide_time: Option<String>,
}

/// A vote as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VoteView {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) decision: String,
    pub(crate) reason: String,
    pub(crate) revision: u32,
    pub(crate) simulated: bool,
    pub(crate) create_time: Option<String>,
}

/// The word for a state.
pub(crate) fn state_word(state: State) -> String {
    word(state.as_str_name(), "STATE_")
}

/// A table of approvals.
pub(crate) fn table(approvals: &[ApprovalView], palette: Palette) -> String {
    let mut table = Table::new(&["APPROVAL", "STATE", "RISK", "REQUESTER", "CREATED", "ACTION"]);
    for approval in approvals {
        table.row(&[
            (&approval.name, None),
            (&approval.state, Some(palette.word(&approval.state))),
            (&approval.risk, Some(palette.word(&approval.risk))),
            (&escape::excerpt(&approval.action.requester, 20), None),
            (&seconds(approval.create_time.as_deref()), None),
            (&approval.action.excerpt(60), None),
        ]);
    }
    table.into_text(palette)
}

// === impl ApprovalView ===

impl From<approval::Approval> for ApprovalView {
    fn from(approval: approval::Approval) -> Self {
        Self {
            state: state_word(approval.state()),
            risk: risk(approval.risk()),
            mode: mode(approval.mode()),
            outcome: outcome(approval.outcome()),
            run: format!("runs/{}", approval.run_id),
            name: approval.name,
            action: approval.action.map(ActionView::from).unwrap_or_default(),
            action_digest: approval.action_digest,
            etag: approval.etag,
            revision: approval.revision,
            rule_ids: approval.rule_ids,
            reason: approval.reason,
            safe_alternative: approval.safe_alternative,
            policy_digest: approval.policy_digest,
            verdict_jws: approval.verdict_jws,
            votes: approval.votes.into_iter().map(VoteView::from).collect(),
            attempt: approval.attempt,
            outcome_detail: approval.outcome_detail,
            cancel_requested: approval.cancel_requested,
            close_reason: approval.close_reason,
            create_time: time(approval.create_time),
            update_time: time(approval.update_time),
            expire_time: time(approval.expire_time),
            decide_time: time(approval.decide_time),
        }
    }
}

impl ApprovalView {
    /// Whether the digest that the server names is the one of the action that is shown.
    pub(crate) fn digest_holds(&self) -> bool {
        self.action
            .digest()
            .is_some_and(|digest| digest.to_string() == self.action_digest)
    }

    /// What became of the approval, in one line.
    pub(crate) fn to_line(&self, palette: Palette) -> String {
        let (state, risk) = (palette.word(&self.state), palette.word(&self.risk));
        format!(
            "{}  {state}  {risk}  {}",
            escape::one_line(&self.name),
            self.action.excerpt(80)
        )
    }

    /// Everything about the approval.
    pub(crate) fn to_text(&self, palette: Palette) -> String {
        let mut fields = Fields::new(palette);
        fields.add("run", &self.run);
        self.action.describe(&mut fields);
        fields.add("digest", &self.action_digest);
        if !self.digest_holds() {
            fields.add_raw(
                "",
                &palette.paint(Tone::Bad, "this is NOT the digest of the action shown: don't decide"),
            );
        }
        fields.add("rules", &self.rule_ids.join(", "));
        fields.add("reason", &self.reason);
        fields.add("instead", &self.safe_alternative);
        fields.add("policy", &self.policy_digest);
        self.describe_course(&mut fields);
        let heading = palette.paint(Tone::Strong, &escape::one_line(&self.name));
        format!(
            "{heading}  {}  {}\n{}",
            palette.word(&self.state),
            palette.word(&self.risk),
            fields.into_text()
        )
    }

    fn describe_course(&self, fields: &mut Fields) {
        fields.add("created", &seconds(self.create_time.as_deref()));
        if self.expire_time.is_some() {
            fields.add("expires", &seconds(self.expire_time.as_deref()));
        }
        if self.decide_time.is_some() {
            fields.add("decided", &seconds(self.decide_time.as_deref()));
        }
        fields.add("authority", &self.mode);
        if self.votes.is_empty() {
            fields.add("votes", "none");
        }
        for vote in &self.votes {
            fields.add("vote", &vote.to_line());
        }
        if self.cancel_requested {
            fields.add("cancellation", "asked for");
        }
        fields.add(
            "outcome",
            [self.outcome.as_str(), &self.outcome_detail].join(" ").trim(),
        );
        fields.add("closed", &self.close_reason);
    }
}

// === impl VoteView ===

impl From<approval::Vote> for VoteView {
    fn from(vote: approval::Vote) -> Self {
        Self {
            decision: word(vote.decision().as_str_name(), "DECISION_"),
            issuer: vote.issuer,
            subject: vote.subject,
            reason: vote.reason,
            revision: vote.revision,
            simulated: vote.simulated,
            create_time: time(vote.create_time),
        }
    }
}

impl VoteView {
    fn to_line(&self) -> String {
        let simulated = if self.simulated { " (simulated)" } else { "" };
        let reason = if self.reason.is_empty() {
            String::new()
        } else {
            format!(": {}", self.reason)
        };
        let when = seconds(self.create_time.as_deref());
        format!("{} by {}{simulated} at {when}{reason}", self.decision, self.subject)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use prost_types::Timestamp;
    use proto::{approval::v1::vote::Decision, common::v1 as common};

    use super::*;

    pub(crate) fn pending(text: &str) -> approval::Approval {
        let run = warrant::RunId::derive("acme", "countersign/local", "alice", "1");
        let action = common::Action {
            run_id: run.to_string(),
            tenant: "acme".into(),
            issuer: "countersign/local".into(),
            requester: "alice".into(),
            agent: "main".into(),
            session: "inbox".into(),
            operation: Some(common::action::Operation::Instruction(common::Instruction {
                text: text.into(),
            })),
        };
        let digest = ActionView::from(action.clone()).digest().unwrap();
        approval::Approval {
            name: format!("approvals/{}", warrant::approval_id(&run)),
            run_id: run.to_string(),
            action: Some(action),
            action_digest: digest.to_string(),
            state: State::Pending.into(),
            etag: "e1".into(),
            revision: 1,
            risk: common::Risk::Amber.into(),
            rule_ids: vec!["comms.broadcast".into()],
            reason: "Sends a message to many people.".into(),
            policy_digest: "sha256:ab".into(),
            create_time: Some(Timestamp {
                seconds: 1_700_000_000,
                nanos: 5,
            }),
            expire_time: Some(Timestamp {
                seconds: 1_700_086_400,
                nanos: 0,
            }),
            ..approval::Approval::default()
        }
    }

    #[test]
    fn an_approval_is_shown_whole_and_escaped() {
        let view = ApprovalView::from(pending("Send it\nto \u{202E}lla"));
        let expected = format!(
            "{name}  PENDING  AMBER
  run           {run}
  requester     alice (tenant acme, issuer countersign/local)
  agent         main
  session       inbox
  instruction
    │ Send it
    │ to \\u{{202e}}lla
  digest        {digest}
  rules         comms.broadcast
  reason        Sends a message to many people.
  policy        sha256:ab
  created       2023-11-14T22:13:20Z
  expires       2023-11-15T22:13:20Z
  votes         none",
            name = view.name,
            run = view.run,
            digest = view.action_digest,
        );
        assert_eq!(view.to_text(Palette::new(false)), expected);
    }

    #[test]
    fn another_digest_than_that_of_the_action_is_called_out() {
        let mut approval = pending("Send it");
        assert!(ApprovalView::from(approval.clone()).digest_holds());
        approval.action.as_mut().unwrap().agent = "other".into();
        let view = ApprovalView::from(approval);
        assert!(!view.digest_holds());
        assert!(
            view.to_text(Palette::new(false))
                .contains("NOT the digest of the action shown")
        );
    }

    #[test]
    fn json_has_the_contracts_names() {
        let mut approval = pending("Send it");
        approval.votes.push(approval::Vote {
            subject: "bob".into(),
            decision: Decision::Grant.into(),
            ..approval::Vote::default()
        });
        let json = serde_json::to_value(ApprovalView::from(approval)).unwrap();
        assert_eq!(json["state"], "PENDING");
        assert_eq!(json["action"]["instruction"], "Send it");
        assert_eq!(json["votes"][0]["decision"], "GRANT");
        assert_eq!(json["create_time"], "2023-11-14T22:13:20.000000005Z");
        assert_eq!(json["decide_time"], serde_json::Value::Null);
    }

    #[test]
    fn a_list_is_a_table() {
        let view = ApprovalView::from(pending("Send it"));
        let text = table(std::slice::from_ref(&view), Palette::new(false));
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("APPROVAL  "), "{text}");
        assert_eq!(
            lines[1],
            format!(
                "{}  PENDING  AMBER  alice      2023-11-14T22:13:20Z  Send it",
                view.name
            )
        );
    }
}
