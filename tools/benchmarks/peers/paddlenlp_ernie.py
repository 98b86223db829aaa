"""Steps of paddlenlp's ErnieForMaskedLM with dropout 0.1, AdamW and clipping, as its users train it.

usage: paddlenlp_ernie.py BATCHES CONFIG fp32
"""

import json
import sys
from pathlib import Path

import paddle
from paddlenlp.transformers import ErnieConfig, ErnieForMaskedLM

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import IGNORED, read_batches
from stepping import serve


def main() -> None:
    folder, config, _ = sys.argv[1:]
    sizes = json.loads(Path(config).read_text())
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")
    intermediate = 4 * sizes["hidden_size"]
    model = ErnieForMaskedLM(
        ErnieConfig(**{name: sizes[name] for name in names}, intermediate_size=intermediate, hidden_act="gelu")
    )
    model.train()
    optimizer = paddle.optimizer.AdamW(
        1e-4, parameters=model.parameters(), weight_decay=0.01, grad_clip=paddle.nn.ClipGradByGlobalNorm(1.0)
    )
    batches = read_batches(Path(folder))

    def step(number: int) -> int:
        batch = batches[number % len(batches)]
        ids, lengths = paddle.to_tensor(batch["ids"]), batch["lengths"]
        mask = paddle.to_tensor((paddle.arange(ids.shape[1]).numpy()[None, :] < lengths[:, None]).astype("int64"))
        logits = model(input_ids=ids, attention_mask=mask)
        labels = paddle.to_tensor(batch["labels"])
        loss = paddle.nn.functional.cross_entropy(
            logits.reshape([-1, sizes["vocab_size"]]), labels.reshape([-1]), ignore_index=IGNORED
        )
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        return int(lengths.sum())

    serve(step)


main()
