"""Every problem type of the project, by name, and which of them are never trained on."""

from __future__ import annotations

from dataclasses import replace

from mlxtutor.problems import capacitance, circuits, coulomb, field, gauss, potential
from mlxtutor.problems.types import ProblemType

FAMILIES = {"coulomb": coulomb.TYPES, "field": field.TYPES, "gauss": gauss.TYPES, "potential": potential.TYPES,
            "capacitance": capacitance.TYPES, "circuits": circuits.TYPES}

# The rarer types, and near copies of others, that none of the hand-written test problems needs: they make the split `types`.
HELD = {
    "coulomb": "acceleration square levitation hydrogen_like",
    "field": "finite_line_bisector semicircle_center dipole_energy oil_drop dipole_equator two_lines",
    "gauss": "sphere_density_outside cylinder_shell_outside coax_between "
             "slab_inside slab_outside charge_from_surface_field rho_from_sphere",
    "potential": "dipole disk_axis sphere_inside proton_speed ion_energy "
                 "closest_approach stopping_voltage point_charge shell_inside square_energy",
    "capacitance": "dielectric_side_by_side energy_density_plates reconnect_opposite mixed_parallel_series "
                   "plate_charge plate_field series_voltage plate_area plate_force",
    "circuits": "electrons_from_current rc_resistance rc_time_to_fraction rc_initial_current maximum_power",
}


def _catalog() -> dict[str, ProblemType]:
    """The types by name, those of HELD marked."""
    held = {f"{family}_{name}" for family, names in HELD.items() for name in names.split()}
    types = {problem.name: problem for types in FAMILIES.values() for problem in types}
    unknown = held - set(types)
    if unknown:
        raise ValueError(f"HELD names no type: {sorted(unknown)}")
    return {name: replace(problem, held=name in held) for name, problem in types.items()}


TYPES: dict[str, ProblemType] = _catalog()
