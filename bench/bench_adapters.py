"""How often each adapter's answers can be read: disturbed answers, and those of the embedded model. `make bench-adapters`.

    python bench/bench_adapters.py [--model openai/gpt-4o-mini] [--failures]

With `--model`, the shapes are asked of that model instead (one call per adapter and shape, so some 250 in all).
"""

from __future__ import annotations

import argparse

import whet
from whet.testing.adapter_suite import adapter_suite


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="ask this model instead of the embedded one")
    parser.add_argument("--failures", action="store_true", help="list every answer that could not be read")
    options = parser.parse_args()
    reports = {} if options.model else {"answers disturbed as models do it": adapter_suite()}
    name = options.model or "embedded"
    reports[f"answers of the model {name!r} (right: what the input states, which a real model copies)"] = adapter_suite(whet.LM(name))
    for title, report in reports.items():
        print(f"\n{title}\n{report}")
        if options.failures:
            for score in report.scores:
                for where, why in score.failures:
                    print(f"  {score.adapter}: {where}: {why}")


if __name__ == "__main__":
    main()
