"""Builds `front_ops`: pip install --no-build-isolation ., or python setup.py build_ext --inplace."""

from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

import efficient_nas as nas

setup(
    name="front_ops",
    version="1.0",
    ext_modules=[
        CppExtension(
            "front_ops",
            ["front_ops.cpp"],
            include_dirs=[nas.get_include()],
            extra_compile_args=["-std=c++20"],
        )
    ],
    cmdclass={"build_ext": BuildExtension},
)
