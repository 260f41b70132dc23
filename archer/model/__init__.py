"""MAD's two backbones with a population axis: P models in one module."""

from archer.model.backbone import AutoEncoder, Backbone, LanguageModel, build, extract
from archer.model.config import ModelConfig

__all__ = ["AutoEncoder", "Backbone", "LanguageModel", "ModelConfig", "build", "extract"]
