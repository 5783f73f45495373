"""Packaging: the metadata of seqkit. Tool settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'__version__ = "(.+?)"', (here / "seqkit" / "__init__.py").read_text())[1]

# tensorflow-text is compiled against one minor version of TensorFlow and refuses any other, so both move together.
# It has wheels for Linux and for Macs with an M processor only; elsewhere the pipelines that read text are left out.
TENSORFLOW = "~=2.21.0"
HAS_TEXT = "sys_platform == 'linux' or (sys_platform == 'darwin' and platform_machine == 'arm64')"

extras = {
    "pages": ["scipy>=1.13"],
    "train": ["scikit-learn>=1.5", "sacrebleu>=2.5", "jiwer>=4", "py3langid>=0.4"],
    "plot": ["matplotlib>=3.9"],
}
extras["test"] = [
    *extras["train"],
    *extras["plot"],
    "pytest>=8",
    "pytest-xdist>=3.6",
    "librosa>=0.11",
    "soxr>=0.5",
    "scipy>=1.13",
    "pandas>=2.2",
    "polars>=1",
    "nbclient>=0.10",
    "ipykernel>=6",
    "ruff>=0.12",
    "build>=1.2",
    "onnxruntime>=1.20",
    "tf2onnx>=1.16",
]
extras["all"] = sorted({requirement for extra in extras.values() for requirement in extra})

setup(
    name="seqkit",
    version=version,
    description="Ready-made recurrent pipelines for language and speech, in Keras and TensorFlow",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["seqkit", "seqkit.*"]),
    package_data={"seqkit": ["weights/*/*", "weights/*/assets/*"]},
    install_requires=[
        f"tensorflow{TENSORFLOW}",
        f"tensorflow-text{TENSORFLOW}; {HAS_TEXT}",
        "keras>=3.12,<3.16",  # tested with 3.12.4, the last for Python 3.10, and with 3.15.1
        "sentencepiece>=0.2",
        "sentencex>=1.0",
        "numpy>=2",
        "h5py>=3.11",
        "Pillow>=11",
        "soundfile>=0.13",
        "rich>=13",
        "click>=8.1",
    ],
    extras_require=extras,
    entry_points={"console_scripts": ["seqkit=seqkit.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Text Processing :: Linguistic",
    ],
)
