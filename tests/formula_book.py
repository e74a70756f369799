"""Right formulas for every quantity, each written in several algebraically equal ways."""

from types import SimpleNamespace


def _column(v):
    return v[:, :, None]


def _diagonal(step, v):
    return _column(v) * step.xp.eye(v.shape[1], dtype=v.dtype)


def _sum_of_paths(step, slopes, scale):
    """o-path + slope ∘ (f-path + i-path + u-path), with a way to scale rows."""
    U, s = step.U, slopes
    bracket = (
        scale(step, step.c_prev * s.f, U.f)
        + scale(step, step.u * s.i, U.i)
        + scale(step, step.i * s.u, U.u)
    )
    return scale(step, step.tanh_c * s.o, U.o), bracket, scale(step, step.o * s.t, bracket)


# --- Ways to write the slopes ---------------------------------------------------------------------


def _as_product(step):
    return SimpleNamespace(
        i=step.i * (1 - step.i), f=step.f * (1 - step.f), o=step.o * (1 - step.o),
        u=1 - step.u**2, t=1 - step.tanh_c**2,
    )  # fmt: skip


def _as_difference(step):
    return SimpleNamespace(
        i=step.i - step.i**2, f=step.f - step.f**2, o=step.o - step.o**2,
        u=(1 - step.u) * (1 + step.u), t=1 / step.xp.cosh(step.c) ** 2,
    )  # fmt: skip


def _of_preactivations(step):
    """e^{-z}/(1 + e^{-z})², as D5 begins; of |z|, which is as large, where e^{-z} overflows."""
    exp = step.xp.exp

    def sigma(z):
        q = exp(-step.xp.abs(z))
        return q / (1 + q) ** 2

    z = step.z
    return SimpleNamespace(
        i=sigma(z.i), f=sigma(z.f), o=sigma(z.o), u=4 * sigma(2 * z.u), t=4 * sigma(2 * step.c)
    )


def _literal(step):
    """D5 as the document has it, overflow and all."""
    exp = step.xp.exp

    def sigma(z):
        return exp(-z) / (1 + exp(-z)) ** 2

    z = step.z
    return SimpleNamespace(
        i=sigma(z.i), f=sigma(z.f), o=sigma(z.o), u=1 / step.xp.cosh(z.u) ** 2,
        t=1 / step.xp.cosh(step.c) ** 2,
    )  # fmt: skip


# --- Ways to scale rows ---------------------------------------------------------------------------


def _by_broadcast(step, v, J):
    return _column(v) * J


def _by_einsum(step, v, J):
    return step.xp.einsum("si,sij->sij", v, J)


def _by_matmul(step, v, J):
    return step.xp.matmul(_diagonal(step, v), J)


def _spread_out(step, slopes, scale):
    """D4 with the bracket opened: another order of association."""
    U, s = step.U, slopes
    slope = step.o * s.t
    return (
        scale(step, slope * step.i * s.u, U.u)
        + scale(step, s.i * (slope * step.u), U.i)
        + scale(step, (slope * s.f) * step.c_prev, U.f)
        + scale(step, s.o * step.tanh_c, U.o)
    )


WAYS = {
    "product": (_as_product, _by_broadcast),
    "difference": (_as_difference, _by_einsum),
    "matmul": (_as_difference, _by_matmul),
    "preactivations": (_of_preactivations, _by_broadcast),
    "literal": (_literal, _by_broadcast),
}


def _inputs_for_states(step):
    """W in the place of U: the derivative by x_t."""
    view = {name: getattr(step, name) for name in step.__dataclass_fields__}
    return SimpleNamespace(**{**view, "U": step.W})


def right(quantity, way):
    """A right formula: ``formula(step)``."""
    slopes_of, scale = WAYS[way]

    def formula(step):
        s = slopes_of(step)
        if quantity == "hidden_by_input_jacobian":
            step = _inputs_for_states(step)
        o_path, bracket, rest = _sum_of_paths(step, s, scale)
        match quantity:
            case "hidden_jacobian" if way == "difference":
                return _spread_out(step, s, scale)
            case "hidden_jacobian" | "hidden_by_input_jacobian":
                return o_path + rest
            case "tanh_cell_jacobian":
                return scale(step, s.t, bracket)
            case "cell_jacobian":
                return bracket
            case "input_gate_jacobian":
                return scale(step, s.i, step.U.i)
            case "forget_gate_jacobian":
                return scale(step, s.f, step.U.f)
            case "output_gate_jacobian":
                return scale(step, s.o, step.U.o)
            case "candidate_jacobian":
                return scale(step, s.u, step.U.u)
            case "cell_by_cell_jacobian":
                return _diagonal(step, step.f)
            case "hidden_by_cell_jacobian":
                return _diagonal(step, step.f * (s.t * step.o))
        raise KeyError(quantity)

    formula.__name__ = f"{quantity}_as_{way}"
    return formula
