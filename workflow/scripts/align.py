"""Many shards: the search of the unit sphere."""

from lstm_gpu.job import job

with job(snakemake) as log:
    from lstm_gpu import campaign, exhaustive, ledger
    from lstm_gpu.claims import gate_maximum  # noqa: F401 (loaded before the work is timed)
    from lstm_gpu.progress import Progress

    params = snakemake.params
    done = ledger.fill(
        snakemake.output[0],
        "align",
        params.work,
        make=campaign.align_shard,
        settings={
            "seed": params.seed,
            "backend": params.backend,
            "directions": params.directions,
            "accuracy": exhaustive.accuracy_from(
                snakemake.input.accuracy, params.work[0]["case"]["dtype"], params.backend
            ),
        },
        sources=snakemake.input.sources,
        progress=Progress("align", stream=log),
    )
    log.write(done + "\n")
