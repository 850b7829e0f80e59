"""Fit a grid of small networks to a picture, and see that value and gradient do not jump where they meet."""

import torch

import sinefield


def main(passes: float = 20.0, longest: int = 256) -> float:
    """Return the largest jump of the gradient across the middle seam, over the largest gradient there."""
    problem = sinefield.problems.image("sample:camera", longest=longest, tile_size=64)
    solution = sinefield.solve(problem, passes=passes)
    along = torch.linspace(-0.9, 0.9, 200, dtype=torch.float64)
    left, right = (torch.stack([along, torch.full_like(along, side)], dim=1) for side in (-1e-9, 1e-9))
    field = solution.field.double()
    one, other = (sinefield.jet(field, points).gradient.detach() for points in (left, right))
    jump = float((one - other).norm(dim=1).max() / one.norm(dim=1).max())
    print(f"{field.counts} tiles, PSNR {solution.metrics['psnr']:.1f} dB; the gradient jumps by {jump:.1e} of itself")
    return jump


if __name__ == "__main__":
    main()
