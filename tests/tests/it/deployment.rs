//! The documented example of five services, run as printed.

mod processes {
    use std::process::Command;

    use testkit::{fleet::free_ports, process::programs};

    const PAGE: &str = include_str!("../../../docs/deployment.md");

    /// The page's script, with ports that are free instead of its own.
    fn script() -> String {
        let (_, script) = PAGE.split_once("```bash\n").unwrap();
        let (script, _) = script.split_once("\n```\n").unwrap();
        let ports = (7200..=7204).zip(free_ports().into_values());
        ports.fold(script.to_owned(), |script, (printed, free)| {
            let (in_url, as_argument) = (format!(":{printed}"), format!(" {printed} "));
            assert!(script.contains(&as_argument), "{printed} is not printed");
            let script = script.replace(&in_url, &format!(":{free}"));
            script.replace(&as_argument, &format!(" {free} "))
        })
    }

    #[test]
    fn the_documented_example_blocks_a_transfer_and_records_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = std::env::join_paths(
            std::iter::once(programs()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        let ran = Command::new("bash")
            .args(["-c", &script()])
            .env("PATH", path.unwrap())
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
        let said = [ran.stderr, ran.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        for expected in ["RED Blocked", "BLOCKED", "instead: ", "traces/"] {
            assert!(said.contains(expected), "no `{expected}` in {said}");
        }
    }
}
