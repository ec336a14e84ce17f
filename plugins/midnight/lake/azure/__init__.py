"""The lake on ADLS Gen2, through Microsoft's own client; why not pyarrow's, docs/adr says."""
