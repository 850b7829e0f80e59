"""Fit a field to the gradients of a picture alone, and see the picture come back up to a constant."""

import sinefield


def main(passes: float = 20.0, longest: int = 128) -> sinefield.Solution:
    """Return the solution."""
    problem = sinefield.problems.image("sample:camera", on=["gradient"], longest=longest)
    solution = sinefield.solve(problem, passes=passes)
    print({name: round(value, 3) for name, value in solution.metrics.items()})
    return solution


if __name__ == "__main__":
    sinefield.plots.save_figure(sinefield.plots.solution_figure(main()), "from_gradients.png")
