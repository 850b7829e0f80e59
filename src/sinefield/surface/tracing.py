"""Pictures of the surface Φ = 0 without a mesh, by sphere tracing."""
