"""What Ringnote does, measured as ratios against the least that it could cost: `make bench`.

The real PostgreSQL that it runs on is started by the module that tests start theirs with.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

sys.path.append(str(ROOT / "tests"))
