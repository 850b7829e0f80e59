from . import checkpoint as checkpoint
from . import fields as fields
from . import geometry as geometry
from . import metrics as metrics
from . import plots as plots
from . import problems as problems
from . import recipe as recipe
from . import solvers as solvers
from .checkpoint import load as load
from .constraint import Constraint as Constraint
from .cost import estimate as estimate
from .domains import Ball as Ball
from .domains import Box as Box
from .domains import Grid as Grid
from .domains import PointCloud as PointCloud
from .fields import Siren as Siren
from .fields import build as build
from .jet import Jet as Jet
from .jet import jet as jet
from .many import batched as batched
from .many import serial as serial
from .many import solve_many as solve_many
from .problem import Problem as Problem
from .recipe import Recipe as Recipe
from .solution import Solution as Solution
from .solve import solve as solve

__version__: str
