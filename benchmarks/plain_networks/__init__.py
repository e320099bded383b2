"""Published search networks in plain PyTorch, written anew with the published names of modules and attributes.

What other projects run: the baseline of benchmarks, and what `efficient_nas.supernet.fuse` is tested on.
"""
