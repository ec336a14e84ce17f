"""Comparison of a layer with the one before it: records, differences, and the digests of rows.

There are two digests, since they are computed in different places. ``digests`` compares the source with bronze: the
server computes it in its own process, so it consists of PostgreSQL's hash functions (``lookup3`` repeats them for whole
columns). ``row_digest`` compares what a job computed with what is read back: the engine's workers and this process run
the same function in numpy, which costs less per value, needs no canonical text, and is additive, so that a run brings
the digest of a table up to date from the rows that changed. Neither could take the other's place: PostgreSQL has no
64-bit multiplication that wraps around, and the server's hashes of texts cost several times as much in Python.
"""
