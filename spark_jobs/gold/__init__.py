"""Silver to gold: builds the models, audits them and records the build. Starts in ``run``."""
