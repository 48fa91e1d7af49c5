"""Plugins for a test: packages in a folder on the path, each with a connector's entry point."""

from pathlib import Path
from textwrap import dedent

WORKING = """\
    from ringnote.connectors.sandbox import SandboxConnector

    class Made(SandboxConnector):
        name = "{name}"
        title = "Made elsewhere"
"""


def plug_in(folder: Path, name: str, source: str = WORKING, package: str = "acme-pms") -> None:
    """Put into `folder` a package whose module holds `source`, with its class `Made` as the
    connector `name`."""
    module = f"plugin_{package.replace('-', '_')}"
    (folder / f"{module}.py").write_text(dedent(source).replace("{name}", name))
    about = folder / f"{package.replace('-', '_')}-2.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.1\n")
    (about / "entry_points.txt").write_text(f"[ringnote.connectors]\n{name} = {module}:Made\n")
