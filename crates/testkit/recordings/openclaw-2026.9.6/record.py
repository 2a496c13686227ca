#!/usr/bin/env python3
"""Record what a real OpenClaw Gateway answers, byte for byte.

    record.py            starts the gateways it needs through deploy/openclaw, writes *.http beside itself

Each file is what came over the socket: status line, headers and body with its chunked framing. Takes about five
minutes, because the gateway retries its model for 70 to 130 s before it gives up.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
OPENCLAW = HERE.parents[3] / "deploy" / "openclaw"


def ask(text: str, agent: str = "main", **more: object) -> dict:
    return {"model": f"openclaw/{agent}", "messages": [{"role": "user", "content": text}], **more}


def is_complete(answer: bytes) -> bool:
    """Event streams stay open for five seconds after their last chunk, whatever the request says."""
    return b"\r\ntransfer-encoding: chunked\r\n" in answer.lower() and answer.endswith(b"\r\n0\r\n\r\n")


class Gateway:
    """One running gateway and the way to record its answers."""

    def __init__(self, run_dir: pathlib.Path) -> None:
        self.run_dir = run_dir
        address = urllib.parse.urlparse((run_dir / "gateway.url").read_text())
        self.address = (address.hostname, address.port)
        self.token = (run_dir / "gateway.token").read_text()

    def exchange(self, method: str, path: str, body: bytes = b"", token: str | None = "", headers: str = "") -> bytes:
        """The raw answer to one request."""
        token = self.token if token == "" else token
        head = f"{method} {path} HTTP/1.1\r\nhost: {self.address[0]}:{self.address[1]}\r\nconnection: close\r\n{headers}"
        if token is not None:
            head += f"authorization: Bearer {token}\r\n"
        if body:
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        answer = b""
        with socket.create_connection(self.address, timeout=300) as connection:
            try:
                connection.sendall(head.encode() + b"\r\n" + body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before the body was read; the answer is there all the same
            try:
                while not is_complete(answer) and (part := connection.recv(65536)):
                    answer += part
            except ConnectionResetError:
                pass
        return answer

    def record(self, name: str, *args: object, **kwargs: object) -> None:
        started = time.monotonic()
        answer = self.exchange(*args, **kwargs)
        (HERE / f"{name}.http").write_bytes(answer)
        status = answer.split(b"\r\n", 1)[0].decode()
        print(f"{name:32} {status:36} {len(answer):6} bytes {time.monotonic() - started:6.1f} s", flush=True)

    def chat(self, name: str, body: object, **kwargs: object) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.record(name, "POST", "/v1/chat/completions", raw, **kwargs)

    def invoke(self, name: str, agent: str, tool: str) -> None:
        call = {"tool": tool, "args": {}, "sessionKey": f"agent:{agent}:main"}
        self.record(name, "POST", "/tools/invoke", json.dumps(call).encode())


def start(run_dir: pathlib.Path, **environment: str) -> Gateway:
    subprocess.run([OPENCLAW / "start.sh", run_dir], check=True, env={**os.environ, "MAX_LIFETIME_S": "900", **environment})
    return Gateway(run_dir)


def record_answers(gateway: Gateway) -> None:
    gateway.chat("success", ask("[[say:The governed answer.]]"))
    gateway.chat("success-stream", ask("[[say:The governed answer, in more than one piece of text.]]", stream=True))
    gateway.chat("success-stream-usage", ask("[[drip:3:50]]", stream=True, stream_options={"include_usage": True}))
    gateway.record("models", "GET", "/v1/models")
    gateway.record("healthz", "GET", "/healthz", token=None)
    gateway.record("readyz", "GET", "/readyz", token=None)
    gateway.invoke("tools-invoke-success", "ops", "sessions_list")
    gateway.invoke("tools-invoke-agents-list", "ops", "agents_list")
    gateway.invoke("tools-invoke-denied-404", "main", "sessions_list")
    gateway.invoke("tools-invoke-exec-404", "ops", "exec")


def record_refusals(gateway: Gateway) -> None:
    gateway.chat("no-token-401", ask("hello"), token=None)
    gateway.chat("wrong-token-401", ask("hello"), token="wrong")
    gateway.chat("unknown-agent-400", ask("hello", agent="nosuch", stream=True))
    gateway.chat("no-agent-400", {**ask("hello"), "model": "openclaw"})
    gateway.chat("bad-model-400", {**ask("hello"), "model": "gpt-5"})
    gateway.chat("no-messages-400", {"model": "openclaw/main", "messages": []})
    gateway.chat("malformed-json-400", b"{")
    gateway.record("not-found-404", "POST", "/v1/responses", b"{}")
    gateway.record("wrong-method-405", "GET", "/v1/chat/completions")
    gateway.chat("too-large-413", ask("x" * (21 << 20)))


def record_faults(gateway: Gateway) -> None:
    """The model's failures; the slow ones run side by side."""
    gateway.chat("provider-400", ask("[[status:400]]"))
    gateway.chat("provider-400-stream", ask("[[status:400]]", stream=True))
    slow = [
        ("provider-500-becomes-502", ask("[[status:500]]")),
        ("provider-500-stream", ask("[[status:500]]", stream=True)),
        ("provider-cut-becomes-408", ask("[[cut]]")),
        ("provider-cut-stream", ask("[[cut]]", stream=True)),
        ("agent-timeout-becomes-500", ask("[[drip:100:1000]]")),
        ("agent-timeout-stream", ask("[[drip:100:1000]]", stream=True)),
    ]
    threads = [threading.Thread(target=gateway.chat, args=case) for case in slow]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def record_draining(gateway: Gateway) -> None:
    running = threading.Thread(target=gateway.chat, args=("success-while-draining", ask("[[slow:4000]][[say:Finished.]]")))
    running.start()
    time.sleep(1.5)
    os.kill(int((gateway.run_dir / "gateway.pid").read_text()), 15)
    time.sleep(0.5)
    gateway.chat("draining-503", ask("hello", stream=True))
    gateway.record("draining-readyz-503", "GET", "/readyz", token=None)
    running.join()


def record_refused_key(gateway: Gateway) -> None:
    """After one 401 from the provider, the gateway doesn't ask that provider again for a minute."""
    gateway.chat("provider-401-stream", ask("[[status:401]]", stream=True))
    gateway.chat("provider-disabled-500", ask("hello"))
    gateway.chat("provider-disabled-stream", ask("hello", stream=True))
    time.sleep(70)
    gateway.chat("provider-401", ask("[[status:401]]"))


def record_rate_limit(gateway: Gateway) -> None:
    for _ in range(5):
        gateway.exchange("POST", "/v1/chat/completions", json.dumps(ask("hello")).encode(), token="wrong")
    gateway.chat("rate-limited-429", ask("hello"), token="wrong")
    gateway.chat("rate-limited-right-token-429", ask("hello"))


def strict_config(folder: pathlib.Path) -> str:
    """The shipped configuration, but failed logins from this machine count."""
    config = json.loads((OPENCLAW / "openclaw.json").read_text())
    config["gateway"]["auth"]["rateLimit"]["exemptLoopback"] = False
    path = folder / "strict.json"
    path.write_text(json.dumps(config))
    return str(path)


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        try:
            gateway = start(folder / "plain")
            record_answers(gateway)
            record_refusals(gateway)
            record_faults(gateway)
            record_draining(gateway)
            strict = start(folder / "strict", OPENCLAW_CONFIG=strict_config(folder))
            record_refused_key(strict)
            record_rate_limit(strict)
        finally:
            for name in ("plain", "strict"):
                subprocess.run([OPENCLAW / "stop.sh", folder / name], check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
