"""Many shards: readers' own formulas against references."""

from lstm_gpu.job import job

with job(snakemake) as log:
    from functools import partial

    from lstm_gpu import ledger
    from lstm_gpu.formulas.shard import formulas_shard, names_of
    from lstm_gpu.progress import Progress

    params = snakemake.params
    done = ledger.fill(
        snakemake.output[0],
        "formulas",
        params.work,
        make=partial(formulas_shard, snakemake.input.files),
        settings={
            "seed": params.seed,
            "backend": params.backend,
            # Of the shards' rows, and made from the folders: no digest of the files has them.
            "names": names_of(snakemake.input.files),
        },
        sources=[*snakemake.input.sources, *snakemake.input.files, *snakemake.input.helpers],
        progress=Progress("formulas", stream=log),
    )
    log.write(done + "\n")
