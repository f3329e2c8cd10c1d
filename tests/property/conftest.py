"""The two ways to run the laws: `explore` draws new examples at every run, `ci` the same at every
run. `ci` is taken where the environment variable `CI` is set; `--hypothesis-profile` overrides it.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "explore",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
settings.register_profile(
    "ci",
    settings.get_profile("explore"),
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
settings.load_profile("ci" if os.environ.get("CI") else "explore")
