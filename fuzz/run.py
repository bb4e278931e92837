"""Fuzzing: gives the package much bad input, for a limited time.

    python fuzz/run.py --minutes 20 --seed 7 --only parsers

A section is a function `run(directory: Path, seed: int, seconds: float) -> Result`:

- `directory` is where it may write, and where it keeps inputs that failed.
- `seed` makes it repeatable. Each failure names the seed.
- `seconds` is about how long it may take. Work that is left then counts as a failure.
- `Result`, in `results.py`, is a table of numbers and a list of failures.

To add a section, add a module with such a function here, and its name to `SECTIONS`. The results go
to `build/fuzz/results.json` and `build/fuzz/results.md`. The exit status is 1 if anything failed.
"""

import argparse
import importlib
import os
import platform
import random
import sys
import time
from pathlib import Path

# Tensors are small here, and other processes need the remaining cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from results import Result, as_markdown, write  # noqa: E402

SECTIONS = ["parsers", "archives", "texts"]
"""Modules of this directory, in the order in which they run."""


def main() -> int:
    """Run the sections. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Give the package damaged and hostile input.")
    parser.add_argument("--minutes", type=float, default=30, help="how long at most (default: 30)")
    parser.add_argument("--seed", type=int, help="repeats an earlier run (default: random)")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="these sections only")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "fuzz")
    arguments = parser.parse_args()
    if arguments.minutes <= 0:
        parser.error(f"--minutes is {arguments.minutes}; expected more than 0")
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed
    names = arguments.only or SECTIONS
    settings = {
        "seed": seed,
        "minutes at most": arguments.minutes,
        "sections": ", ".join(names),
        "Python": platform.python_version(),
    }
    print(f"seed {seed}; to repeat this run: --seed {seed}", flush=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    results: dict[str, Result] = {}
    end = time.monotonic() + 60 * arguments.minutes
    for number, name in enumerate(names):
        share = max(1.0, end - time.monotonic()) / (len(names) - number)
        results[name] = importlib.import_module(name).run(arguments.output, seed, share)
        print("\n" + as_markdown(results[name]), flush=True)
        write(arguments.output, settings, results)
    print(f"{arguments.output / 'results.md'}, {arguments.output / 'results.json'}")
    return int(any(result.failures for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
