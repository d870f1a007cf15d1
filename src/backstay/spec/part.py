"""What every part of a specification is."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from backstay.spec.profiles import Timers


class Part(BaseModel):
    """A frozen part of the specification; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class Timed(Part):
    """A part whose timers are the profile's unless they are written."""

    def with_unwritten(self, timers: Timers) -> Self:
        """Return the part with these values for the timers that were not written."""
        unwritten = {
            name: value
            for name, value in timers.values().items()
            if name in type(self).model_fields and name not in self.model_fields_set
        }
        return self.model_construct(self.model_fields_set, **(dict(self) | unwritten))
