"""How the demo's terminal output looks: labelled, wrapped paragraphs; colours only on a terminal."""

import base64
import json
import os
import sys
import textwrap

WIDTH = 100
LABEL = 11
COLOURS = {"GREEN": "32", "AMBER": "33", "RED": "31", "bold": "1", "dim": "2"}
COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str) -> str:
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if COLOURED and colour in COLOURS else text


def printable(text: str) -> str:
    """What came from outside must not steer the terminal."""
    return "".join(c if c == "\n" or c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def heading(text: str) -> None:
    print(f"\n{paint(f'── {text} '.ljust(WIDTH, '─'), 'bold')}", flush=True)


def field(label: str, text: str, colour: str = "") -> None:
    """One labelled paragraph; the first word may have a colour."""
    lines = []
    for line in printable(text).split("\n"):
        lines += textwrap.wrap(line, WIDTH - LABEL) or [""]
    for number, line in enumerate(lines):
        if number == 0 and colour:
            first, _, rest = line.partition(" ")
            line = f"{paint(first, colour)} {rest}"
        name = paint(label.ljust(LABEL), "dim") if number == 0 else " " * LABEL
        print(f"{name}{line}".rstrip(), flush=True)


# === reading what the CLI says ===


def json_values(text: str) -> list[dict]:
    """All JSON documents of a text that holds one after another."""
    decoder, values, at = json.JSONDecoder(), [], 0
    while (at := len(text) - len(text[at:].lstrip())) < len(text):
        value, at = decoder.raw_decode(text, at)
        values.append(value)
    return values


def get(record: dict, name: str, default: object = "") -> object:
    """A field that may be missing or null."""
    return record.get(name) or default


def claims(jws: str) -> dict:
    """The payload of a compact JWS, unverified: for showing only."""
    payload = jws.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
