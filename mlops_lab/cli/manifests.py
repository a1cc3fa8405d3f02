"""The command that checks Kubernetes manifests."""

from __future__ import annotations

import click

from mlops_lab.cli.answers import Stopped, print_json
from mlops_lab.cli.catalogue import SETTINGS, Family


@click.group("manifests", cls=Family, context_settings=SETTINGS)
def manifests() -> None:
    r"""Kubernetes manifests: find what a schema lets through.

    \b
    Examples:
      mlops-lab manifests check deploy/base
      kubectl kustomize deploy/overlays/production | mlops-lab manifests check -
    """


@manifests.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def check(paths: tuple[str, ...], as_json: bool) -> None:
    r"""Check how the objects in files and folders hang together; `-` reads standard input.

    Finds selectors that choose no pod, ports asked for by a name that nobody gave, mounts without a volume, autoscalers
    of nothing, and budgets that no node can be drained under. It needs no cluster. Types and fields are seen by
    kubernetes-validate --strict, security by checkov, and values by kubectl apply --dry-run=server.

    \b
    Exit codes: 0 nothing found, 1 something found, or a file that cannot be read
    """
    from mlops_lab.adapters.kubernetes.manifests import check_manifests, read_manifests

    objects = read_manifests(paths)
    found = check_manifests(objects)
    findings = [{"path": path, "line": line, "message": message} for path, line, message in found]
    told = {"objects": len(objects), "findings": findings}
    if not as_json:
        for path, line, message in found:
            click.echo(f"{path}:{line}: {message}")
    if found:
        many = "1 defect" if len(found) == 1 else f"{len(found)} defects"
        raise Stopped(f"{many} in {len(objects)} objects.", code=1, kind="ManifestDefects", told=told)
    if as_json:
        print_json(told)
    else:
        click.echo(f"{len(objects)} objects, nothing found.")
