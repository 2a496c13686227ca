"""Start and stop what the demo shows: an OpenClaw Gateway and the five parts of Countersign in one process."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPENCLAW = ROOT / "deploy" / "openclaw"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
COUNTERSIGN = TARGET / "debug" / "countersign"
ENDPOINTS = "endpoints.json"
READY_WITHIN_S = 60
STOP_WITHIN_S = 20


class DemoError(Exception):
    """Something that the reader of the terminal can act on."""


def say(text: str = "") -> None:
    print(text, flush=True)


def end_in_order_on_signals() -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP end the program in order, so that everything started is stopped."""

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # ignored under nohup
        signal.signal(signal.SIGHUP, interrupt)


def finish_undisturbed() -> None:
    """From here on, stopping what was started is not interrupted a second time."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def build() -> None:
    """Build the programs in such a way that the tests find the same build.

    `--examples` makes cargo pick the features of dependencies as it does for tests; without it, everything above tokio
    would be compiled twice.
    """
    say("building Countersign (the first build takes a few minutes)")
    command = ["cargo", "build", "--locked", "--workspace", "--bins", "--examples"]
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        raise DemoError("the build failed; see above")


# === the gateway ===


def own_gateway() -> tuple[str, pathlib.Path] | None:
    """The gateway of the user's own, if one is named: OPENCLAW_URL and OPENCLAW_TOKEN_FILE."""
    url, token_file = os.environ.get("OPENCLAW_URL"), os.environ.get("OPENCLAW_TOKEN_FILE")
    if not url and not token_file:
        return None
    if not url or not token_file:
        raise DemoError("set both OPENCLAW_URL and OPENCLAW_TOKEN_FILE, or neither")
    path = pathlib.Path(token_file).resolve()
    if not path.is_file():
        raise DemoError(f"there is no file {path} (OPENCLAW_TOKEN_FILE)")
    return url.rstrip("/"), path


def check_gateway(url: str) -> None:
    """Fail early, and in plain words, when nothing answers at the user's own gateway."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
            answer.read()
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise DemoError(f"no OpenClaw Gateway answers at {url} (OPENCLAW_URL): {error}") from error


class Gateway:
    """A gateway that was started here, or the user's own."""

    def __init__(self, run_dir: pathlib.Path) -> None:
        self.run_dir = run_dir
        self.url = ""
        self.token_file = run_dir / "gateway.token"
        self.started = False

    def start(self, **environment: str) -> None:
        own = own_gateway()
        if own:
            self.url, self.token_file = own
            check_gateway(self.url)
            say(f"using your OpenClaw Gateway at {self.url}")
            say("  its own configuration decides which tools its agents have; Countersign governs the requests, not yet those tools")
            return
        say("starting an OpenClaw Gateway")
        self.started = True
        # A session of its own: Ctrl-C reaches this program alone, which then stops the gateway in order.
        starter = subprocess.Popen([OPENCLAW / "start.sh", self.run_dir], env={**os.environ, **environment}, start_new_session=True)
        try:
            failed = starter.wait() != 0
        except KeyboardInterrupt:
            starter.terminate()
            starter.wait()
            raise
        if failed:
            raise DemoError(f"the OpenClaw Gateway did not start; its logs are in {self.run_dir}")
        self.url = (self.run_dir / "gateway.url").read_text().strip()

    def stop(self) -> None:
        if self.started:
            subprocess.run([OPENCLAW / "stop.sh", self.run_dir], check=False)


# === Countersign ===


class Countersign:
    """`countersign up` in a process of its own, and its other commands."""

    def __init__(self, data_dir: pathlib.Path, log: pathlib.Path) -> None:
        self.data_dir = data_dir
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, gateway: Gateway, port_base: int) -> None:
        say("starting Countersign")
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.data_dir / ENDPOINTS).unlink(missing_ok=True)
        command = [COUNTERSIGN, "up", "--data-dir", self.data_dir, "--gateway-url", gateway.url]
        command += ["--gateway-token-file", gateway.token_file, "--port-base", str(port_base)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        started = time.monotonic()
        while not self.endpoints():
            if self.process.poll() is not None or time.monotonic() - started > READY_WITHIN_S:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                raise DemoError(f"Countersign did not start; the end of {self.log}:\n{tail}")
            time.sleep(0.05)
        say(f"  ready after {time.monotonic() - started:.1f} s: " + ", ".join(f"{k} {v}" for k, v in self.endpoints().items()))

    def endpoints(self) -> dict[str, str]:
        """Where the parts listen; nothing before they do."""
        try:
            return json.loads((self.data_dir / ENDPOINTS).read_text())
        except (OSError, ValueError):
            return {}

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of the CLI against this Countersign."""
        command = [str(COUNTERSIGN), *arguments, "--data-dir", str(self.data_dir)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def remove_gateway_state(run_dir: pathlib.Path) -> None:
    """The gateway's state is of no use after the demo, and it holds the gateway's token."""
    shutil.rmtree(run_dir, ignore_errors=True)


def report(error: BaseException) -> int:
    """Tell how a program of this folder ended early; the exit code."""
    if isinstance(error, KeyboardInterrupt):
        print("\ninterrupted", file=sys.stderr, flush=True)
        return 130
    print(f"\nerror: {error}", file=sys.stderr, flush=True)
    return 1
