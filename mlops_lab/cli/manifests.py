"""How are Kubernetes manifests checked from a terminal?"""

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
      mlops-lab manifests rules
    """


@manifests.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def check(paths: tuple[str, ...], as_json: bool) -> None:
    r"""Check files and folders of manifests; `-` reads standard input.

    Finds selectors that choose no pod, ports that cannot be, amounts that are none, probes that ask nothing or ask a
    port nobody named, mounts without a volume, updates that can never begin. It needs no cluster. Use it beside a
    schema check (kubernetes-validate --strict), which it does not replace.

    \b
    Exit codes: 0 nothing found, 1 something found, or a file that cannot be read
    """
    from mlops_lab.adapters.kubernetes.manifests import check_manifests, read_manifests

    objects = read_manifests(paths)
    found = check_manifests(manifests=objects)
    told = {"objects": len(objects), "findings": [each.to_dict() for each in found]}
    if not as_json:
        for each in found:
            click.echo(repr(each))
    if found:
        many = "1 defect" if len(found) == 1 else f"{len(found)} defects"
        raise Stopped(f"{many} in {len(objects)} objects.", code=1, kind="ManifestDefects", told=told)
    if as_json:
        print_json(told)
    else:
        click.echo(f"{len(objects)} objects, nothing found.")


@manifests.command()
def rules() -> None:
    """Every rule and what it looks for."""
    from mlops_lab.adapters.kubernetes.manifests import RULES
    from mlops_lab.cli.answers import columns

    click.echo(columns(list(RULES.items())))
