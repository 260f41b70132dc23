"""A language model as proposer, through any OpenAI-compatible chat-completions endpoint."""

from archer.research.llm.budget import Budget
from archer.research.llm.endpoint import Endpoint
from archer.research.llm.patience import Patience
from archer.research.llm.proposer import LLMProposer
from archer.research.llm.terms import Terms

__all__ = ["Budget", "Endpoint", "LLMProposer", "Patience", "Terms"]
