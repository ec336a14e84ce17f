"""The lake on ADLS Gen2, through Microsoft's own client; docs/adr/0013 says why not pyarrow's."""
