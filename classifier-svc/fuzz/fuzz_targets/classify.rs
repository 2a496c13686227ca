//! Any text: normalised into its views, read, judged.
#![no_main]

use std::sync::LazyLock;

use classifier_svc::{Classifier, probe};
use libfuzzer_sys::fuzz_target;

static CLASSIFIER: LazyLock<Classifier> =
    LazyLock::new(|| Classifier::built_in().expect("the built-in policy passes its own tests"));

fuzz_target!(|bytes: &[u8]| probe::text(&CLASSIFIER, bytes));
