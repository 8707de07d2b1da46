"""What `import dspy` finds in the processes that a program under `python -m whet.compat.dspy` starts: whet, as in the program itself.

This folder stands first on their path: test workers, pools and scripts are then one library with who started them.
"""

import sys

import whet
from whet.compat.dspy import install

sys.modules[__name__] = whet
install()
