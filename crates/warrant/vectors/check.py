#!/usr/bin/env python3
"""Checks the vectors beside this file without any code of the crate: python3 check.py"""

import hashlib
import json
import pathlib
import uuid

HERE = pathlib.Path(__file__).parent


def sha256(data):
    return hashlib.sha256(data).digest()


def sha256_of_parts(domain, parts):
    encoded = [part.encode() for part in parts]
    return sha256(domain + b"".join(len(part).to_bytes(8, "big") + part for part in encoded))


def approval(run):
    data = bytearray(sha256(b"countersign/approval/v1" + run)[:16])
    data[6] = data[6] & 0x0F | 0x80
    data[8] = data[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(data)))


def check_run(vector):
    who = [vector[name] for name in ("tenant", "issuer", "subject", "request_id")]
    run = sha256_of_parts(b"countersign/run/v1", who)[:16]
    session = sha256_of_parts(b"", [vector["tenant"], vector["issuer"], vector["subject"], run.hex()])
    assert vector["run"] == run.hex(), vector
    assert vector["approval"] == approval(run), vector
    assert vector["session_key"] == "agent:main:cs-" + session.hex(), vector


def check_action(vector):
    # For strings under ASCII names, this is RFC 8785: same order, same escapes.
    members = dict(vector["action"], v="1")
    canonical = json.dumps(members, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert vector["canonical"] == canonical, vector["name"]
    assert vector["digest"] == "sha256:" + sha256(canonical.encode()).hex(), vector["name"]


for file, check in (("run-id.json", check_run), ("action-digest.json", check_action)):
    vectors = json.loads((HERE / file).read_text(encoding="utf-8"))
    for one in vectors:
        check(one)
    print(f"{file}: {len(vectors)} vectors hold")
