"""All shards into the tables, the counterexamples and the manifest."""

from pathlib import Path

from lstm_gpu.job import job

with job(snakemake):
    from lstm_gpu.report import tables

    kinds = ("check", "align", "sigmoid", "formulas")
    shards = [shard for kind in kinds for shard in snakemake.input[kind]]
    tables.aggregate(
        [Path(shard) for shard in shards],
        config=snakemake.params.config,
        results=Path(snakemake.output.verdicts).parent,
    )
