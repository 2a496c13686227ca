//! Policies that are replaced while they are at work, from real folders.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use chassis::ManualClock;
use warrant::{KeySet, SigningKey};

use super::*;
use crate::{
    policy::bundle::{Bundle, SEAL_FILE},
    rule::Risk,
};

const TEXT: &str = "Water the plants.";

/// A policy that says `risk` of [`TEXT`].
fn policy(revision: u64, risk: &str) -> String {
    format!(
        "name: garden\nversion: '{revision}'\nrevision: {revision}\n\
         verbs:\n  water: {{ class: acting, terms: [water] }}\n\
         rules:\n  - {{ id: garden.{risk}, title: Waters, category: garden, risk: {risk}, reason: it waters, \
         alternative: Ask., when: [{{ verb: [water] }}] }}\n\
         tests:\n  - {{ text: '{TEXT}', risk: {risk} }}\n"
    )
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000),
    ))
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn keys(seed: u8) -> String {
    KeySet::from(key(seed).public().clone()).to_json()
}

/// A file with the public key of one.
fn key_file(seed: u8) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), keys(seed)).unwrap();
    file
}

/// A folder with a policy, and the slot that it is loaded into.
struct Garden {
    folder: tempfile::TempDir,
    loader: Loader,
}

// === impl Garden ===

impl Garden {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let loader = Loader {
            path: Some(folder.path().to_owned()),
            ..Loader::default()
        };
        let garden = Self { folder, loader };
        garden.write("policy.yaml", text);
        garden
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn sign(&self, key: &SigningKey) {
        let signed = Bundle::read(self.folder.path()).unwrap().sign(key);
        self.write(SEAL_FILE, &signed);
    }

    fn slot(&self) -> Slot {
        Slot::open(self.loader.clone(), clock()).unwrap()
    }
}

fn risk(slot: &Slot) -> Risk {
    slot.loaded().classifier.classify_text(TEXT).risk
}

fn reason(slot: &Slot) -> String {
    slot.refused().unwrap().reason
}

#[test]
fn a_newer_policy_takes_over_and_what_is_unchanged_stays() {
    let garden = Garden::new(&policy(1, "GREEN"));
    let slot = garden.slot();
    let before = slot.loaded();
    assert!(slot.refresh() && Arc::ptr_eq(&before, &slot.loaded()));
    garden.write("policy.yaml", &policy(2, "AMBER"));
    assert!(slot.refresh());
    assert_eq!(risk(&slot), Risk::Amber);
    assert_eq!(
        before.classifier.classify_text(TEXT).risk,
        Risk::Green,
        "whoever holds one keeps it"
    );
}

#[test]
fn a_bad_policy_is_refused_with_its_place_and_the_old_one_stays() {
    let garden = Garden::new(&policy(1, "GREEN"));
    let slot = garden.slot();
    for (text, says) in [
        ("name: [unclosed", "`policy.yaml`"),
        (&policy(2, "AMBER").replace("verb: [water]", "verb: [wather]"), "line 7"),
        (
            &policy(2, "AMBER").replace("risk: AMBER }", "risk: GREEN }"),
            "must be GREEN",
        ),
        (
            &policy(2, "RED").replace("alternative: Ask., ", ""),
            "offers no alternative",
        ),
    ] {
        garden.write("policy.yaml", text);
        assert!(!slot.refresh());
        assert!(reason(&slot).contains(says), "{says}: {}", reason(&slot));
        assert_eq!(risk(&slot), Risk::Green);
    }
    garden.write("policy.yaml", &policy(1, "GREEN"));
    assert!(
        slot.refresh() && slot.refused().is_none(),
        "the old files are good again"
    );
}

#[test]
fn files_that_are_gone_or_too_large_change_nothing() {
    let garden = Garden::new(&policy(1, "GREEN"));
    let slot = garden.slot();
    let large = fs::File::create(garden.folder.path().join("large.yaml")).unwrap();
    large.set_len(100 * 1024 * 1024).unwrap();
    assert!(!slot.refresh() && reason(&slot).contains("larger than"));
    fs::remove_file(garden.folder.path().join("large.yaml")).unwrap();
    fs::remove_file(garden.folder.path().join("policy.yaml")).unwrap();
    assert!(!slot.refresh());
    assert_eq!(risk(&slot), Risk::Green);
}

#[test]
fn an_older_policy_and_another_one_of_the_same_revision_are_refused() {
    let garden = Garden::new(&policy(5, "AMBER"));
    let slot = garden.slot();
    for revision in [4, 5] {
        garden.write("policy.yaml", &policy(revision, "GREEN"));
        assert!(!slot.refresh());
        let expected = format!("policy has revision {revision}; revision 5 was at work, so that 6 or more is needed");
        assert_eq!(reason(&slot), expected);
    }
    assert_eq!(risk(&slot), Risk::Amber);
}

