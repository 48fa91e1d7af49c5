"""What the console and the sandbox's pages share: the look and the script that keeps them live."""

from pathlib import Path

SHARED = Path(__file__).with_name("static")
"""The folder of `look.css` and `live.js`."""
