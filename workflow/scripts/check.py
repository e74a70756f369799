"""Many shards: formulas against references."""

from lstm_gpu.job import job

with job(snakemake) as log:
    from lstm_gpu import campaign, exhaustive, ledger
    from lstm_gpu.progress import Progress

    params = snakemake.params
    done = ledger.fill(
        snakemake.output[0],
        "check",
        params.work,
        make=campaign.check_shard,
        settings={
            "seed": params.seed,
            "backend": params.backend,
            "accuracy": exhaustive.accuracy_from(
                snakemake.input.accuracy, params.work[0]["case"]["dtype"], params.backend
            ),
        },
        sources=snakemake.input.sources,
        progress=Progress("check", stream=log),
    )
    log.write(done + "\n")
