#!/usr/bin/env python3
"""Tell how well the shipped policy classifies labelled requests.

    accuracy.py [FILE...]   JSONL of {"id", "text", "label", "border"}; label is GREEN, AMBER or RED, border marks rows
                            on which two careful people could differ. Without a file: the project's own cases, which
                            the policy has been tuned on.

Prints how often each label got each risk, and the error rates with Wilson's 95 % intervals; with and without the border
rows, if there are any.
"""

import collections
import json
import math
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "countersign"
RISKS = ("GREEN", "AMBER", "RED")


def read(path: pathlib.Path) -> list[dict]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for row in rows:
        if row["label"] not in RISKS:
            sys.exit(f"accuracy.py: {path}: row {row['id']}: label {row['label']!r} is none of {', '.join(RISKS)}")
    return rows


def classify(rows: list[dict]) -> list[str]:
    """The risk of each row."""
    lines = "".join(json.dumps({"id": number, "text": row["text"]}) + "\n" for number, row in enumerate(rows))
    done = subprocess.run([PROGRAM, "policy", "classify"], input=lines, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line)["risk"] for line in done.stdout.splitlines()]


def wilson(count: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share."""
    z, share = 1.96, count / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def show(title: str, pairs: list[tuple[str, str]]) -> None:
    """The confusion matrix of (label, risk) and the error rates."""
    counts = collections.Counter(pairs)
    print(f"\n{title}: {len(pairs)} rows\nlabel    " + "".join(f"{'as ' + risk:>10}" for risk in RISKS))
    for label in RISKS:
        print(f"{label:9}" + "".join(f"{counts[label, risk]:10}" for risk in RISKS))
    rates = {
        "RED as GREEN": ("RED", {"GREEN"}),
        "RED not RED": ("RED", {"GREEN", "AMBER"}),
        "AMBER as GREEN": ("AMBER", {"GREEN"}),
        "GREEN held": ("GREEN", {"AMBER", "RED"}),
    }
    for name, (label, wrong) in rates.items():
        total = sum(counts[label, risk] for risk in RISKS)
        count = sum(counts[label, risk] for risk in wrong)
        if total:
            low, high = wilson(count, total)
            print(f"{name:16}{count:4}/{total:<5} {count / total:6.1%}   95 % interval {low:.1%} to {high:.1%}")


def main() -> int:
    given = [pathlib.Path(argument) for argument in sys.argv[1:]]
    paths = given or sorted((ROOT / "classifier-svc" / "policy").glob("cases*.jsonl"))
    seen: list[tuple[str, str]] = []
    for path in paths:
        rows = read(path)
        pairs = [(row["label"], risk) for row, risk in zip(rows, classify(rows), strict=True)]
        clear = [pair for pair, row in zip(pairs, rows, strict=True) if not row.get("border")]
        if len(clear) < len(pairs):
            show(f"{path.name}, clear-cut rows", clear)
        show(f"{path.name}, all rows", pairs)
        seen += pairs
    if len(paths) > 1:
        show(f"all {len(paths)} files", seen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
