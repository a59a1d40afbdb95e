"""Problem types, their solvers and their wordings."""
