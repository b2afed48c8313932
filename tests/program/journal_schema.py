"""Checks JSON lines against the tables of docs/journal.md: schema.md on the command line, the lines on stdin, or a ready file
with --ready."""
import json
import sys

TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool}


def tables(path):
    """The fields of each section: name, type, whether it is always there."""
    sections, section = {}, None
    for line in open(path, encoding="utf-8"):
        if line.startswith("#"):
            section = line.strip("# `\n")
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| `"):
            sections.setdefault(section, {})[cells[0].strip("`")] = (TYPES[cells[1]], cells[3] == "never")
    return sections


def check(where, line, fields):
    for name, value in line.items():
        assert name in fields, f"{where}: {name} is not documented"
        kind = fields[name][0]
        is_right = isinstance(value, kind) and (isinstance(value, bool) == (kind is bool))
        assert is_right, f"{where}: {name} is {value!r}"
    for name, (_, is_always_there) in fields.items():
        assert name in line or not is_always_there, f"{where}: {name} is missing"
    if "bytes" in line:
        assert ("text" in line) != ("base64" in line), where


sections = tables(sys.argv[1])
text = sys.stdin.buffer.read().decode("utf-8")
assert text.endswith("\n"), "the last line ends"
if sys.argv[2:] == ["--ready"]:
    check("ready file", json.loads(text), sections["The ready file"])
    sys.exit()
common = sections["The journal as JSON lines"]
for number, line in enumerate(text[:-1].split("\n"), 1):
    line = json.loads(line)
    event = line["event"]
    assert event in sections, f"line {number}: the event {event} is not documented"
    assert (event == "journal") == (number == 1), f"line {number} is {event}"
    check(f"line {number} ({event})", line, common | sections[event])
    print(event, end=" ")
