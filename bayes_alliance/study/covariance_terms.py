"""What a formula says of covariance beyond one grouping factor: random parts, and the residuals of a patient."""

from __future__ import annotations

from dataclasses import dataclass

INTERCEPT = "Intercept"
KINDS = {"cs": False, "ar1": True, "car1": True, "toep": True, "un": True}


@dataclass(frozen=True, kw_only=True)
class RandomPart:
    """One random part: columns, whether their effects are correlated, the variables whose values make the groups."""

    columns: tuple[str, ...]
    correlated: bool
    group: tuple[str, ...]

    @property
    def text(self) -> str:
        """In one canonical spelling."""
        inner = [name for name in self.columns if name != INTERCEPT]
        head = "1" if INTERCEPT in self.columns else "0"
        return f"({' + '.join([head, *inner])} {'|' if self.correlated else '||'} {':'.join(self.group)})"


@dataclass(frozen=True, kw_only=True)
class ResidualSpec:
    """Residual structure as written: kind, its variable, and the variable whose groups have SDs of their own."""

    kind: str = "id"
    variable: str = ""
    variance: str = ""

    @property
    def text(self) -> str:
        """In one canonical spelling; empty for independent residuals with one SD."""
        first = self.kind + (f"({self.variable})" if self.variable else "") if self.kind != "id" else ""
        second = f"var({self.variance})" if self.variance and self.kind != "un" else ""
        return " * ".join(filter(None, [first, second]))

    def terms(self, patient: str) -> str:
        """As terms of a formula: ``ar1(visit | patient) + var(arm | patient)``."""
        first = f"{self.kind}({self.variable or 1} | {patient})" if self.kind != "id" else ""
        second = f"var({self.variance} | {patient})" if self.variance and self.kind != "un" else ""
        return " + ".join(filter(None, [first, second]))


INDEPENDENT = ResidualSpec()
