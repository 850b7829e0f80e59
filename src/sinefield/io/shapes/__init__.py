"""Files of shapes, one module for each family of formats, to vertices, triangles and normals."""
