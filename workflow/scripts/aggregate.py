"""All shards into the tables, the counterexamples and the manifest."""

from pathlib import Path

from lstm_gpu.job import job

with job(snakemake):
    from lstm_gpu import packing
    from lstm_gpu.report import tables

    config = snakemake.params.config
    shards = list(snakemake.input.sigmoid)
    for kind in packing.kinds(config):
        shards += packing.shard_paths(kind, config, snakemake.params.folders)
    tables.aggregate(
        [Path(shard) for shard in shards],
        config=config,
        results=Path(snakemake.output.verdicts).parent,
    )
