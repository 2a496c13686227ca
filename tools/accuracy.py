#!/usr/bin/env python3
"""Tell how well the shipped policy classifies labelled requests.

    accuracy.py FILE...     JSONL of {"id", "text", "label", "border"}; label is GREEN, AMBER or RED, border marks rows
                            on which two careful people could differ

Prints, with and without the border rows, how often each label got each risk. No texts are in this repository: they
belong to others.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "countersign"
RISKS = ("GREEN", "AMBER", "RED")


def classify(rows: list[dict]) -> dict[str, str]:
    """Risk by row id."""
    lines = "".join(json.dumps({"id": row["id"], "text": row["text"]}) + "\n" for row in rows)
    done = subprocess.run([PROGRAM, "policy", "classify"], input=lines, capture_output=True, text=True, check=True)
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    return {verdict["id"]: verdict["risk"] for verdict in verdicts}


def show(title: str, rows: list[dict], risks: dict[str, str]) -> None:
    counts = collections.Counter((row["label"], risks[row["id"]]) for row in rows)
    print(f"\n{title}: {len(rows)} rows")
    print("label    rows " + "".join(f"{'as ' + risk:>16}" for risk in RISKS))
    for label in RISKS:
        total = sum(counts[label, risk] for risk in RISKS)
        cells = (f"{counts[label, risk]:6} ({counts[label, risk] / total:6.1%})" for risk in RISKS) if total else ()
        print(f"{label:8} {total:4} " + "".join(f"{cell:>16}" for cell in cells))


def main() -> int:
    if len(sys.argv) < 2:
        sys.exit('accuracy.py: give it labelled requests: make accuracy DATA="file.jsonl"')
    for path in map(pathlib.Path, sys.argv[1:]):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        risks = classify(rows)
        show(f"{path.name}, clear-cut rows", [row for row in rows if not row.get("border")], risks)
        show(f"{path.name}, all rows", rows, risks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
