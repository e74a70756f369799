"""A case: the five settings that fix from what law a weight set is drawn."""

from dataclasses import asdict, dataclass

DTYPES = ("float64", "float32")


@dataclass(frozen=True)
class Case:
    """One cell of the experiment's design.

    Attributes
    ----------
    hidden_size, input_size : n and m of the derivation, positive
    dtype : "float64" or "float32", of weights, states, formulas and references
    distribution : a name of `lstm_gpu.weights.DISTRIBUTIONS`
    regime : a name of `lstm_gpu.weights.REGIMES`
    """

    hidden_size: int
    input_size: int
    dtype: str
    distribution: str
    regime: str

    @property
    def name(self) -> str:
        """The canonical name; with a seed it addresses the case's random streams."""
        return ",".join(f"{key}={value}" for key, value in self.as_dict().items())

    def as_dict(self) -> dict[str, int | str]:
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: dict) -> "Case":
        """Rebuild a case from `as_dict` (or from strings, as file names give them)."""
        return cls(
            hidden_size=int(settings["hidden_size"]),
            input_size=int(settings["input_size"]),
            dtype=str(settings["dtype"]),
            distribution=str(settings["distribution"]),
            regime=str(settings["regime"]),
        )
