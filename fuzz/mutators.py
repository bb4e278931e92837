"""Damage to files, each kind a function of the file's bytes and a source of random numbers."""

import codecs
import gzip
import json
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

LARGE = 50 * 10**6

# Bytes that mean something in one format or another.
PIECES = [
    *(bytes([byte]) for byte in b"\n\r\t |/[]{}\",:;'-0123456789\\#=\x00\x0b\x1c\x85\xa0\xc3\xff"),
    b"\n\n",
    b"\r\n",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"null",
    b"true",
    b"I-Loc",
    b"B-",
    b"['N']",
    b"COMMA",
    b"#doc ",
    b" NEG ",
    b"T1\t",
    b"Arg1:T9",
    b"\\ud800",
    b"\\u0000",
]
NUMBERS = [
    b"-1",
    b"0",
    b"00",
    b"+1",
    b"1_0",
    b"1.0",
    b"1e999",
    b"-1e999",
    b"NaN",
    b"Infinity",
    b"999999999",
    b"99999999999999999999",
    b"9" * 5000,
    b"0x10",
    "٣".encode(),
    b"True",
    b"2147483648",
]
# What would leave a trace, were it evaluated.
CODE = [
    b"__import__('os').system('touch evaluated')",
    b"[__import__('subprocess').Popen('true')]",
    b"[print('x')]",
    b"(lambda: open('evaluated', 'w'))()",
    b"{'a': exec('1')}",
    b"$(touch evaluated)",
    b"!!python/object/apply:os.system ['true']",
    b'{"__class__": "os.system", "py/object": "os.system"}',
    b"[9**9**9]",
    b"['N' * 10**9]",
    b"%(n)1000000000s{0.__class__}",
]
VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**17, "", "x", "\u0000", "\ud800", [], {}, [[]], [0, 1],
    {"a": {}}, [None], "a" * 500, -(10**17), "1", ["a", 1], {"id": 1, "label": "x"},
]  # fmt: skip
KEYS = ["x", "id", "tokens", "text", "entities", "relations", "spans", "label", "error",
        "sentences", "meta"]  # fmt: skip


