"""The command `symphony`: sub-commands are imported only when they are called."""

from __future__ import annotations

import importlib

import click

from symphony import __version__

_COMMANDS = {
    "bao": "symphony.bao.command:bao",
    "bench": "symphony.bench.command:bench",
    "cell": "symphony.cell_command:cell",
    "cert": "symphony.registrar.certificate_command:cert",
    "client": "symphony.registrar.client_command:client",
    "db": "symphony.postgres_command:db",
    "demo": "symphony.demo.command:demo",
    "drift": "gates.drift_command:drift",
    "evidence": "gates.evidence_command:evidence",
    "gate": "gates.command:gate",
    "ingress": "symphony.ingress.command:ingress",
    "issuer": "symphony.issuer.command:issuer",
    "key": "symphony.registrar.key_command:key",
    "logins": "symphony.logins_command:logins",
    "maintain": "symphony.maintenance_command:maintain",
    "migrate": "symphony.migrate:migrate",
    "policy": "symphony.policy_command:policy_group",
    "rail-sandbox": "symphony.rail_sandbox.command:rail_sandbox",
    "rails": "symphony.rails_command:rails_group",
    "reasons": "symphony.reasons_command:reasons_group",
    "registry": "symphony.registry_sandbox.command:registry",
    "rehearse": "symphony.rehearsal.command:rehearse",
    "resolver": "symphony.resolver.command:resolver",
    "route": "symphony.routing.command:route",
    "routing": "symphony.routing.operator_command:routing_group",
    "sample": "symphony.submission.command:sample",
    "status": "symphony.status_command:status",
    "submit": "symphony.submission.command:submit",
    "trace": "symphony.trace_command:trace",
    "worker": "symphony.worker.command:worker",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module_name, _, attribute = _COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module_name), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{_COMMANDS[cmd_name]} is not a command")
        return command


@click.group(cls=_LazyGroup)
@click.version_option(version=__version__)
def main() -> None:
    """Payment execution and evidence on PostgreSQL."""


if __name__ == "__main__":
    main()
