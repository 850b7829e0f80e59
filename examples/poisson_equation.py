"""Solve Δu = f with u = 0 on the boundary of a square, and compare with the solution u = sin(πx) sin(πy)."""

import math

import torch

from sinefield import Box, Constraint, Siren, solve

omega = Box([-1.0, -1.0], [1.0, 1.0])


def exact(points: torch.Tensor) -> torch.Tensor:
    """Return u at points ``(n, 2)``."""
    return torch.sin(math.pi * points).prod(1, keepdim=True)


def main(passes: float = 2.0) -> float:
    """Return the relative error of the field found."""
    torch.manual_seed(0)
    solution = solve(
        Siren(2, 1, hidden_features=64, hidden_layers=2, first_omega=5),
        [
            Constraint(omega, lambda u: u.laplacian + 2 * math.pi**2 * exact(u.points), weight=0.003, name="poisson"),
            Constraint(omega.boundary, lambda u: u.value, name="dirichlet"),
        ],
        passes=passes,
        batch=512,  # a small network takes many quick steps rather than few large ones
        matrix_rate=2e-3,
        learning_rate=2e-3,
    )
    points = omega.draw(10_000, torch.Generator().manual_seed(1)).points
    with torch.no_grad():
        error = float((solution.field(points) - exact(points)).norm() / exact(points).norm())
    print(f"relative error {error:.4f} after {solution.seconds:.1f} s")
    return error


if __name__ == "__main__":
    main()
