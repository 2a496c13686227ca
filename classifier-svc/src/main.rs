//! Entry point of the classifier service.

use std::process::ExitCode;

use chassis::{Node, PartName};
use classifier_svc::Config;

#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

fn main() -> ExitCode {
    chassis::run(PartName::Classifier, |config: Config, node: Node| async move {
        classifier_svc::build(&config, &node)
    })
}
