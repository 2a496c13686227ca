//! What is shipped beside the programs holds what it promises: documents and the gateway's configuration.

use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::PathBuf};

use clap::{Arg, Command, CommandFactory};
use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Set it to write `docs/config.md` anew.
const UPDATE_VARIABLE: &str = "UPDATE_DOCS";

#[test]
fn every_reason_of_an_error_is_described_and_nothing_else() {
    let page = read("docs/errors.md");
    let described: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .collect();
    let reasons = reasons();
    let known: BTreeSet<&str> = reasons.iter().map(String::as_str).collect();
    assert_eq!(described, known);
}

#[test]
fn every_option_is_described() {
    let page = config_page();
    let path = root().join("docs/config.md");
    if env::var_os(UPDATE_VARIABLE).is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        written, page,
        "docs/config.md is not what the programs say: {UPDATE_VARIABLE}=1 writes it anew"
    );
}

#[test]
fn the_shipped_gateway_configuration_gives_agents_no_tools() {
    let text = read("deploy/openclaw/openclaw.json");
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    let agents = config["agents"]["entries"].as_object().unwrap();
    assert!(!agents.is_empty());
    for (name, agent) in agents {
        assert_eq!(agent["tools"], serde_json::json!({ "deny": ["*"] }), "agent {name}");
    }
    assert!(
        config["tools"].is_null(),
        "no tools for agents that have none of their own either"
    );
    assert_eq!(config["plugins"]["enabled"], false);
    assert_eq!(config["browser"]["enabled"], false);
    assert_eq!(config["gateway"]["bind"], "loopback");
}

#[test]
fn every_rpc_has_a_grpcurl_and_a_buf_curl_line() {
    let page = read("docs/grpc.md");
    for rpc in rpcs() {
        let lines: Vec<&str> = page
            .lines()
            .filter(|line| line.ends_with(&rpc) || line.contains(&format!("{rpc} ")))
            .collect();
        assert!(lines.len() >= 2, "docs/grpc.md shows {rpc} {} times", lines.len());
    }
}

fn config_page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Every option of every service, as the programs' own `--help` has it. An option can be given as an argument or as an\n\
         environment variable; arguments win. `--print-config` prints what is in effect and where it comes from. Secrets are\n\
         read from files, never from arguments or variables.\n",
    );
    let services: [(&str, Command); 5] = [
        ("orchestrator", orchestrator::Config::command()),
        ("classifier-svc", classifier_svc::Config::command()),
        ("approval-svc", approval_svc::Config::command()),
        ("executor-svc", executor_svc::Config::command()),
        ("trace-svc", trace_svc::Config::command()),
    ];
    let common: Vec<&Arg> = services[0]
        .1
        .get_arguments()
        .filter(|option| is_common(option))
        .collect();
    section(&mut page, "Every service", &common);
    for (name, command) in &services {
        let own: Vec<&Arg> = command.get_arguments().filter(|option| !is_common(option)).collect();
        section(&mut page, &format!("`{name}`"), &own);
    }
    let command_line = cli::args::Cli::command();
    let everywhere: Vec<&Arg> = command_line.get_arguments().collect();
    section(&mut page, "`countersign`, every command", &everywhere);
    commands(&mut page, "countersign", &command_line);
    page
}

/// The options of each command of `parent`, those of commands within commands too.
fn commands(page: &mut String, parent: &str, command: &Command) {
    for command in command.get_subcommands() {
        let name = format!("{parent} {}", command.get_name());
        let options: Vec<&Arg> = command.get_arguments().collect();
        if !options.is_empty() {
            section(page, &format!("`{name}`"), &options);
        }
        commands(page, &name, command);
    }
}

fn is_common(option: &Arg) -> bool {
    option.get_help_heading() == Some("Node")
}

fn section(page: &mut String, title: &str, options: &[&Arg]) {
    write!(
        page,
        "\n## {title}\n\n| option | variable | default | |\n|---|---|---|---|\n"
    )
    .unwrap();
    for option in options {
        let flag = option.get_long().map(|long| format!("--{long}"));
        let value = option.get_value_names().filter(|_| option.get_action().takes_values());
        let value = value.map(|names| names[0].to_string());
        let usage = flag.into_iter().chain(value).collect::<Vec<_>>().join(" ");
        let variable = option
            .get_env()
            .map(|name| format!("`{}`", name.to_string_lossy()))
            .unwrap_or_default();
        let defaults: Vec<String> = option
            .get_default_values()
            .iter()
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect();
        let default = match defaults.join(", ") {
            none if none.is_empty() && option.is_required_set() => "required".to_owned(),
            some => some,
        };
        let help = option
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default()
            .replace('\n', " ")
            .replace('|', "\\|");
        writeln!(page, "| `{usage}` | {variable} | {default} | {help} |").unwrap();
    }
}

fn reasons() -> Vec<String> {
    let descriptors = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let enums = descriptors.file.iter().flat_map(|file| &file.enum_type);
    let reasons = enums
        .filter(|found| found.name() == "ErrorReason")
        .flat_map(|found| &found.value);
    let names = reasons.map(|value| value.name().trim_start_matches("ERROR_REASON_").to_owned());
    names.filter(|name| name != "UNSPECIFIED").collect()
}

fn rpcs() -> Vec<String> {
    let descriptors = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut rpcs = Vec::new();
    for file in &descriptors.file {
        for service in &file.service {
            rpcs.extend(
                service
                    .method
                    .iter()
                    .map(|method| format!("{}.{}/{}", file.package(), service.name(), method.name())),
            );
        }
    }
    rpcs
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
