"""Examples: labelled inputs by their place, whether they lie in memory, in a table, in folders or on pages.

Convention: a place is an int from 0. What is large stays on disk until it is asked for: a row of a table that names a file
is that file's path, a line of a page is cropped each time. Labels and names are at hand without reading inputs.
"""

import operator
from collections.abc import Sequence


class Examples(Sequence):
    """A sequence of `(input, target)` pairs; `read_examples` makes one.

    Args:
        inputs: sequence, one for each example, of what `read` makes inputs of.
        targets: sequence of the same length.
        name_of: function of a place, which gives the example's name.
        read: function of one of `inputs`; None where these are the inputs themselves.
    """

    def __init__(self, inputs, targets, name_of, read=None):
        self._inputs, self._name_of, self._read = inputs, name_of, read
        self.targets = targets  # all of them, in order

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, place):
        """The pair at a place, or for a slice a list of pairs. ValueError, by name, if the input cannot be read any more."""
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        place = operator.index(place)
        x = self._inputs[place]
        if self._read is not None:
            try:
                x = self._read(x)
            except ValueError as error:
                raise ValueError(f"{self.name_of(place)}: {error}") from error
        return x, self.targets[place]

    def name_of(self, place):
        """How the one who has the data finds the example: "train.csv, line 12" or "Example 12"."""
        return self._name_of(range(len(self))[place])

    def __repr__(self):
        return f"<{len(self):,} examples, from {self.name_of(0)}>" if self.targets else "<no examples>"