#[test]
fn an_older_policy_is_refused_after_a_restart_too() {
    let mut garden = Garden::new(&policy(5, "AMBER"));
    let state = tempfile::tempdir().unwrap();
    garden.loader.state = Some(state.path().join("policy.state"));
    drop(garden.slot());
    drop(garden.slot());
    garden.write("policy.yaml", &policy(4, "GREEN"));
    let refused = Slot::open(garden.loader.clone(), clock()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, PolicyError::NotNewer { found: 4, known: 5 }));
    garden.write("policy.yaml", &policy(6, "GREEN"));
    drop(garden.slot());
    fs::write(state.path().join("policy.state"), "garbage").unwrap();
    assert!(
        Slot::open(garden.loader.clone(), clock()).is_err(),
        "what can't be read is not ignored"
    );
}

#[test]
fn with_keys_only_signed_policies_are_taken() {
    let mut garden = Garden::new(&policy(1, "AMBER"));
    let file = key_file(1);
    garden.loader.keys = Some(file.path().to_owned());
    assert!(matches!(
        Slot::open(garden.loader.clone(), clock()).map(|_| ()),
        Err(PolicyError::Unsigned)
    ));
    garden.sign(&key(1));
    let slot = garden.slot();
    assert_eq!(slot.loaded().key_id.as_deref(), Some(key(1).key_id()));

    garden.write("policy.yaml", &policy(2, "GREEN"));
    assert!(
        !slot.refresh() && reason(&slot).contains("not over exactly these bytes"),
        "altered after signing"
    );
    garden.sign(&key(2));
    assert!(
        !slot.refresh() && reason(&slot).contains("is not known"),
        "{}",
        reason(&slot)
    );
    garden.sign(&key(1));
    assert!(slot.refresh());
    assert_eq!(risk(&slot), Risk::Green);
    std::fs::remove_file(garden.folder.path().join(SEAL_FILE)).unwrap();
    assert!(
        !slot.refresh() && reason(&slot).contains("not signed"),
        "the same files, no longer signed"
    );
    garden.sign(&key(1));
    assert!(slot.refresh() && slot.refused().is_none());
}

#[test]
fn a_key_that_is_taken_out_of_its_file_signs_nothing_more() {
    let mut garden = Garden::new(&policy(1, "AMBER"));
    let file = key_file(1);
    garden.loader.keys = Some(file.path().to_owned());
    garden.sign(&key(1));
    let slot = garden.slot();

    fs::write(file.path(), keys(2)).unwrap();
    assert!(!slot.refresh(), "the policy at work is signed by nobody any more");
    garden.write("policy.yaml", &policy(2, "GREEN"));
    garden.sign(&key(1));
    assert!(
        !slot.refresh() && reason(&slot).contains("is not known"),
        "{}",
        reason(&slot)
    );
    garden.sign(&key(2));
    assert!(slot.refresh(), "signed by the new key");
    garden.write("policy.yaml", &policy(3, "RED"));
    garden.sign(&key(3));
    assert!(!slot.refresh() && reason(&slot).contains("is not known"));
    fs::write(file.path(), "no keys").unwrap();
    assert!(
        !slot.refresh() && reason(&slot).contains("key set"),
        "{}",
        reason(&slot)
    );
    assert_eq!(risk(&slot), Risk::Green);
    fs::write(file.path(), keys(3)).unwrap();
    assert!(slot.refresh() && slot.refused().is_none(), "who may sign has changed");
    assert_eq!(risk(&slot), Risk::Red);
}

#[test]
fn a_policy_is_tried_again_when_its_key_has_come() {
    let mut garden = Garden::new(&policy(1, "AMBER"));
    let file = key_file(1);
    garden.loader.keys = Some(file.path().to_owned());
    garden.sign(&key(1));
    let slot = garden.slot();
    garden.write("policy.yaml", &policy(2, "RED"));
    garden.sign(&key(2));
    assert!(!slot.refresh() && !slot.refresh());
    fs::write(file.path(), keys(2)).unwrap();
    assert!(slot.refresh());
    assert_eq!(risk(&slot), Risk::Red);
}

/// A mounted volume as Kubernetes lays it: the names lead through `..data`, which is swapped as a whole.
struct Volume(tempfile::TempDir);

// === impl Volume ===

impl Volume {
    fn new(text: &str) -> Self {
        let volume = Self(tempfile::tempdir().unwrap());
        volume.swap("..1", text);
        symlink("..data/policy.yaml", volume.0.path().join("policy.yaml")).unwrap();
        volume
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn swap(&self, version: &str, text: &str) {
        let folder: PathBuf = self.path().join(version);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("policy.yaml"), text).unwrap();
        symlink(version, self.path().join("..data_tmp")).unwrap();
        fs::rename(self.path().join("..data_tmp"), self.path().join("..data")).unwrap();
    }
}

