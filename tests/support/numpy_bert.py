"""BERT written out in numpy, on the files of Hugging Face: a second opinion on vectors."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from scipy.special import erf, softmax
from tokenizers import Tokenizer


class NumpyBert:
    """A BERT with gelu, read from its folder. It knows nothing of padding: each text is computed alone."""

    def __init__(self, folder: Path, heads: int, epsilon: float):
        self.heads, self.epsilon = heads, epsilon
        self.tensors = {name: np.float64(value) for name, value in load_file(folder / "model.safetensors").items()}
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(len(self.tensors["embeddings.position_embeddings.weight"]))

    def tokens(self, text: str, second: str | None = None) -> np.ndarray:
        """Return the last layer's outputs of a text or pair, [tokens, hidden]."""
        encoding = self.tokenizer.encode(text, second)
        tables = {"word": encoding.ids, "position": range(len(encoding.ids)), "token_type": encoding.type_ids}
        rows = (self.tensors[f"embeddings.{name}_embeddings.weight"][list(ids)] for name, ids in tables.items())
        x = self.norm(sum(rows), "embeddings.LayerNorm")
        layers = 1 + max(int(name.split(".")[2]) for name in self.tensors if name.startswith("encoder.layer."))
        for number in range(layers):
            x = self.layer(x, f"encoder.layer.{number}")
        return x

    def pooled(self, text: str) -> np.ndarray:
        """Return the first token through the pooler, [hidden]."""
        return np.tanh(self.dense(self.tokens(text)[0], "pooler.dense"))

    def layer(self, x: np.ndarray, name: str) -> np.ndarray:
        query, key, value = (
            self.dense(x, f"{name}.attention.self.{part}").reshape(len(x), self.heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        shares = softmax(query @ key.swapaxes(1, 2) / np.sqrt(query.shape[-1]), axis=-1)
        context = (shares @ value).swapaxes(0, 1).reshape(x.shape)
        x = self.norm(x + self.dense(context, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        inner = self.dense(x, f"{name}.intermediate.dense")
        inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
        return self.norm(x + self.dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def dense(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + self.epsilon)
        return x * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"]
