"""Priors over fields: a field whose weights are a function of a latent, so that few samples find it."""

from sinefield.priors.contexts import Contexts, context_of, random_masks
from sinefield.priors.encoders import AttentionEncoder, ConvolutionalEncoder, GuessEncoder, SetEncoder
from sinefield.priors.hypernetwork import Generator, Hypernetwork, LastLayer
from sinefield.priors.meta import Start, train_start
from sinefield.priors.modulation import Amplitudes, Shifts
from sinefield.priors.prior import Completion, Prior
from sinefield.priors.training import problem_of, train
from sinefield.priors.warm import begun_from

__all__ = [
    "Amplitudes",
    "AttentionEncoder",
    "Completion",
    "Contexts",
    "ConvolutionalEncoder",
    "Generator",
    "GuessEncoder",
    "Hypernetwork",
    "LastLayer",
    "Prior",
    "SetEncoder",
    "Shifts",
    "Start",
    "begun_from",
    "context_of",
    "problem_of",
    "random_masks",
    "train",
    "train_start",
]
