"""Speed and memory of every part: `python -m benchmarks --help`."""
