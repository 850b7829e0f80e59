from .conventions import Conventions as Conventions
from .conventions import adopt as adopt
from .layouts import Recognised as Recognised
from .layouts import recognise as recognise
from .weights import read_weights as read_weights
