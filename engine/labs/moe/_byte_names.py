"""Bytes as a person reads them: a printable name for each of the 256, and the few kinds that source code is made of."""

from __future__ import annotations

SYMBOLS = {0x09: "⇥", 0x0A: "⏎", 0x0D: "␍", 0x20: "␣"}

KINDS = (
    ("a to z", "abcdefghijklmnopqrstuvwxyz"),
    ("A to Z", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ("0 to 9", "0123456789"),
    ("space", " \t"),
    ("newline", "\n\r"),
    ("_", "_"),
    (". , : ;", ".,:;"),
    ("brackets", "()[]{}"),
    ("quotes", "'\"`"),
    ("operators", "+-*/%=<>!&|^~@"),
)  # everything else is REST
REST = "other"
KIND_NAMES = (*(name for name, _ in KINDS), REST)


def byte_name(byte: int) -> str:
    """One printable character where there is one, else the number: 0x20 -> "␣", 0x65 -> "e", 0x1B -> "0x1B"."""
    if byte in SYMBOLS:
        return SYMBOLS[byte]
    return chr(byte) if 0x21 <= byte <= 0x7E else f"0x{byte:02X}"


def kind_of(byte: int) -> int:
    """The place of a byte's kind in KIND_NAMES."""
    return next((at for at, (_, members) in enumerate(KINDS) if byte < 0x80 and chr(byte) in members), len(KINDS))
