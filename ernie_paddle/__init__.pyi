from data_builders.adaptation import AdaptSettings as AdaptSettings
from data_builders.adapting import adapt as adapt
from data_builders.build import build_samples as build_samples
from data_builders.corpora_config import BuildSettings as BuildSettings
from ernie_paddle.config import load_settings as load_settings
from ernie_paddle.errors import UserError as UserError
from ernie_paddle.finetuning.run import finetune as finetune
from ernie_paddle.finetuning.settings import FinetuneSettings as FinetuneSettings
from ernie_paddle.finetuning.settings import load_recipe as load_recipe
from ernie_paddle.inference.encoder import Encoder as Encoder
from ernie_paddle.inference.evaluation import evaluate as evaluate
from ernie_paddle.inference.export import export as export
from ernie_paddle.inference.predictor import Predictor as Predictor
from ernie_paddle.pretraining.run import pretrain as pretrain
from ernie_paddle.pretraining.settings import PretrainSettings as PretrainSettings

__version__: str
