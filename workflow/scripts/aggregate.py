"""All shards into the tables, the counterexamples and the manifest."""

from pathlib import Path

from lstm_gpu.job import job

with job(snakemake):
    from lstm_gpu.report import tables

    shards = [*snakemake.input.check, *snakemake.input.align, *snakemake.input.sigmoid]
    tables.aggregate(
        [Path(shard) for shard in shards],
        config=snakemake.params.config,
        results=Path(snakemake.output.verdicts).parent,
    )
