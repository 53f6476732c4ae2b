"""Makes an error of every warning, and of every division by zero.

Expected: full marks on 3.5.
"""

import warnings

warnings.simplefilter("error")
np.seterr(all="raise")
