"""Fields Φ: networks with sine activations, those they are compared with, and fields made of others."""

from sinefield.fields.siren import Siren, siren_initialisation  # in the order in which networks are told

# isort: split
from sinefield.fields.perceptron import Perceptron

# isort: split
from sinefield.fields.activations import Activation, Pointwise, Sine, activation
from sinefield.fields.chain import Affine, Chain, SquaredDistances
from sinefield.fields.compose import Composite, Constant, Formula, Product, Readout, Sum
from sinefield.fields.coordinates import AffineMap, Periodic, Restriction
from sinefield.fields.distance import Distance
from sinefield.fields.expansion import Columns, Expansion
from sinefield.fields.field import NETWORKS, Field, build, evaluating, register
from sinefield.fields.modes import Modes
from sinefield.fields.network import Network
from sinefield.fields.tiled import TiledSiren
from sinefield.fields.window import Window

__all__ = [
    "NETWORKS",
    "Activation",
    "Affine",
    "AffineMap",
    "Chain",
    "Columns",
    "Composite",
    "Constant",
    "Distance",
    "Expansion",
    "Field",
    "Formula",
    "Modes",
    "Network",
    "Perceptron",
    "Periodic",
    "Pointwise",
    "Product",
    "Readout",
    "Restriction",
    "Sine",
    "Siren",
    "SquaredDistances",
    "Sum",
    "TiledSiren",
    "Window",
    "activation",
    "build",
    "evaluating",
    "register",
    "siren_initialisation",
]
