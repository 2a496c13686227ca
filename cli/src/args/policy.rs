//! Options of `countersign policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of `policy`.
#[derive(Clone, Debug, Args)]
pub struct PolicyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// The commands of `policy`.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Classify a text, or JSONL `{"id","text"}` from standard input.
    Classify(ClassifyArgs),
    /// Show how the verdict on a text comes about: clauses, rules, the words that made them match.
    Explain(ExplainArgs),
    /// Find what a policy can't mean: what is refused, unreachable, shadowed, unused or untested.
    ///
    /// Ends with 1 if there is a finding of level `error`.
    Lint(LintArgs),
    /// Run the tests of a policy, and labelled cases.
    ///
    /// Ends with 1 if a test of the policy itself fails. Cases are measured: their errors are shown as rates.
    Test(TestArgs),
    /// Compare two policies, and the verdicts that they give.
    Diff(DiffArgs),
    /// Judge the requests of past traces again by another policy, and list every verdict that changes, by rule.
    Replay(ReplayArgs),
    /// Sign a policy, so that classifiers that know the public key take it.
    Sign(SignArgs),
}

/// Which policy to use.
#[derive(Clone, Debug, Args)]
pub struct PolicyFileArgs {
    /// Policy to use instead of the one that is built in: a YAML file, or a folder of them
    #[arg(long, env = "COUNTERSIGN_POLICY_FILE", value_name = "PATH")]
    pub policy_file: Option<PathBuf>,
    /// Public keys (JSON Web Key Set) of those who may sign policies. With it, a policy file without their signature is refused
    #[arg(long, value_name = "FILE")]
    pub policy_key_set_file: Option<PathBuf>,
}

/// Who asks, for rules and exceptions that look at it.
#[derive(Clone, Debug, Args)]
pub struct ContextArgs {
    /// Groups of the requester
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// Tenant of the requester
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// The agent that is to act
    #[arg(long, value_name = "ID")]
    pub agent: Option<String>,
    /// The requester continues a session
    #[arg(long)]
    pub continued: bool,
}

/// Options of `policy classify`.
#[derive(Clone, Debug, Args)]
pub struct ClassifyArgs {
    /// The text [default: JSONL from standard input, one object with `id` and `text` on each line]
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyFileArgs,
    /// Who asks.
    #[command(flatten)]
    pub context: ContextArgs,
}

/// Options of `policy explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The text
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyFileArgs,
    /// Who asks.
    #[command(flatten)]
    pub context: ContextArgs,
}

/// Options of `policy lint`.
#[derive(Clone, Debug, Args)]
pub struct LintArgs {
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyFileArgs,
    /// JSONL `{"id","text"}` whose texts count as cases of the rules that they match; may be repeated
    #[arg(long, value_name = "FILE")]
    pub cases: Vec<PathBuf>,
}

/// Options of `policy test`.
#[derive(Clone, Debug, Args)]
pub struct TestArgs {
    /// The policy.
    #[command(flatten)]
    pub policy: PolicyFileArgs,
    /// JSONL `{"id","text","label"}` to measure the policy on; may be repeated. Rows with `"border": true` are left out
    #[arg(long, value_name = "FILE")]
    pub cases: Vec<PathBuf>,
}

/// Options of `policy diff`.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// The policy as it was: a YAML file, a folder of them, or `built-in`
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The policy as it is to be, likewise
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// JSONL `{"id","text"}`: shows every text whose verdict changes; may be repeated
    #[arg(long, value_name = "FILE")]
    pub cases: Vec<PathBuf>,
}

/// Options of `policy replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// The policy to try: a YAML file, a folder of them, or `built-in`
    #[arg(value_name = "CANDIDATE")]
    pub candidate: PathBuf,
    /// Traces as `trace export --format jsonl` writes them; each verdict is compared with the recorded one; may be repeated
    #[arg(long = "trace", value_name = "FILE", required_unless_present = "cases")]
    pub traces: Vec<PathBuf>,
    /// Folder with the texts that are kept beside the log
    #[arg(long, value_name = "FOLDER")]
    pub blobs: Option<PathBuf>,
    /// JSONL `{"id","text"}`; each verdict is compared with the one of `--against`; may be repeated
    #[arg(long, value_name = "FILE")]
    pub cases: Vec<PathBuf>,
    /// The policy that cases are compared with: a YAML file, a folder of them, or `built-in`
    #[arg(long, value_name = "POLICY", default_value = "built-in")]
    pub against: PathBuf,
    /// End with 1 if a verdict changes
    #[arg(long)]
    pub fail_on_change: bool,
}

/// Options of `policy sign`.
#[derive(Clone, Debug, Args)]
pub struct SignArgs {
    /// The policy: a folder. The signature is written into it, as `policy.sig`
    #[arg(value_name = "FOLDER")]
    pub policy: PathBuf,
    /// Ed25519 private key (PKCS#8 PEM), as `openssl genpkey -algorithm ed25519` writes it
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// Writes the public key there, as the JSON Web Key Set that a classifier is given
    #[arg(long, value_name = "FILE")]
    pub key_set_out: Option<PathBuf>,
}
