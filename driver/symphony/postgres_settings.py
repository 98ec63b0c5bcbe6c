"""The server settings of a Symphony database, sized for the machine, and the check that it is durable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from symphony.operator_error import OperatorError
from symphony.postgres_binaries import Account, Binaries, run_as

FILE = "symphony.conf"

# A setting with another value than these could lose an acknowledged payment in a crash.
_DURABLE: Mapping[str, frozenset[str]] = {
    "fsync": frozenset({"on"}),
    "synchronous_commit": frozenset({"on", "remote_apply"}),
    "full_page_writes": frozenset({"on"}),
}

_FIXED: Mapping[str, str] = {
    # Reached over loopback only, never through a socket file that another account could reach.
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "wal_buffers": "32MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "work_mem": "16MB",
    # Partitioned ledgers: one statement may lock hundreds of partitions and indexes.
    "max_locks_per_transaction": "256",
    "autovacuum_naptime": "5s",
    "track_functions": "all",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_file_mode": "0600",
    "log_rotation_age": "1d",
    "log_truncate_on_rotation": "on",
    "log_line_prefix": "%m [%p] %q%u@%d %a %e ",
    "log_checkpoints": "on",
    "log_lock_waits": "on",
    # No personal data in the log: not in statements, parameters, or the DETAIL of a constraint violation.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


def memory_mib() -> int:
    """Return this machine's memory in MiB, or the control group's limit when that is lower."""
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        return min(size, int(limit) // 2**20)
    except (OSError, ValueError):
        return size


def defaults(binaries: Binaries, account: Account) -> dict[str, str]:
    """Return our settings: shared_buffers a quarter of the memory, 8 GiB at most, WAL compressed where built in."""
    memory = memory_mib()
    built_with = run_as(account, [binaries.program("pg_config"), "--configure"]).stdout
    return {
        **_FIXED,
        "shared_buffers": f"{max(16, min(8192, memory // 4))}MB",
        "effective_cache_size": f"{max(64, memory // 2)}MB",
        "maintenance_work_mem": f"{max(32, min(512, memory // 32))}MB",
        "wal_compression": "lz4" if "--with-lz4" in built_with else "on",
    }


def write(data: Path, *, port: int, settings: Mapping[str, str], account: Account) -> None:
    """Write DIR/symphony.conf, which postgresql.conf includes, in one rename."""
    lines = ["# Written by symphony db start at every start. Put your own settings into postgresql.conf, below"]
    lines += ["# its include of this file.", f"port = {port}"]
    for name, value in sorted(settings.items()):
        lines.append(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'")
    place_file(data / FILE, "\n".join(lines) + "\n", account=account)


def include(data: Path) -> None:
    """Make postgresql.conf read DIR/symphony.conf (once, after initdb)."""
    with (data / "postgresql.conf").open("a", encoding="utf-8") as config:
        config.write(f"\ninclude '{FILE}'  # settings of symphony db start; what you write below wins\n")


def place_file(path: Path, text: str, *, account: Account) -> None:
    """Write a file of the service account, mode 0600, in one rename."""
    staging = path.with_name(path.name + ".new")
    staging.unlink(missing_ok=True)
    handle = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        if account.drop:
            os.fchown(file.fileno(), account.uid, account.gid)
    staging.rename(path)


def check_durable(binaries: Binaries, data: Path, account: Account) -> None:
    """Refuse a configuration that could lose an acknowledged commit.

    Raises:
        OperatorError: NOT_DURABLE naming the setting; CONFIGURATION_INVALID when the files cannot be read.
    """
    for name, allowed in _DURABLE.items():
        asked = run_as(account, [binaries.program("postgres"), "-D", str(data), "-C", name])
        if asked.returncode != 0:
            raise OperatorError(
                "CONFIGURATION_INVALID",
                thing=str(data / "postgresql.conf"),
                reason=" ".join(asked.stderr.split()),
                next_action="correct the named setting",
            )
        value = asked.stdout.strip()
        if value not in allowed:
            raise OperatorError(
                "NOT_DURABLE",
                thing=f"{name} = {value}",
                reason="a crash could then lose a payment that was acknowledged",
                next_action=f"take {name} out of postgresql.conf and postgresql.auto.conf in {data}",
            )
