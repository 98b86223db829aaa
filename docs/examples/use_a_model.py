"""Use models from Python, in cells for a notebook or an editor. Run it after the examples of the README."""

# %% Vectors of texts
from ernie_paddle import Encoder, Predictor, UserError, evaluate, export, finetune, load_recipe

encoder = Encoder.load("runs/news")
texts = ["价格便宜，质量很好。", "质量好，也不贵。", "国务院召开会议。"]
vectors = encoder.encode(texts, normalize=True)
print("cosine of the first text and the others:", (vectors[1:] @ vectors[0]).round(2))

# %% Vectors of each token, and of pairs of texts
(tokens,) = encoder.encode(["价格便宜"], pooling="tokens")
print("tokens and hidden size:", tokens.shape)
print("pairs:", encoder.encode([("价格", "便宜"), ("质量", "很好")], pooling="cls").shape)

# %% Words for a mask
for candidate in encoder.fill_mask("中国人[MASK]共和国", top=3):
    print(f"{candidate.probability:.3f}", candidate.text)

# %% Predictions in words
predictor = Predictor.load("runs/reviews")
for prediction in predictor.predict(["很好，下次还来。", "太差了，不会再买。"]):
    print(prediction.as_record())

# %% Scores on a labelled set, without training
for name, scores in evaluate("runs/reviews", "reviews.yaml").items():
    print(name, scores.values, "of", scores.count)

# %% Fine-tune with another seed, and export the best model
recipe = load_recipe("reviews.yaml", "base", ["train.seed=2", "epochs=1"])
result = finetune(recipe, "runs/news", "runs/reviews_seed_2", resume="auto")
print("best step:", result["step"])
exported = export("runs/reviews_seed_2", "exported_seed_2")
print("largest difference of the export:", exported.difference)

# %% A mistake is one sentence
try:
    predictor.predict([{"text_a": "很好", "text_c": "？"}])
except UserError as error:
    print("error:", error)
