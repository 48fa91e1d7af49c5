"""Descriptions that are shipped: to use, or to begin one's own with."""

from pathlib import Path

HERE = Path(__file__).parent


def examples() -> dict[str, str]:
    """Their texts by name."""
    return {each.stem: each.read_text() for each in sorted(HERE.glob("*.toml"))}
