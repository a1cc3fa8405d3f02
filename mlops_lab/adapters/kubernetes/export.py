"""How does the model server run on Kubernetes: as Kustomize files?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mlops_lab.base.errors import InvalidDefinition

#: The image that exports name when they are not told one: nobody's, so it cannot be pulled by mistake.
IMAGE = "registry.example.com/late-flights:v1"

_FILES = Path(__file__).parent / "kubernetes_files"
# https://github.com/distribution/reference: host[:port]/path:tag, or @sha256:digest.
_NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*"
_IMAGE = re.compile(rf"(?P<name>{_NAME})(?::(?P<tag>\w[\w.-]{{0,127}})|@(?P<digest>sha256:[0-9a-f]{{64}}))", re.ASCII)


def check_image(image: str) -> Mapping[str, str]:
    """The parts of an image's reference: `name`, and `tag` or `digest`.

    Raises:
        InvalidDefinition: it is no reference, or one without a tag or digest, which would mean another image tomorrow.

    >>> check_image("ghcr.io/ada/late-flights:v3")
    {'name': 'ghcr.io/ada/late-flights', 'tag': 'v3'}
    """
    found = _IMAGE.fullmatch(image) if len(image) < 512 else None
    if found is None:
        raise InvalidDefinition(
            f"{image[:80]!r} is no image with a tag or a digest; write for example ghcr.io/ada/model:v3 or "
            "model@sha256:…"
        )
    return {key: value for key, value in found.groupdict().items() if value}


def to_kubernetes(*, image: str = IMAGE, challenger: str | None = None) -> dict[str, str]:
    """A Kustomize base with overlays, as texts by their paths.

    `base` has the Deployment with probes, resources and security context, its Service, autoscaler, disruption budget
    and network policy; `overlays` has staging, production, and production with a canary by a second Deployment, by Argo
    Rollouts, or by KServe in the place of all that. The image holds code and model under one digest.

    Args:
        image: the image of the server, with a tag or a digest.
        challenger: the image of the canary; the same as `image` when left out.

    Raises:
        InvalidDefinition: an image that cannot be one.

    >>> files = to_kubernetes(image="ghcr.io/ada/late-flights:v3")
    >>> sorted(name for name in files if name.startswith("overlays/staging"))
    ['overlays/staging/kustomization.yaml']
    >>> [line.strip() for line in files["base/kustomization.yaml"].splitlines() if "new" in line]
    ['newName: ghcr.io/ada/late-flights', 'newTag: v3']

    See Also:
        https://kubectl.docs.kubernetes.io/references/kustomize/
    """
    stable = check_image(image)
    other = check_image(challenger) if challenger is not None else stable
    texts = {path.relative_to(_FILES).as_posix(): path.read_text("utf-8") for path in sorted(_FILES.rglob("*.*"))}
    return {name: _filled(text, stable, other, image) for name, text in texts.items()}


def _filled(text: str, stable: Mapping[str, str], challenger: Mapping[str, str], image: str) -> str:
    chosen = challenger if "CHALLENGER_TAG" in text else stable
    text = text.replace("IMAGE_NAME:IMAGE_TAG", image)
    text = text.replace("newTag: CHALLENGER_TAG", "newTag: IMAGE_TAG").replace("IMAGE_NAME", chosen["name"])
    version = f"newTag: {_quoted(chosen['tag'])}" if "tag" in chosen else f"digest: {chosen['digest']}"
    return text.replace("newTag: IMAGE_TAG", version)


def _quoted(tag: str) -> str:
    """A tag as YAML text: 1.10 and 0x1 are numbers there, and `no` is false."""
    return tag if re.fullmatch(r"v[0-9][\w.-]*", tag, re.ASCII) else f'"{tag}"'
