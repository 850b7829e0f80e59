"""Solvers, one a file: values with ``init`` and ``step``, and schedules of their rates."""

from sinefield.solvers.adam import Adam
from sinefield.solvers.broyden import Broyden
from sinefield.solvers.gauss_newton import GaussNewton
from sinefield.solvers.lbfgs import LBFGS
from sinefield.solvers.least_squares import LeastSquares
from sinefield.solvers.muon import Muon, orthogonalise
from sinefield.solvers.particular_solutions import ParticularSolutions
from sinefield.solvers.prepared import Prepared
from sinefield.solvers.schedule import Constant, Cosine, Schedule
from sinefield.solvers.soap import Soap
from sinefield.solvers.solver import Solver, State, Tensors
from sinefield.solvers.spring import Spring
from sinefield.solvers.torch_optimiser import TorchOptimiser
from sinefield.solvers.variable_projection import VariableProjection
from sinefield.solvers.wrappers import Averaged, BestSoFar, Clipped

__all__ = [
    "LBFGS",
    "Adam",
    "Averaged",
    "BestSoFar",
    "Broyden",
    "Clipped",
    "Constant",
    "Cosine",
    "GaussNewton",
    "LeastSquares",
    "Muon",
    "ParticularSolutions",
    "Prepared",
    "Schedule",
    "Soap",
    "Solver",
    "Spring",
    "State",
    "Tensors",
    "TorchOptimiser",
    "VariableProjection",
    "orthogonalise",
]
