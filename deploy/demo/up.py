#!/usr/bin/env python3
"""Leave an OpenClaw Gateway and Countersign running for trying things by hand.

up.py          set up what is missing, start both, print what to try
up.py --down   stop both; the data stays in .countersign/up

Environment: COUNTERSIGN_PORT_BASE (default 7100), and what deploy/openclaw/start.sh and demo.py read.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid

import stack
from stack import COUNTERSIGN, ROOT, Countersign, DemoError, Gateway, say

FOLDER = ROOT / ".countersign" / "up"
PID_FILE = FOLDER / "countersign.pid"
TEXT = "Summarize our AI governance policy for internal use."


def running_pid() -> int | None:
    """The pid of the Countersign that was left running; a pid counts only while it is that program."""
    try:
        pid = int(PID_FILE.read_text())
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(FOLDER / "data").encode() in command else None


def calls(token: str, body: str, address: str, method: str) -> str:
    """One call, typed in both clients."""
    header = f'-H "authorization: Bearer ${token}" ' if token else ""
    data = f"-d '{body}' " if body else ""
    host = address.removeprefix("http://")
    grpcurl = f"grpcurl -plaintext {header}{data}\\\n    {host} {method}"
    buf = f"buf curl --protocol grpc --http2-prior-knowledge {header}{data}\\\n    {address}/{method}"
    return f"{grpcurl}\n{buf}"


def examples(endpoints: dict[str, str]) -> list[tuple[str, str, str, str, str]]:
    """What to try: title, token, body, address, method."""
    run = json.dumps({"request_id": str(uuid.uuid4()), "instruction": {"text": TEXT}})
    return [
        ("alice asks, and follows the run (a new request needs a new request_id)", "ALICE", run, endpoints["orchestrator"], "countersign.governance.v1.GovernanceService/StreamRun"),
        ("alice lists her runs", "ALICE", "{}", endpoints["orchestrator"], "countersign.governance.v1.GovernanceService/ListRuns"),
        ("the keys that sign verdicts", "ALICE", "{}", endpoints["classifier"], "countersign.classification.v1.ClassificationService/GetKeySet"),
        ("bob sees what waits for a decision", "BOB", '{"filter": "state = PENDING"}', endpoints["approval"], "countersign.approval.v1.ApprovalService/ListApprovals"),
        ("is the executor well, and the gateway behind it?", "", '{"service": ""}', endpoints["executor"], "grpc.health.v1.Health/Check"),
        ("the traces that alice may read", "ALICE", '{"page_size": 5}', endpoints["trace"], "countersign.trace.v1.TraceService/ListTraces"),
    ]


def shown(path: pathlib.Path) -> str:
    """A path as short as it can be typed from the clone."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def print_what_to_try(endpoints: dict[str, str]) -> None:
    program, data = shown(COUNTERSIGN), shown(FOLDER / "data")
    cache = os.environ.get("COUNTERSIGN_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "countersign"
    say("\nTry it from this folder:\n")
    say(f"export COUNTERSIGN_DATA_DIR={data}")
    for line in ['run "Draft an email to finance."', 'run --no-wait "Send an email to all employees."', "approvals list", "trace list"]:
        say(f"{program} {line}")
    say("\nor without our CLI, by reflection (tokens live for an hour):\n")
    say(f"export PATH={cache}/tools/bin:$PATH   # buf is here; grpcurl is yours to install")
    say(f"ALICE=$({program} token create --subject alice --data-dir {data})")
    say(f"BOB=$({program} token create --subject bob --audience approval --data-dir {data})")
    for title, *call in examples(endpoints):
        say(f"\n# {title}\n{calls(*call)}")
    say(f"\nlogs: {shown(FOLDER)}/countersign.log, {shown(FOLDER)}/gateway/gateway.log; stop everything: make down")


def down() -> int:
    """Stop what was left running."""
    pid = running_pid()
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + stack.STOP_WITHIN_S
        while running_pid() is not None and time.monotonic() < deadline:
            time.sleep(0.1)
        if running_pid() is not None:
            os.kill(pid, signal.SIGKILL)
    PID_FILE.unlink(missing_ok=True)
    gateway = FOLDER / "gateway"
    if gateway.is_dir():
        subprocess.run([stack.OPENCLAW / "stop.sh", gateway], check=False)
    say("stopped" if pid is not None else "nothing was running")
    return 0


def up() -> int:
    """Start everything and leave it running."""
    if running_pid() is not None:
        say("already running (stop it with `make down`)")
        print_what_to_try(Countersign(FOLDER / "data", FOLDER / "countersign.log").endpoints())
        return 0
    down_quietly()
    FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    gateway = Gateway(FOLDER / "gateway")
    countersign = Countersign(FOLDER / "data", FOLDER / "countersign.log")
    left_running = False
    try:
        subprocess.run([ROOT / "tools" / "install-tools.sh", "buf"], check=True)
        stack.build()
        gateway.start()
        countersign.start(gateway, int(os.environ.get("COUNTERSIGN_PORT_BASE", "7100")))
        PID_FILE.write_text(str(countersign.process.pid))
        left_running = True
    except (DemoError, KeyboardInterrupt, subprocess.CalledProcessError) as error:
        return stack.report(error)
    finally:
        if not left_running:
            stack.finish_undisturbed()
            countersign.stop()
            gateway.stop()
    print_what_to_try(countersign.endpoints())
    return 0


def down_quietly() -> None:
    """A gateway may be left from a Countersign that was killed."""
    if (FOLDER / "gateway").is_dir():
        subprocess.run([stack.OPENCLAW / "stop.sh", FOLDER / "gateway"], check=False)


if __name__ == "__main__":
    stack.end_in_order_on_signals()
    sys.exit(down() if "--down" in sys.argv[1:] else up())
