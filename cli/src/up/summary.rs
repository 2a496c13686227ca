//! What `up` says once it is ready: where the parts are, and how to try them.

use serde_json::{Value, json};

use super::listeners::PORT_ORDER;
use crate::{
    args::{GlobalArgs, UpArgs},
    console::{Palette, Tone},
    endpoints::Endpoints,
    paths::DataDir,
    shell::{directory_option, shell_word},
};

/// What there is to say.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    pub(super) args: &'a UpArgs,
    pub(super) global: &'a GlobalArgs,
    pub(super) data: &'a DataDir,
    pub(super) endpoints: &'a Endpoints,
    /// For the lines to copy; each start prints another one.
    pub(super) request_id: String,
}

// === impl Summary ===

impl Summary<'_> {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "endpoints": self.endpoints,
            "data_dir": self.data.path().display().to_string(),
            "gateway_url": self.args.gateway_url,
            "simulated_approver": self.args.simulated_approver,
        })
    }

    pub(super) fn to_text(&self, palette: Palette) -> String {
        let heading = palette.paint(Tone::Good, "Countersign is ready.");
        let stores = shell_word(&self.data.path().display().to_string());
        let mut lines = vec![
            format!("{heading} Ctrl-C stops it; its stores and keys are in {stores}"),
            String::new(),
        ];
        for part in PORT_ORDER {
            lines.push(format!(
                "  {:<15} {}",
                part.as_str(),
                self.endpoints.of(part).unwrap_or_default()
            ));
        }
        lines.push(format!("  {:<15} {}", "gateway", self.gateway(palette)));
        if self.args.simulated_approver {
            let warning = palette.paint(
                Tone::Caution,
                "grants whatever waits for people; its warrants are marked simulated",
            );
            lines.push(format!("  {:<15} {warning}", "approver"));
        }
        lines.extend([String::new(), palette.paint(Tone::Strong, "Try it:")]);
        lines.extend(self.commands().into_iter().map(|line| format!("  {line}")));
        lines.extend([
            String::new(),
            palette.paint(
                Tone::Strong,
                "With grpcurl or buf curl, as alice (deciders need --audience approval):",
            ),
        ]);
        lines.extend(self.calls().into_iter().map(|line| format!("  {line}")));
        lines.join("\n")
    }

    fn gateway(&self, palette: Palette) -> String {
        self.args.gateway_url.clone().unwrap_or_else(|| {
            palette.paint(
                Tone::Caution,
                "none (--gateway-url): what is granted waits until its grant expires",
            )
        })
    }

    fn commands(&self) -> Vec<String> {
        let directory = directory_option(self.global);
        vec![
            format!("countersign run \"Summarize our AI governance policy for internal use.\"{directory}"),
            format!("countersign approvals list --state pending{directory}"),
            format!("countersign trace list{directory}"),
        ]
    }

    fn calls(&self) -> Vec<String> {
        let orchestrator = &self.endpoints.orchestrator;
        let address = orchestrator.trim_start_matches("http://");
        let service = "countersign.governance.v1.GovernanceService";
        vec![
            format!("TOKEN=$(countersign token create --subject alice{})", directory_option(self.global)),
            format!("grpcurl -plaintext -H \"authorization: Bearer $TOKEN\" -d '{}' \\", self.body()),
            format!("  {address} {service}/StreamRun"),
            "buf curl --protocol grpc --http2-prior-knowledge -H \"authorization: Bearer $TOKEN\" -d '{\"page_size\": 5}' \\".to_owned(),
            format!("  {orchestrator}/{service}/ListRuns"),
        ]
    }

    fn body(&self) -> String {
        let text = "Draft an email to finance asking for confirmation of the Q1 cloud budget.";
        format!(
            "{{\"request_id\": \"{}\", \"instruction\": {{\"text\": \"{text}\"}}}}",
            self.request_id
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn summary(arguments: &[&str], render: impl FnOnce(&Summary<'_>)) {
        let cli = Cli::parse_from(["countersign", "up"].iter().chain(arguments));
        let Command::Up(args) = cli.command else {
            panic!("not `up`")
        };
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let endpoints = Endpoints {
            orchestrator: url(7100),
            classifier: url(7101),
            approval: url(7102),
            executor: url(7103),
            trace: url(7104),
        };
        render(&Summary {
            args: &args,
            global: &cli.global,
            data: &DataDir::of(&cli.global).unwrap(),
            endpoints: &endpoints,
            request_id: "0".into(),
        });
    }

    #[test]
    fn the_summary_can_be_copied_line_by_line() {
        summary(&["--data-dir", "/tmp/my data"], |summary| {
            let expected = "\
Countersign is ready. Ctrl-C stops it; its stores and keys are in '/tmp/my data'

  orchestrator    http://127.0.0.1:7100
  classifier-svc  http://127.0.0.1:7101
  approval-svc    http://127.0.0.1:7102
  executor-svc    http://127.0.0.1:7103
  trace-svc       http://127.0.0.1:7104
  gateway         none (--gateway-url): what is granted waits until its grant expires

Try it:
  countersign run \"Summarize our AI governance policy for internal use.\" --data-dir '/tmp/my data'
  countersign approvals list --state pending --data-dir '/tmp/my data'
  countersign trace list --data-dir '/tmp/my data'

With grpcurl or buf curl, as alice (deciders need --audience approval):
  TOKEN=$(countersign token create --subject alice --data-dir '/tmp/my data')
  grpcurl -plaintext -H \"authorization: Bearer $TOKEN\" -d '{\"request_id\": \"0\", \"instruction\": {\"text\": \
\"Draft an email to finance asking for confirmation of the Q1 cloud budget.\"}}' \\
    127.0.0.1:7100 countersign.governance.v1.GovernanceService/StreamRun
  buf curl --protocol grpc --http2-prior-knowledge -H \"authorization: Bearer $TOKEN\" -d '{\"page_size\": 5}' \\
    http://127.0.0.1:7100/countersign.governance.v1.GovernanceService/ListRuns";
            assert_eq!(summary.to_text(Palette::new(false)), expected);
        });
    }

    #[test]
    fn what_is_simulated_is_said() {
        let gateway = ["--gateway-url", "http://127.0.0.1:1", "--gateway-token-file", "t"];
        summary(
            &[&["--data-dir", "/d", "--simulated-approver"], &gateway[..]].concat(),
            |summary| {
                let text = summary.to_text(Palette::new(false));
                assert!(
                    text.contains("  approver        grants whatever waits for people"),
                    "{text}"
                );
                assert!(text.contains("  gateway         http://127.0.0.1:1\n"), "{text}");
                assert_eq!(summary.to_json()["simulated_approver"], true);
            },
        );
    }
}