#[test]
fn the_swap_of_a_mounted_volume_is_noticed() {
    let volume = Volume::new(&policy(1, "GREEN"));
    let loader = Loader {
        path: Some(volume.path().to_owned()),
        ..Loader::default()
    };
    let slot = Slot::open(loader, clock()).unwrap();
    volume.swap("..2", &policy(2, "RED"));
    assert!(slot.refresh());
    assert_eq!(
        (risk(&slot), slot.loaded().classifier.policy().revision),
        (Risk::Red, 2)
    );
}

#[test]
fn every_request_sees_one_policy_whole_while_they_change() {
    let garden = Garden::new(&policy(1, "AMBER"));
    let slot = garden.slot();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut seen = 0;
            while seen < 40 {
                let loaded = slot.loaded();
                let (policy, assessment) = (loaded.classifier.policy(), loaded.classifier.classify_text(TEXT));
                let expected = if policy.revision % 2 == 1 {
                    Risk::Amber
                } else {
                    Risk::Red
                };
                assert_eq!(assessment.risk, expected, "revision {}", policy.revision);
                seen = policy.revision;
            }
        });
        for revision in 2..=40 {
            let risk = if revision % 2 == 1 { "AMBER" } else { "RED" };
            garden.write("policy.yaml", &policy(revision, risk));
            assert!(slot.refresh());
        }
        asking.join().unwrap();
    });
}

#[test]
fn differences_are_counted_by_both_verdicts_and_the_rule_of_the_graver() {
    let classify = |text: &str| Garden::new(text).slot().loaded().classifier.classify_text(TEXT);
    let (green, amber, red) = (
        classify(&policy(1, "GREEN")),
        classify(&policy(1, "AMBER")),
        classify(&policy(1, "RED")),
    );
    let differences = Differences::default();
    assert!(differences.compare(&green, &green).is_none());
    for _ in 0..2 {
        differences.compare(&amber, &red);
    }
    differences.compare(&red, &green);
    let difference = |live, shadow, rule: &str| Difference {
        live,
        shadow,
        rule: rule.to_owned(),
    };
    let expected = vec![
        (difference(Risk::Amber, Risk::Red, "garden.RED"), 2),
        (difference(Risk::Red, Risk::Green, "garden.RED"), 1),
    ];
    assert_eq!(differences.counts(), (4, expected));
}

#[test]
fn a_shadow_that_cannot_be_loaded_harms_nothing_and_is_tried_again() {
    let (live, shadow) = (Garden::new(&policy(1, "GREEN")), Garden::new("name: [unclosed"));
    let policies = Policies::open(live.loader.clone(), Some(shadow.loader.clone()), &clock()).unwrap();
    let tried = policies.shadow.as_ref().unwrap();
    assert!(tried.slot().is_none() && tried.refused().unwrap().reason.contains("`policy.yaml`"));
    live.write("policy.yaml", &policy(2, "AMBER"));
    assert!(!policies.refresh());
    assert_eq!(
        risk(&policies.live),
        Risk::Amber,
        "the live one is refreshed all the same"
    );
    shadow.write("policy.yaml", &policy(1, "RED"));
    assert!(policies.refresh() && tried.refused().is_none());
    assert_eq!(risk(tried.slot().unwrap()), Risk::Red);
}

#[test]
fn a_policy_is_tried_again_when_its_revision_could_not_be_noted() {
    let mut garden = Garden::new(&policy(1, "GREEN"));
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("state");
    fs::create_dir(&folder).unwrap();
    garden.loader.state = Some(folder.join("policy.state"));
    let slot = garden.slot();
    fs::remove_dir_all(&folder).unwrap();
    garden.write("policy.yaml", &policy(2, "RED"));
    assert!(!slot.refresh());
    assert_eq!(risk(&slot), Risk::Green, "what can't be noted is not put to work");
    fs::create_dir(&folder).unwrap();
    assert!(slot.refresh());
    assert_eq!(risk(&slot), Risk::Red);
}

#[tokio::test]
async fn the_folder_is_looked_at_again_and_a_refusal_shows_in_the_health() {
    let garden = Garden::new(&policy(1, "GREEN"));
    let policies = Arc::new(Policies::open(garden.loader.clone(), None, &clock()).unwrap());
    let (healthy, mut health) = tokio::sync::watch::channel(true);
    let shutdown = tokio_util::sync::CancellationToken::new();
    let interval = Duration::from_millis(10);
    let running = tokio::spawn(reload::run(Arc::clone(&policies), interval, healthy, shutdown.clone()));
    garden.write("policy.yaml", "name: [unclosed");
    health.wait_for(|healthy| !healthy).await.unwrap();
    garden.write("policy.yaml", &policy(2, "RED"));
    health.wait_for(|healthy| *healthy).await.unwrap();
    assert_eq!(risk(&policies.live), Risk::Red);
    shutdown.cancel();
    running.await.unwrap();
}
