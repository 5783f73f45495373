"""What the tasks ask of their settings and targets alike. Left out: what only one of them asks."""


def check_whole(config, *ranges):
    """Raises ValueError for the first field of a config that is no whole number in its range: `(name, lowest, highest)`."""
    for name, lowest, highest in ranges:
        value = getattr(config, name)
        if not isinstance(value, int) or not lowest <= value <= highest:
            raise ValueError(f"{name} must be a whole number from {lowest} to {highest}; received {value!r}.")


def check_labels(config, targets):
    """Raises ValueError for the first target that is not one of the config's labels."""
    for place, target in enumerate(targets):
        if target not in config.labels:
            raise ValueError(f"Example {place}: unknown label {target!r}; expected one of {list(config.labels)}.")
