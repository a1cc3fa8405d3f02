"""The software bill of materials of this Python's environment, as CycloneDX JSON on standard output."""

import json
from importlib.metadata import distributions


def main() -> None:
    """Name, version, licence and package URL of everything that is installed."""
    found = {}
    for one in distributions():
        name, about = one.metadata["Name"], one.metadata
        licence = about.get("License-Expression") or about.get("License") or "NOASSERTION"
        found[name.lower()] = {
            "type": "library",
            "name": name,
            "version": one.version,
            "purl": f"pkg:pypi/{name.lower().replace('_', '-')}@{one.version}",
            "licenses": [{"license": {"name": licence.splitlines()[0][:80]}}],
        }
    components = [found[name] for name in sorted(found)]
    print(
        json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}, indent=1)
    )


main()
