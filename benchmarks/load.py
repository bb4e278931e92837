"""How many requests a served model answers, with 1, 8 and 32 clients on loopback.

    python benchmarks/load.py MODEL CORPUS

Each client sends one sentence of the corpus after the other and waits for each answer. Every answer
is compared with that of `extract`: the same entities and relations, probabilities within 1e-4. The
service is a process of its own. On a machine that does other things, too, the figures are too low.
At last the service is killed again and again under load, and started anew: clients may see errors,
but no wrong answer. Prints Markdown.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

import httpx

import joint_ner_re

ROOT = Path(__file__).parents[1]
CLIENTS = (1, 8, 32)
# Other texts in a batch change the last digits of a probability.
TOLERANCE = 1e-4


class Load(NamedTuple):
    """What some clients saw: the seconds of each request, wrong answers, errors, and the memory."""

    seconds: list[float]
    different: int
    errors: int
    elapsed: float
    megabytes: float


def main() -> None:
    """Start the service, put each load on it, stop it, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", help="an exported directory, or an archive")
    parser.add_argument("corpus", help="a corpus, whose sentences are sent as texts")
    parser.add_argument("--seconds", type=float, default=60, help="for each number of clients")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument(
        "--kills", type=int, default=3, help="so often the service is killed under load"
    )
    parser.add_argument("--texts", type=int, default=200, help="how many different texts")
    args = parser.parse_args()
    sentences = joint_ner_re.read_corpus(args.corpus)
    texts = [text for s, _ in zip(sentences, range(args.texts)) if (text := s.with_text().text)]
    extractor = joint_ner_re.load(args.model)
    # The first text takes longest: it makes the tokenizer.
    extractor("Ready.")
    begin = time.perf_counter()
    expected = [document.to_dict() for document in extractor.extract_many(texts)]
    rate = len(texts) / (time.perf_counter() - begin)
    print(f"`extract` alone: {rate:,.0f} texts/s\n")
    process, address = started(args.model)
    print("| clients | requests/s | p50, ms | p99, ms | errors | different answers | memory, MB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    try:
        for clients in args.clients:
            found = load(address, texts, expected, clients, after(args.seconds), process.pid)
            cuts = quantiles(found.seconds, n=100)
            print(
                f"| {clients} | {len(found.seconds) / found.elapsed:,.0f} | {1e3 * cuts[49]:.0f} "
                f"| {1e3 * cuts[98]:.0f} | {found.errors} | {found.different} "
                f"| {found.megabytes:.0f} |",
                flush=True,
            )
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    print(f"\nThe service ended with the status {status}.")
    if args.kills:
        found = load_with_kills(args.model, texts, expected, args.kills)
        print(
            f"\nKilled {args.kills} times with 8 clients: {len(found.seconds):,} answers, "
            f"{found.different} of them different; {found.errors:,} requests without an answer."
        )


def load_with_kills(
    model: str,
    texts: Sequence[str],
    expected: Sequence[dict[str, Any]],
    kills: int,
    clients: int = 8,
    every: float = 5,
) -> Load:
    """Kill the service under load and start it again, at the same address.

    # Parameters

    model : `str`
    texts, expected : `Sequence`
        As for `load`.
    kills : `int`
        How often.
    clients : `int`, optional (default = `8`)
    every : `float`, optional (default = `5`)
        Seconds from a start to the kill, and from the last start to the end.
    """
    process, address = started(model)
    port = int(address.rstrip("/").rpartition(":")[2])
    done = threading.Event()
    result: list[Load] = []

    def put() -> None:
        result.append(load(address, texts, expected, clients, done.is_set, process.pid))

    thread = threading.Thread(target=put)
    thread.start()
    try:
        for _ in range(kills):
            time.sleep(every)
            process.kill()
            process.wait()
            process, _ = started(model, port)
        time.sleep(every)
    finally:
        done.set()
        thread.join()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return result[0]


def started(model: str, port: int = 0) -> tuple[subprocess.Popen[str], str]:
    """A process that serves the model, on a free port if none is given, and its address.

    # Raises

    `SystemExit`
        If it does not start; its own message stands above.
    """
    command = [sys.executable, "-m", "joint_ner_re", "serve", model, "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"serving at (\S+)", line):
            return process, found[1]
    raise SystemExit(f"the service ended with the status {process.wait()}")


def load(
    address: str,
    texts: Sequence[str],
    expected: Sequence[dict[str, Any]],
    clients: int,
    is_over: Callable[[], bool],
    pid: int,
) -> Load:
    """Have clients send texts at the same time.

    # Parameters

    address : `str`
        Of the service.
    texts : `Sequence[str]`
    expected : `Sequence[dict[str, Any]]`
        The record of each text.
    clients : `int`
        How many at once, each with a connection of its own.
    is_over : `Callable[[], bool]`
        Whether a client asks no more.
    pid : `int`
        The service's process, whose memory is read where `/proc` exists.
    """
    took: list[float] = []
    wrong: list[int] = []
    failed: list[str] = []

    def client(first: int) -> None:
        with httpx.Client(timeout=120) as session:
            place = first
            while not is_over():
                number = place % len(texts)
                begin = time.perf_counter()
                try:
                    answer = session.post(f"{address}extract", json={"text": texts[number]})
                    answer.raise_for_status()
                except httpx.HTTPError as error:
                    failed.append(str(error))
                    # A service that is down refuses at once.
                    time.sleep(0.02)
                    continue
                took.append(time.perf_counter() - begin)
                if not is_same(answer.json(), expected[number]):
                    wrong.append(number)
                place += 1

    begin = time.perf_counter()
    threads = [
        threading.Thread(target=client, args=(n * len(texts) // clients,)) for n in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begin
    return Load(took, len(wrong), len(failed), elapsed, memory_of(pid))


def after(seconds: float) -> Callable[[], bool]:
    """A function that tells whether so many seconds are over."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


def is_same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether two records differ by rounding at most."""
    for name in ("entities", "relations"):
        pairs = list(zip(found[name], expected[name]))
        if len(found[name]) != len(expected[name]):
            return False
        if any({**a, "score": 0} != {**b, "score": 0} for a, b in pairs):
            return False
        if any(abs(a["score"] - b["score"]) > TOLERANCE for a, b in pairs):
            return False
    names = ("id", "text", "tokens", "offsets", "sentences")
    return all(found[name] == expected[name] for name in names)


def memory_of(pid: int) -> float:
    """The memory that a process holds, in MB; NaN where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return float("nan")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1e3 if found else float("nan")


if __name__ == "__main__":
    main()
