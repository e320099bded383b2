"""Published search networks in plain PyTorch, written anew; modules and attributes are named as published.

What other projects run: the baseline of benchmarks, and what `efficient_nas.supernet.fuse` is tested on.
"""
