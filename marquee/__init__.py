"""The installed package: it holds the whole tree, and importing it makes the tree importable.

The modules of the service are named as in a clone (`app`, `config`, `recommender`). At the top of
site-packages such names would collide with those of other packages. Below this one, only processes that
import it see them.
"""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
# In a clone, or an editable installation, the tree is the folder around this one.
_TREE = _HERE if (_HERE / "recommender").is_dir() else _HERE.parent

# First in the path, so that an `app.py` in the current folder is not imported instead.
sys.path.insert(0, str(_TREE))
