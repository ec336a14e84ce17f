"""The Data Factory as code: what ``include/adf/`` holds, and whether a factory has it. Terraform deploys it."""
