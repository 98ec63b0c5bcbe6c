"""Run sql/tests with pg_prove against a fresh clone of the template: `python -m tests.pgtap [PATH ...]`."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from symphony.operator_error import OperatorError
from symphony.postgres import Server
from symphony.postgres_throwaway import Cluster

ROOT = Path(__file__).resolve().parents[2]
PG_PROVE = ROOT / ".cache" / "pg_prove" / "usr"
_TOTAL = re.compile(r"^Files=\d+, Tests=(\d+)", re.MULTILINE)
_TROUBLED = re.compile(r"^\S.*\(Wstat: .*Tests: \d+ Failed: (\d+)\)", re.MULTILINE)


def counts(output: str, *, succeeded: bool) -> tuple[int, int]:
    """Return (passed, failed) from the summary of prove.

    A file that died or ran another number of tests than it planned, without a failed assertion, counts as one
    failure; a run that did not succeed counts at least one.
    """
    total = _TOTAL.search(output)
    failures = [int(failed) for failed in _TROUBLED.findall(output)]
    failed = sum(failures)
    passed = (int(total[1]) if total else 0) - failed
    failed += sum(1 for found in failures if found == 0)
    return max(passed, 0), failed if succeeded else max(failed, 1)


def _summary(output: str) -> str:
    """Keep what prove itself says and what failed, without the lines of what passed."""
    lines = output.splitlines(keepends=True)
    begin = next((n for n, line in enumerate(lines) if line.startswith(("All tests", "Test Summary"))), 0)
    return "".join(line for n, line in enumerate(lines) if n >= begin or line.startswith(("not ok", "#", "psql:")))


def prove(server: Server, database: str, files: list[Path], *, tap: Path | None = None) -> tuple[int, int]:
    """Run the files, two at a time, and return (passed, failed); `tap` gets every line they said."""
    environment = {**os.environ, **server.environment(database), "PGOPTIONS": "-c search_path=tap,public"}
    program = "pg_prove"
    if (PG_PROVE / "bin" / "pg_prove").exists():
        program = str(PG_PROVE / "bin" / "pg_prove")
        environment["PERL5LIB"] = str(PG_PROVE / "share" / "perl5")
    command = [
        program,
        "--verbose",
        "--jobs",
        "2",
        "--psql-bin",
        server.binaries.program("psql"),
        *(os.path.relpath(file, ROOT) for file in files),
    ]
    done = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if tap is not None:
        tap.write_text(done.stdout, encoding="utf-8")
    print(_summary(done.stdout), end="", flush=True)
    return counts(done.stdout, succeeded=done.returncode == 0)


def main() -> int:
    """Run everything under sql/tests, or the files named; the last line counts what passed and failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, default=[ROOT / "sql" / "tests"])
    parser.add_argument("--tap", type=Path, help="write every line of the tests to this file")
    parser.add_argument("--counts", type=Path, help="append 'passed failed' to this file")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server is stopped too
    files: list[Path] = []
    for path in arguments.paths:
        files += sorted(path.resolve().rglob("*.sql")) if path.is_dir() else [path.resolve()]
    passed, failed = 0, 0
    if files:
        cluster = Cluster()
        try:
            cluster.start()
            database = cluster.clone()
            passed, failed = prove(cluster.server, database, files, tap=arguments.tap)
            cluster.drop(database)
        except OperatorError as error:
            print(error, file=sys.stderr)
            failed += 1
        finally:
            cluster.stop()
    if arguments.counts:
        with arguments.counts.open("a", encoding="ascii") as tally:
            tally.write(f"{passed} {failed}\n")
    print(f"pgTAP: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
