"""Damaged model archives, each made from a whole one: by kind, and at random.

An archive is a dictionary: a member's name -> its bytes, or `None` for a directory.
"""

import gzip
import io
import json
import struct
import tarfile
from collections.abc import Callable
from random import Random
from typing import Any

import torch

Parts = dict[str, bytes | None]

CONFIG, WEIGHTS, META = "config.json", "weights.th", "meta.json"
TOKENS = "vocabulary/tokens.txt"
UNPADDED = "vocabulary/non_padded_namespaces.txt"


def read(content: bytes) -> Parts:
    """The members of a whole archive."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        return {
            member.name: tar.extractfile(member).read() if member.isfile() else None  # type: ignore
            for member in tar
        }


def tar_of(parts: Parts, format: int = tarfile.USTAR_FORMAT, **headers: Any) -> bytes:
    """A tar file, in which each header has these values."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as tar:
        for name, content in parts.items():
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            info.size = len(content or b"")
            for key, value in headers.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content or b""))
    return stream.getvalue()


def packed(parts: Parts) -> bytes:
    """The archive as a `model.tar.gz`."""
    return gzip.compress(tar_of(parts), compresslevel=1, mtime=0)


# What is wrong within a member


def with_config(change: Callable[[dict[str, Any]], Any]) -> Callable[[Parts], Parts]:
    def damaged(parts: Parts) -> Parts:
        config = json.loads(parts[CONFIG] or b"")
        changed = change(config)
        return {**parts, CONFIG: json.dumps(config if changed is None else changed).encode()}

    return damaged


def option(path: str, value: Any) -> Callable[[Parts], Parts]:
    """The configuration with another value of an option, or without it if that is `...`."""
    *above, last = path.split(".")

    def change(config: dict[str, Any]) -> None:
        for name in above:
            config = config[name]
        if value is ...:
            del config[last]
        else:
            config[last] = value

    return with_config(change)


def with_weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Parts], Parts]:
    def damaged(parts: Parts) -> Parts:
        weights = torch.load(io.BytesIO(parts[WEIGHTS] or b""), weights_only=True)
        changed = change(weights)
        stream = io.BytesIO()
        torch.save(weights if changed is None else changed, stream)
        return {**parts, WEIGHTS: stream.getvalue()}

    return damaged


def weight(change: Callable[[torch.Tensor], Any]) -> Callable[[Parts], Parts]:
    """Another value of the first weight."""

    def changed(weights: dict[str, torch.Tensor]) -> None:
        name = next(iter(weights))
        weights[name] = change(weights[name])

    return with_weights(changed)


def content(name: str, value: bytes | None) -> Callable[[Parts], Parts]:
    """Another content of a member, which is a directory if that is `None`."""
    return lambda parts: {**parts, name: value}


def edited(name: str, change: Callable[[bytes], bytes]) -> Callable[[Parts], Parts]:
    return lambda parts: {**parts, name: change(parts[name] or b"")}


def without(*names: str) -> Callable[[Parts], Parts]:
    return lambda parts: {name: value for name, value in parts.items() if name not in names}


def swapped(one: str, other: str) -> Callable[[Parts], Parts]:
    return lambda parts: {**parts, one: parts[other], other: parts[one]}


def filled(tensor: torch.Tensor, value: float) -> torch.Tensor:
    return torch.full_like(tensor, value)


def no_vocabulary(parts: Parts) -> Parts:
    return {name: value for name, value in parts.items() if not name.startswith("vocabulary")}


DEEP = b"[" * 50_000 + b"]" * 50_000
NESTED = b'{"model": ' * 400 + b"1" + b"}" * 400

