"""Ringnote in trouble, held to its promises: `make chaos`.

Its processes are killed and stopped, its database goes away, its PMS misbehaves; at the end what
was acknowledged is reckoned up against what stands in the PMS. The real PostgreSQL is started by
the module that tests start theirs with.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

sys.path.append(str(ROOT / "tests"))
