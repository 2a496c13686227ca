//! Any file: read as a policy, and put to work if it is one.
#![no_main]

use classifier_svc::probe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| probe::policy(bytes));
