"""Priors over fields: a field whose weights are a function of a latent, so that few samples find it."""
