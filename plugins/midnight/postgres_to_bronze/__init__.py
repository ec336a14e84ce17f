"""PostgreSQL to bronze: reads a load group inside one snapshot and seals it as one batch per table.

The path of a row, from the entry point down::

    load_group.GroupIngest.run             what this run has not sealed yet
      snapshot.export_snapshot             one snapshot for all connections, tables locked against rewrites
      table_plan.plan_tables               per table: the COPY query and the ranges of pages
      parallel_copy.ParallelCopy.run       one asyncio task and one worker thread per connection
        │
        │  event loop                                     worker thread
        │  copy_stream.CopyStream.receive      block      range_copy.RangeCopy.write_block
        │    COPY sends pieces (8 kB and more) ─────────▶   copy_parser.CopyParser.parse    rows → Arrow table
        │    BlockBuffers: 256 kB to 2 MB      in order       copy_block.Block              where the fields are
        │                                                       row_starts, binary_values, binary_numeric
        │                                                   CursorExtremes.add              smallest, largest cursor
        │                                                   parquet_writer.PartWriter.add   row groups → one file
        ▼
      bronze.batches.seal_group            manifests, once every table of the group has been read

While a block is parsed the next one is received, and while a file is closed the next range is received. Memory is
bounded by ``parallel_copy.MEMORY_BYTES``, whatever the tables hold.
"""
