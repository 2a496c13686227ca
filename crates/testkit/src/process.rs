//! A server that a test starts: on loopback, ended by its pid, and never left behind.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Longest life of a server that a test starts.
const LIFETIME_SECONDS: u32 = 900;

/// A running server.
#[derive(Debug)]
pub struct Process {
    child: Child,
    guard: Child,
    log: PathBuf,
}

// === impl Process ===

impl Process {
    /// Starts `command`, its output going to the file `log`.
    ///
    /// A guard ends it when this process is gone, however that came about, and after fifteen minutes at the latest.
    pub fn spawn(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let guard = Command::new("bash")
            .args(["-c", "read -r -t \"$1\" _; kill -KILL \"$2\" 2>/dev/null", "guard"])
            .args([LIFETIME_SECONDS.to_string(), child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            guard,
            log: log.to_owned(),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`: it gets no chance to do anything more.
    pub fn kill(&mut self) {
        self.end_guard();
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Sends a signal, by name, such as `TERM`, `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        // The shell's own: not every machine has a program `kill`.
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &self.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// Waits until it ended by itself; its exit code.
    pub async fn wait(&mut self) -> Option<i32> {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.end_guard();
                return status.code();
            }
            crate::pause().await;
        }
    }

    /// What it has written so far.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn end_guard(&mut self) {
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The folder with the workspace's programs, of the same build profile as the running test.
pub fn programs() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this
        .ancestors()
        .find(|folder| folder.ends_with("deps"))
        .and_then(Path::parent);
    folder
        .unwrap_or_else(|| panic!("no build folder above {}", this.display()))
        .to_owned()
}
