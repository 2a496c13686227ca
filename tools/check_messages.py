#!/usr/bin/env python3
"""Hold error and log messages to one form: lower case at the start, no full stop at the end.

Looks at `#[error("…")]`, at the macros of `tracing` and at anyhow's `bail!`, `anyhow!`, `.context("…")` in every Rust
file of the workspace. A message may start with a capital where the word is a name, such as OpenClaw or SQLite.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = {"target", ".git", ".countersign", "node_modules"}

# Words that are written with a capital wherever they stand; a word all in capitals (HTTP, GREEN) is fine as well.
NAMES = {"OpenClaw", "SQLite", "PostgreSQL", "Countersign", "Ed25519", "OpenAI", "Anthropic"}

STRING = r'"((?:[^"\\]|\\.)*)"'
PATTERNS = [
    re.compile(r"#\[error\(\s*" + STRING),
    re.compile(r"\.(?:with_)?context\(\s*(?:\|\|\s*)?(?:format!\(\s*)?" + STRING),
    re.compile(r"\b(?:bail|anyhow|ensure)!\(\s*" + STRING),
]
LOG_MACRO = re.compile(r"\b(?:tracing::)?(?:trace|debug|info|warn|error)!\(")
COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)


def blank_comments(text: str) -> str:
    """The text with its comment lines emptied; line numbers stay."""
    return COMMENT.sub("", text)


def arguments(text: str, start: int) -> str:
    """What stands between the parenthesis before `start` and the one that closes it."""
    depth, inside, at = 1, False, start
    while at < len(text) and depth:
        char = text[at]
        if inside:
            if char == "\\":
                at += 1
            elif char == '"':
                inside = False
        elif char == '"':
            inside = True
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        at += 1
    return text[start : at - 1]


# The message of a log macro is a literal of its own: no field name stands before it.
LOG_MESSAGE = re.compile(r"(?:^|,)\s*" + STRING + r"\s*(?=,|$)", re.DOTALL)


def messages(text: str):
    """Each message with its position."""
    for pattern in PATTERNS:
        for match in pattern.finditer(text):
            yield match.start(1), match.group(1)
    for macro in LOG_MACRO.finditer(text):
        message = LOG_MESSAGE.search(arguments(text, macro.end()))
        if message:
            yield macro.end() + message.start(1), message.group(1)


def complaint(message: str) -> str | None:
    """What is wrong with a message, if anything."""
    word = re.match(r"[A-Za-z0-9]+", message)
    if word and word.group()[0].isupper() and word.group() not in NAMES and not word.group().isupper():
        return "starts with a capital"
    if message.endswith(".") and not message.endswith("..."):
        return "ends with a full stop"
    return None


def rust_files():
    """Every Rust file of the repository."""
    for path in sorted(ROOT.rglob("*.rs")):
        if not SKIPPED.intersection(path.relative_to(ROOT).parts):
            yield path


def main() -> int:
    found = 0
    for path in rust_files():
        text = blank_comments(path.read_text(encoding="utf-8"))
        for position, message in messages(text):
            if wrong := complaint(message):
                line = text.count("\n", 0, position) + 1
                print(f"{path.relative_to(ROOT)}:{line}: message {wrong}: {message!r}")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
