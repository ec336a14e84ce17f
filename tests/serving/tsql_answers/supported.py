SUPPORTED: dict[str, int] = {}
