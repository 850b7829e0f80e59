"""Fit a picture, then ask its function for values and exact derivatives between the pixels."""

import torch

import sinefield


def main(passes: float = 10.0, longest: int = 128) -> sinefield.Jet:
    """Return the jet of the field at two points."""
    solution = sinefield.solve(sinefield.problems.image("sample:astronaut", longest=longest), passes=passes)
    points = torch.tensor([[0.0, 0.0], [0.25, -0.5]])  # (y, x) in [−1, 1]
    u = sinefield.jet(solution.field, points)
    print("value", u.value.tolist())  # red, green, blue in [−1, 1]
    print("Jacobian", u.jacobian.shape, "Laplacian", u.laplacian.tolist())
    return u


if __name__ == "__main__":
    main()
