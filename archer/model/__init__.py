"""MAD's two backbones with a population axis: P models in one module."""

from archer.model.backbone import AutoEncoder, Backbone, LanguageModel
from archer.model.config import ModelConfig
from archer.model.members import build, extract

__all__ = ["AutoEncoder", "Backbone", "LanguageModel", "ModelConfig", "build", "extract"]
