"""The lake on ADLS Gen2, through Microsoft's client library (docs/adr/0013)."""
