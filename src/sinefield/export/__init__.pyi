from . import formats as formats
from .onnx_graph import onnx as onnx
from .subject import Subject as Subject