def flip_bytes(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(1, 5)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def insert_pieces(data: bytes, random: Random) -> bytes:
    for _ in range(random.randint(1, 3)):
        place = random.randint(0, len(data))
        piece = random.choice(PIECES) if random.random() < 0.8 else random.randbytes(3)
        data = data[:place] + piece + data[place + random.choice([0, 0, 1, 1, 2, 9]) :]
    return data


def change_lines(data: bytes, random: Random) -> bytes:
    """Lines cut, doubled, moved, left out, joined."""
    lines = data.split(b"\n")
    for _ in range(random.randint(1, 2)):
        place, other = random.randrange(len(lines)), random.randrange(len(lines))
        kind = random.randrange(6)
        if kind == 0:
            lines[place] = lines[place][: random.randint(0, len(lines[place]))]
        elif kind == 1:
            lines.insert(other, lines[place])
        elif kind == 2:
            lines[place], lines[other] = lines[other], lines[place]
        elif kind == 3 and len(lines) > 1:
            del lines[place]
        elif kind == 4:
            lines.insert(place, b"")
        elif place + 1 < len(lines):
            lines[place : place + 2] = [lines[place] + lines[place + 1]]
    return b"\n".join(lines)


def change_columns(data: bytes, random: Random) -> bytes:
    """Columns moved, left out, doubled, emptied."""
    lines = data.split(b"\n")
    place = random.randrange(len(lines))
    separator = random.choice([s for s in (b"\t", b"|", b" ", b",") if s in lines[place]] or [b" "])
    found = lines[place].split(separator)
    one, other = random.randrange(len(found)), random.randrange(len(found))
    kind = random.randrange(4)
    if kind == 0:
        found[one], found[other] = found[other], found[one]
    elif kind == 1:
        del found[one]
    elif kind == 2:
        found.insert(other, found[one])
    else:
        found[one] = b""
    lines[place] = separator.join(found)
    return b"\n".join(lines)


def break_brackets(data: bytes, random: Random) -> bytes:
    """A quote or bracket less, more, or of another kind."""
    places = [match.start() for match in re.finditer(rb"[\"'\[\]{}()\\]", data)]
    place = random.choice(places or [0])
    put = random.choice([b"", b'"', b"'", b"[", b"]", b"{", b"}", b"\\", b'""'])
    return data[:place] + put + data[place + random.randint(0, 1) :]


def change_numbers(data: bytes, random: Random) -> bytes:
    found = list(re.finditer(rb"[0-9]+", data))
    chosen = random.sample(found, min(len(found), random.randint(1, 2)))
    for match in sorted(chosen, key=lambda match: match.start(), reverse=True):
        number = random.choice([*NUMBERS, b"%d" % random.randint(-3, 40)])
        data = data[: match.start()] + number + data[match.end() :]
    return data


def mix_encodings(data: bytes, random: Random) -> bytes:
    """A part in another encoding, or a byte order mark somewhere."""
    lines = data.split(b"\n")
    place = random.randrange(len(lines))
    text = lines[place].decode("utf-8", "replace") + random.choice(["", "é", "Ж", "\u2028", "𝒳"])
    encoding = random.choice(["latin-1", "cp1252", "utf-16", "utf-16-be", "utf-32", "utf-7",
                              "utf-8-sig", "shift_jis", "utf-8"])  # fmt: skip
    lines[place] = text.encode(encoding, "replace")
    data = b"\n".join(lines)
    kind = random.random()
    if kind < 0.2:
        return random.choice([codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF8 * 2]) + data
    return data.decode("utf-8", "replace").encode("utf-16") if kind < 0.25 else data


def nest(data: bytes, random: Random) -> bytes:
    """JSON inside JSON, closed or not."""
    depth = 60_000 if random.random() < 0.02 else random.choice([2, 30, 300, 3000])
    opening, closing = random.choice(
        [(b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b"[[],", b"]")]
    )
    inner = opening * depth + (b"1" + closing * depth if random.random() < 0.5 else b"")
    places = [m.end() for m in re.finditer(rb"[:\[,\t ]", data)]
    place = random.choice(places or [0])
    return data[:place] + inner + data[place + random.choice([0, 1, 3]) :]


def change_json(data: bytes, random: Random) -> bytes:
    """Another value, key or type somewhere in a JSON text, which stays JSON."""
    try:
        whole, lines = json.loads(data), None
    except (ValueError, RecursionError):
        lines = data.split(b"\n")
        place = random.randrange(len(lines))
        try:
            whole = json.loads(lines[place])
        except (ValueError, RecursionError):
            return insert_pieces(data, random)
    for _ in range(random.randint(1, 2)):
        nodes = list(_nodes(whole))
        if not nodes:
            break
        holder, key = random.choice(nodes)
        kind = random.randrange(5)
        if kind == 0 or kind == 1:
            holder[key] = random.choice(VALUES)
        elif kind == 2:
            del holder[key]
        elif kind == 3 and isinstance(holder, dict):
            holder[random.choice(KEYS)] = random.choice(VALUES)
        else:
            other_holder, other_key = random.choice(nodes)
            holder[key] = json.loads(json.dumps(other_holder[other_key]))
    changed = json.dumps(whole, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    if lines is None:
        return changed
    lines[place] = changed
    return b"\n".join(lines)


def _nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value, as its holder and key."""
    items: Any = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        yield value, key
        yield from _nodes(inner)


def cut(data: bytes, random: Random) -> bytes:
    begin, end = sorted(random.randint(0, len(data)) for _ in range(2))
    return random.choice([data[:begin], data[begin:], data[:begin] + data[end:]])


def put_code(data: bytes, random: Random) -> bytes:
    """Program text in the place of a column, a word or a value."""
    found = list(re.finditer(rb"[^\t\n |,:]+", data))
    match = random.choice(found) if found else None
    begin, end = (match.start(), match.end()) if match else (0, 0)
    return data[:begin] + random.choice(CODE) + data[end:]


def pack(data: bytes, random: Random) -> bytes:
    """Compressed, whole or damaged."""
    packed = gzip.compress(data, mtime=0)
    return random.choice([packed, packed[: random.randint(0, len(packed))],
                          flip_bytes(packed, random), packed + packed, packed + b"x",
                          gzip.compress(packed, mtime=0)])  # fmt: skip


MUTATORS: dict[str, Callable[[bytes, Random], bytes]] = {
    "bytes": flip_bytes,
    "pieces": insert_pieces,
    "lines": change_lines,
    "columns": change_columns,
    "brackets": break_brackets,
    "numbers": change_numbers,
    "encodings": mix_encodings,
    "nesting": nest,
    "json": change_json,
    "cut": cut,
    "code": put_code,
    "gzip": pack,
}


def mutate(data: bytes, random: Random) -> tuple[str, bytes]:
    """The names of one or two kinds of damage, and the file with them."""
    names = random.sample(sorted(MUTATORS), random.choice([1, 1, 1, 2]))
    for name in names:
        data = MUTATORS[name](data or b"\n", random)
    return "+".join(names), data


def large(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The file with a line of 50 MB, in several ways."""
    # The first line that holds something.
    line = re.search(rb"[^\n]{6,}", data) or re.search(rb"[^\n]+", data)
    assert line is not None
    head, first, rest = data[: line.start()], line.group(), data[line.end() :]
    # Inside a text or token, or else inside the longest word.
    value = re.search(rb'"(?:text|tokens)": ?\[?\s*"', first)
    word = max(re.findall(rb"[a-z]+", first) or [b""], key=len)
    place = value.end() if value else first.find(word)
    begin, end = first[:place], first[place:]
    for name, unit in (
        ("letters", b"x"),
        ("words", b"word "),
        ("marks", b"'(-"),
        ("characters", "é\u200b".encode()),
    ):
        yield name, head + begin + unit * (LARGE // len(unit)) + end + rest
    yield "brackets", head + begin + b"[" * LARGE + end + rest
    yield "digits", re.sub(rb"[0-9]+", lambda _: b"9" * LARGE, data, count=1)
    yield "columns", head + (first + b"\t") * (LARGE // (len(first) + 1)) + rest
    yield "bytes", head + b"\xff" * LARGE + rest