# kind -> what it does, and the member that the error names; `None` if the archive still loads.
CONTENT: dict[str, tuple[Callable[[Parts], Parts], str | None]] = {
    "config missing": (without(CONFIG), CONFIG),
    "config empty": (content(CONFIG, b""), CONFIG),
    "config a directory": (content(CONFIG, None), CONFIG),
    "config not UTF-8": (content(CONFIG, b'{"a": "\xff\xfe"}'), CONFIG),
    "config UTF-16": (edited(CONFIG, lambda c: c.decode().encode("utf-16")), CONFIG),
    "config with a byte order mark": (edited(CONFIG, lambda c: b"\xef\xbb\xbf" + c), CONFIG),
    "config NULs": (content(CONFIG, bytes(1000)), CONFIG),
    "config cut": (edited(CONFIG, lambda c: c[: len(c) // 2]), CONFIG),
    "config and more": (edited(CONFIG, lambda c: c + b"{}"), CONFIG),
    "config jsonnet": (content(CONFIG, b"local x = 1; {}"), CONFIG),
    "config jsonnet import": (content(CONFIG, b"import '/etc/passwd'"), CONFIG),
    "config jsonnet import as text": (content(CONFIG, b"{a: importstr '/etc/passwd'}"), CONFIG),
    "config jsonnet without an end": (
        content(CONFIG, b"local f(x) = f(x + 1) tailstrict; f(0)"), CONFIG),
    "config list": (content(CONFIG, b"[]"), CONFIG),
    "config null": (content(CONFIG, b"null"), CONFIG),
    "config number": (content(CONFIG, b"3"), CONFIG),
    "config string": (content(CONFIG, b'"model"'), CONFIG),
    "config empty object": (content(CONFIG, b"{}"), CONFIG),
    "config lists 50,000 deep": (content(CONFIG, DEEP), CONFIG),
    "config objects 400 deep": (content(CONFIG, NESTED), CONFIG),
    "config deep in an option": (
        edited(CONFIG, lambda c: c.replace(b'"model": {', b'"model": {"x":' + NESTED + b",", 1)),
        CONFIG),
    "config 17 MB": (edited(CONFIG, lambda c: c + b" " * 17 * 2**20), CONFIG),
    "config number of 5,000 digits": (
        edited(CONFIG, lambda c: c.replace(b"{", b'{"random_seed": ' + b"9" * 5000 + b",", 1)),
        CONFIG),
    "config NaN": (edited(CONFIG, lambda c: c.replace(b"{", b'{"x": NaN,', 1)), CONFIG),
    "config Infinity": (edited(CONFIG, lambda c: c.replace(b"{", b'{"x": Infinity,', 1)), CONFIG),
    "config half a surrogate pair": (option("model.encoder", "\ud800"), CONFIG),
    "config without model": (option("model", ...), CONFIG),
    "config without reader": (option("dataset_reader", ...), CONFIG),
    "config without loader": (option("data_loader", ...), CONFIG),
    "model null": (option("model", None), CONFIG),
    "model string": (option("model", "joint_ner_re"), CONFIG),
    "model list": (option("model", []), CONFIG),
    "model of a number": (option("model.type", 3), CONFIG),
    "model unknown": (option("model.type", "joint"), CONFIG),
    "model without type": (option("model.type", ...), CONFIG),
    "model empty": (option("model", {"type": "joint_ner_re"}), CONFIG),
    "encoder null": (option("model.encoder", None), CONFIG),
    "encoder missing": (option("model.encoder", ...), CONFIG),
    "encoder list": (option("model.encoder", [1]), CONFIG),
    "embedder string": (option("model.text_field_embedder", "x"), CONFIG),
    "embedder without tokens": (
        option("model.text_field_embedder.token_embedders", {}), CONFIG),
    "dropout a string": (option("model.dropout", "0.1"), CONFIG),
    "threshold a list": (option("model.relation_threshold", [0.5]), CONFIG),
    "threshold 7": (option("model.relation_threshold", 7), CONFIG),
    "threshold of unknown types": (option("model.relation_threshold", {"x": 0.5}), CONFIG),
    "hidden size -1": (option("model.encoder.shared.hidden_size", -1), CONFIG),
    "hidden size 10^9": (option("model.encoder.shared.hidden_size", 10**9), CONFIG),
    "hidden size true": (option("model.encoder.shared.hidden_size", True), CONFIG),
    "hidden size another": (option("model.encoder.shared.hidden_size", 9), WEIGHTS),
    "option unknown": (option("model.hidden", 3), CONFIG),
    "reader a number": (option("dataset_reader", 3), CONFIG),
    "reader unknown": (option("dataset_reader.type", "x"), CONFIG),
    "indexers a list": (option("dataset_reader.token_indexers", []), CONFIG),
    "indexer null": (option("dataset_reader.token_indexers", {"tokens": None}), CONFIG),
    "validation reader null": (option("validation_dataset_reader", None), None),
    "validation reader a list": (option("validation_dataset_reader", []), CONFIG),
    "loader batch size 0": (option("data_loader", {"batch_size": "x"}), CONFIG),
    "vocabulary a list": (option("vocabulary", [1]), CONFIG),
    "vocabulary unknown": (option("vocabulary", {"type": "x"}), CONFIG),
    "padding token a number": (option("vocabulary", {"padding_token": 3}), CONFIG),
    "evaluation a list": (option("evaluation", [3]), CONFIG),
    "seed a string": (option("random_seed", "x"), CONFIG),
    "seed negative": (option("numpy_seed", -1), CONFIG),
    "vocabulary missing": (no_vocabulary, "vocabulary"),
    "vocabulary a file": (lambda parts: {**no_vocabulary(parts), "vocabulary": b"x"}, "vocabulary"),
    "namespaces missing": (without(UNPADDED), "vocabulary"),
    "namespaces a directory": (content(UNPADDED, None), UNPADDED),
    "namespaces not UTF-8": (content(UNPADDED, b"\xff\n"), UNPADDED),
    "namespaces empty": (content(UNPADDED, b""), "vocabulary"),
    "tokens missing": (without(TOKENS), WEIGHTS),
    "tokens a directory": (content(TOKENS, None), TOKENS),
    "tokens empty": (content(TOKENS, b""), "vocabulary"),
    "tokens not UTF-8": (edited(TOKENS, lambda c: c + b"\xff\n"), TOKENS),
    "tokens UTF-16": (edited(TOKENS, lambda c: c.decode().encode("utf-16")), TOKENS),
    "tokens twice": (edited(TOKENS, lambda c: c + c), TOKENS),
    "tokens cut": (edited(TOKENS, lambda c: c[: len(c) // 2]), WEIGHTS),
    "tokens without the unknown": (
        edited(TOKENS, lambda c: c.replace(b"@@UNKNOWN@@", b"@@KNOWN@@")), "vocabulary"),
    "a namespace more": (content("vocabulary/other.txt", b"@@UNKNOWN@@\na\n"), None),
    "a directory in the vocabulary": (content("vocabulary/other", None), "vocabulary/other"),
    "weights missing": (without(WEIGHTS), "best.th"),
    "weights a directory": (content(WEIGHTS, None), WEIGHTS),
    "weights empty": (content(WEIGHTS, b""), WEIGHTS),
    "weights text": (content(WEIGHTS, b"weights"), WEIGHTS),
    "weights cut": (edited(WEIGHTS, lambda c: c[: len(c) // 2]), WEIGHTS),
    "weights flipped within": (
        edited(WEIGHTS, lambda c: c[:60] + bytes(b ^ 0xFF for b in c[60:400]) + c[400:]), WEIGHTS),
    "weights twice": (edited(WEIGHTS, lambda c: c + c), WEIGHTS),
    "weights a list": (with_weights(lambda w: list(w.values())), WEIGHTS),
    "weights a tensor": (with_weights(lambda w: next(iter(w.values()))), WEIGHTS),
    "weights nested": (with_weights(lambda w: {"model": w}), WEIGHTS),
    "weights none": (with_weights(lambda w: {}), WEIGHTS),
    "weights in tuples": (with_weights(lambda w: {k: (v,) for k, v in w.items()}), WEIGHTS),
    "weights by number": (with_weights(lambda w: dict(enumerate(w.values()))), WEIGHTS),
    "a weight null": (weight(lambda w: None), WEIGHTS),
    "a weight a number": (weight(lambda w: 1.5), WEIGHTS),
    "a weight a string": (weight(lambda w: "x" * 10**6), WEIGHTS),
    "a weight missing": (with_weights(lambda w: w.pop(next(iter(w))) is None or None), WEIGHTS),
    "a weight more": (with_weights(lambda w: {**w, "more": torch.ones(2)}), WEIGHTS),
    "a weight of another shape": (weight(lambda w: torch.zeros(*w.shape, 2)), WEIGHTS),
    "a weight of no numbers": (weight(lambda w: torch.zeros(0)), WEIGHTS),
    "a weight NaN": (weight(lambda w: filled(w, float("nan"))), WEIGHTS),
    "a weight infinite": (weight(lambda w: filled(w, float("inf"))), WEIGHTS),
    "a weight of whole numbers": (weight(lambda w: w.long()), WEIGHTS),
    "a weight complex": (weight(lambda w: w.to(torch.complex64)), WEIGHTS),
    "a weight sparse": (weight(lambda w: w.to_sparse()), WEIGHTS),
    "a weight expanded": (weight(lambda w: torch.zeros(1).expand(10**12)), WEIGHTS),
    "a weight in half precision": (weight(lambda w: w.half()), None),
    "a weight as bytes": (weight(lambda w: w.to(torch.uint8)), WEIGHTS),
    "meta missing": (without(META), None),
    "meta empty": (content(META, b""), META),
    "meta a directory": (content(META, None), META),
    "meta a list": (content(META, b"[]"), META),
    "meta not UTF-8": (content(META, b"\xff"), META),
    "meta without a version": (content(META, b"{}"), META),
    "meta of a number": (content(META, b'{"version": 3}'), META),
    "meta of a short version": (content(META, b'{"version": "2"}'), META),
    "meta of words": (content(META, b'{"version": "a.b.c"}'), META),
    "meta with more": (content(META, b'{"version": "2.10.1", "more": 1}'), META),
    "meta deep": (content(META, DEEP), META),
    "config and weights swapped": (swapped(CONFIG, WEIGHTS), CONFIG),
    "weights and meta swapped": (swapped(META, WEIGHTS), META),
    "config and meta swapped": (swapped(META, CONFIG), CONFIG),
    "tokens and weights swapped": (swapped(TOKENS, WEIGHTS), TOKENS),
    "a member more": (content("notes.txt", b"x"), None),
    "a member with a long name": (content("a/" * 40 + "b" * 90, b"x"), None),
}  # fmt: skip


# What is wrong with the container


def raw(change: Callable[[bytearray], Any]) -> Callable[[Parts], bytes]:
    """The tar file with a change, packed."""

    def damaged(parts: Parts) -> bytes:
        tar = bytearray(tar_of(parts))
        changed = change(tar)
        return gzip.compress(bytes(tar if changed is None else changed), 1)

    return damaged


def header(place: int, value: bytes, checksum: bool = True) -> Callable[[Parts], bytes]:
    """The first tar header with other bytes at a place, and the checksum that fits."""

    def change(tar: bytearray) -> None:
        tar[place : place + len(value)] = value
        if checksum:
            tar[148:156] = b" " * 8
            tar[148:156] = b"%06o\0 " % sum(tar[:512])

    return raw(change)


def second_header(value: bytes) -> Callable[[Parts], bytes]:
    """The header of the second member is damaged: tarfile takes it for the end."""

    def damaged(parts: Parts) -> bytes:
        first = next(iter(parts.values())) or b""
        end = 512 + -(-len(first) // 512) * 512
        tar = bytearray(tar_of(parts))
        tar[end : end + len(value)] = value
        return gzip.compress(bytes(tar), 1)

    return damaged


def pax(**headers: str) -> Callable[[Parts], bytes]:
    """With these extended headers."""
    return lambda parts: gzip.compress(
        tar_of(parts, tarfile.PAX_FORMAT, pax_headers=dict(headers)), 1
    )


def broken_pax(record: bytes) -> Callable[[Parts], bytes]:
    """With an extended header of these bytes."""

    def damaged(parts: Parts) -> bytes:
        info = tarfile.TarInfo("x")
        info.type, info.size = tarfile.XHDTYPE, len(record)
        block = info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(-(-len(record) // 512) * 512, b"\0")
        return gzip.compress(block + tar_of(parts), 1)

    return damaged


def zipped(change: Callable[[bytearray], Any]) -> Callable[[Parts], bytes]:
    """The packed archive with a change."""

    def damaged(parts: Parts) -> bytes:
        whole = bytearray(packed(parts))
        changed = change(whole)
        return bytes(whole if changed is None else changed)

    return damaged


def put(place: int, value: bytes) -> Callable[[bytearray], Any]:
    def change(whole: bytearray) -> None:
        start = place if place >= 0 else len(whole) + place
        whole[start : start + len(value)] = value

    return change


HUGE = b"\x80" + (2**62).to_bytes(11, "big")
NEGATIVE = b"\xff" * 12
SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" * 15}

# kind -> the file, and whether the archive still loads.
CONTAINER: dict[str, tuple[Callable[[Parts], bytes], bool]] = {
    "whole": (packed, True),
    "empty file": (lambda parts: b"", False),
    "text": (lambda parts: b"not an archive", False),
    "NULs": (lambda parts: bytes(10_000), False),
    "gzip of nothing": (lambda parts: gzip.compress(b""), False),
    "gzip of text": (lambda parts: gzip.compress(b"not an archive"), False),
    "gzip of NULs": (lambda parts: gzip.compress(bytes(10_240)), False),
    "not packed": (tar_of, False),
    "packed twice": (lambda parts: gzip.compress(packed(parts), 1), False),
    "a zip archive": (lambda parts: parts[WEIGHTS] or b"", False),
    "weights packed": (lambda parts: gzip.compress(parts[WEIGHTS] or b""), False),
    "gzip header alone": (zipped(lambda c: c[:10]), False),
    "gzip cut in the middle": (zipped(lambda c: c[: len(c) // 2]), False),
    "gzip cut before its checksum": (zipped(lambda c: c[:-8]), False),
    "gzip cut by a byte": (zipped(lambda c: c[:-1]), False),
    "gzip checksum wrong": (zipped(put(-8, b"\0\0\0\0")), False),
    "gzip length wrong": (zipped(put(-4, b"\0\0\0\0")), False),
    "gzip method wrong": (zipped(put(2, b"\7")), False),
    "gzip flags wrong": (zipped(put(3, b"\xff")), False),
    "gzip data wrong": (zipped(put(40, b"\0\xff" * 20)), False),
    "bytes after the gzip": (zipped(lambda c: c + b"garbage"), False),
    "NULs after the gzip": (zipped(lambda c: c + bytes(100)), True),
    "a second gzip after it": (zipped(lambda c: c + gzip.compress(b"x" * 600)), False),
    "a second archive after it": (zipped(lambda c: c + c), False),
    "tar without its end": (raw(lambda tar: tar.rstrip(b"\0") + bytes(512)), True),
    "tar cut in a member": (raw(lambda tar: tar[: len(tar) // 2]), False),
    "tar cut in a header": (raw(lambda tar: tar[:300]), False),
    "tar begun late": (raw(lambda tar: tar[100:]), False),
    "header checksum wrong": (header(148, b"0000000\0", checksum=False), False),
    "header checksum no number": (header(148, b"zzzzzzzz", checksum=False), False),
    "header size no number": (header(124, b"zzzzzzzzzzz\0"), False),
    "header size huge": (header(124, HUGE), False),
    "header size negative": (header(124, NEGATIVE), False),
    "header mode no number": (header(100, b"zzzzzzz\0"), False),
    "header mode negative": (header(100, b"\xff" * 8), True),
    "header time huge": (header(136, HUGE), True),
    "header type unknown": (header(156, b"Z"), False),
    "header type sparse": (header(156, b"S"), False),
    "header type link": (header(156, b"2"), False),
    "header type long name": (header(156, b"L"), False),
    "header type global": (header(156, b"g"), False),
    "header name empty": (header(0, bytes(100)), False),
    "header name not UTF-8": (header(0, b"\xff\xfe\xed\xa0\x80" + bytes(50)), False),
    "header name with dots": (header(0, b"../config.json" + bytes(50)), False),
    "header name too long": (header(345, b"a" * 155), False),
    "header magic wrong": (header(257, b"xxxxx"), True),
    "second header damaged": (second_header(b"\xff" * 512), False),
    "second header NULs": (second_header(bytes(512)), False),
    "second header checksum": (second_header(b"x"), False),
    "pax": (pax(comment="x"), True),
    "pax size no number": (pax(size="x"), False),
    "pax size negative": (pax(size="-512"), False),
    "pax size huge": (pax(size="9" * 30), False),
    "pax path outside": (pax(path="/etc/x"), False),
    "pax sparse": (pax(**SPARSE), False),
    "pax sparse map": (pax(**{"GNU.sparse.map": "0,1,x"}), False),
    "pax time no number": (pax(mtime="x"), True),
    "pax charset": (pax(hdrcharset="BINARY", path="config.json"), False),
    "pax record without a length": (broken_pax(b"path=x\n"), True),
    "pax record of length 0": (broken_pax(b"0 path=x\n"), False),
    "pax record too long": (broken_pax(b"999 path=x\n"), False),
    "pax record cut": (broken_pax(b"20 path"), True),
    "pax record of NULs": (broken_pax(bytes(100)), True),
    "pax record not UTF-8": (broken_pax(b"12 path=\xff\xfe\xfd\n"), False),
}


def at_random(parts: Parts, random: Random) -> tuple[str, bytes]:
    """A damaged archive, and what was done to it."""
    place = random.choice(["file", "tar", *(name for name, value in parts.items() if value)])
    if place == "file":
        return place, damaged_bytes(packed(parts), random)
    if place == "tar":
        return place, gzip.compress(damaged_bytes(tar_of(parts), random), 1)
    if random.random() < 0.1:
        return f"no {place}", packed(without(place)(parts))
    return place, packed(edited(place, lambda value: damaged_bytes(value, random))(parts))


def damaged_bytes(whole: bytes, random: Random) -> bytes:
    """These bytes with one to four changes."""
    changed = bytearray(whole)
    for _ in range(random.randint(1, 4)):
        begin = random.randrange(len(changed) + 1)
        end = min(len(changed), begin + int(2 ** random.uniform(0, 12)))
        how = random.randrange(8)
        if how == 0:
            del changed[begin:]
        elif how == 1:
            del changed[begin:end]
        elif how == 2:
            changed[begin:begin] = changed[begin:end]
        elif how == 3:
            changed[begin:end] = random.randbytes(end - begin)
        elif how == 4 and begin < len(changed):
            changed[begin] ^= 1 << random.randrange(8)
        elif how == 5:
            changed[begin:end] = bytes(end - begin)
        elif how == 6:
            changed[begin : begin + 4] = struct.pack("<I", random.choice([0, 2**31, 2**32 - 1]))
        else:
            changed[begin:begin] = random.choice(
                [b"\xff", b"-1", b"9" * 20, b'"', b"{", b"null", b"\n", b"\xed\xa0\x80", b"1e999"]
            )
    return bytes(changed)
